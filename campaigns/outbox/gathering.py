"""One commit for what several threads of a process bring at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event, Lock

from django.db import DatabaseError, connection

from campaigns.errors import CampaignError
from campaigns.outbox.requests import Accepted, Batch
from campaigns.outbox.together import accept_requests, accept_together

Results = list[list[Accepted] | CampaignError]
# While one group waits for the disk, the next is written.
COUNTERS = 2


@dataclass(slots=True, repr=False, eq=False)
class _Brought:
    """What one thread brought; when it is `called`, there is a result, or a group for it to store, itself in it."""

    batch: Batch
    now: datetime
    called: Event = field(default_factory=Event)
    result: list[Accepted] | Exception | None = None
    group: Sequence[_Brought] = ()


class Gathering:
    """accept_requests for many threads at once.

    Whoever finds a counter free goes there at once. Who comes while all are taken waits, and the first of those that
    wait stores for all of them, in one transaction. So a commit, and looking up domains and ways out, is shared just
    when there is most to do, and a caller that is alone waits for nobody.
    """

    def __init__(self, store: Callable[..., Results] = accept_together, *, counters: int = COUNTERS) -> None:
        self._store = store
        self._lock = Lock()
        self._free = counters
        self._waiting: list[_Brought] = []

    def __len__(self) -> int:
        """How many wait for a counter."""
        return len(self._waiting)

    def accept(self, batch: Batch, *, now: datetime) -> list[Accepted]:
        """The mails of the batch, durable; raises what accept_requests raises."""
        if connection.in_atomic_block:
            # The caller's transaction decides about its mails, and about nobody else's.
            return accept_requests(batch, now=now)
        mine = _Brought(batch, now)
        if not self._take_counter(mine):
            mine.called.wait()
        if mine.group:
            try:
                self._store_all(mine.group)
            finally:
                mine.group = ()
                self._leave_counter()
        if isinstance(mine.result, Exception):
            raise mine.result
        assert mine.result is not None
        return mine.result

    def _take_counter(self, mine: _Brought) -> bool:
        with self._lock:
            if not self._free:
                self._waiting.append(mine)
                return False
            self._free -= 1
        mine.group = [mine]
        return True

    def _leave_counter(self) -> None:
        with self._lock:
            group, self._waiting = self._waiting, []
            if not group:
                self._free += 1
                return
        group[0].group = group
        group[0].called.set()

    def _store_all(self, group: Sequence[_Brought]) -> None:
        results: Sequence[list[Accepted] | Exception]
        try:
            results = self._store([brought.batch for brought in group], now=max(one.now for one in group))
        except DatabaseError as error:
            if len(group) > 1:
                # One of them may be what the database does not take: the others must not suffer for it.
                for brought in group:
                    self._store_all([brought])
                return
            results = [error]
        except Exception as error:
            results = [error] * len(group)
        for brought, result in zip(group, results, strict=True):
            brought.result = result
            brought.called.set()
