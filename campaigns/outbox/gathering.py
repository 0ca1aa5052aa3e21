"""One commit for what several threads of a process bring at the same moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from threading import Semaphore

from django.db import DatabaseError, connection

from campaigns.errors import CampaignError
from campaigns.outbox.requests import Accepted, Batch
from campaigns.outbox.together import accept_requests, accept_together

Results = list[list[Accepted] | CampaignError]
# While one group waits for the disk, the next is written.
COUNTERS = 2


@dataclass(slots=True, repr=False, eq=False)
class _Brought:
    batch: Batch
    now: datetime
    stored: Future[list[Accepted]] = field(default_factory=Future)


class Gathering:
    """accept_requests for many threads at once.

    Whoever finds a counter free stores everything that waits there, in one transaction; the others find their answers
    when their turn comes. So a commit, and looking up domains and ways out, is shared just when there is most to do,
    and a caller that is alone waits for nobody.
    """

    def __init__(self, store: Callable[..., Results] = accept_together, *, counters: int = COUNTERS) -> None:
        self._store = store
        self._counters = Semaphore(counters)
        self._waiting: deque[_Brought] = deque()

    def __len__(self) -> int:
        """How many wait at the counters."""
        return len(self._waiting)

    def accept(self, batch: Batch, *, now: datetime) -> list[Accepted]:
        """The mails of the batch, durable; raises what accept_requests raises."""
        if connection.in_atomic_block:
            # The caller's transaction decides about its mails, and about nobody else's.
            return accept_requests(batch, now=now)
        mine = _Brought(batch, now)
        self._waiting.append(mine)
        with self._counters:
            self._store_all(self._take_waiting())
        # Somebody at the other counter may have taken it along.
        return mine.stored.result()

    def _take_waiting(self) -> list[_Brought]:
        taken: list[_Brought] = []
        while self._waiting:
            try:
                taken.append(self._waiting.popleft())
            except IndexError:  # the other counter was faster
                break
        return taken

    def _store_all(self, group: Sequence[_Brought]) -> None:
        if not group:
            return
        try:
            results: Results = self._store([brought.batch for brought in group], now=max(one.now for one in group))
        except DatabaseError as error:
            if len(group) == 1:
                group[0].stored.set_exception(error)
                return
            # One of them may be what the database does not take: the others must not suffer for it.
            for brought in group:
                self._store_all([brought])
        except Exception as error:
            for brought in group:
                brought.stored.set_exception(error)
        else:
            for brought, result in zip(group, results, strict=True):
                if isinstance(result, CampaignError):
                    brought.stored.set_exception(result)
                else:
                    brought.stored.set_result(result)
