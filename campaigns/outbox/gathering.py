"""One commit for what several threads of a process bring at the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from threading import Event, Lock, local
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, connection

from campaigns.errors import CampaignError
from campaigns.outbox.requests import Accepted, Batch
from campaigns.outbox.together import accept_requests, accept_together

Results = list[list[Accepted] | CampaignError]
# While one group waits for the disk, the next is written.
COUNTERS = 2
PATIENCE = 0.01
"""Seconds the first of a group waits for others that are on their way."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


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

    Whoever finds a counter free goes there, and first waits a moment for those that are on their way. Who comes while
    all counters are taken waits, and the first of those that wait stores for all of them, in one transaction. So a commit,
    and looking up domains and ways out, is shared just when there is most to do, and a caller that is alone waits for
    nobody.
    """

    def __init__(
        self, store: Callable[..., Results] = accept_together, *, counters: int = COUNTERS, patience: float = PATIENCE
    ) -> None:
        self._store, self._patience = store, patience
        self._lock = Lock()
        self._free = counters
        self._waiting: list[_Brought] = []
        self._on_their_way, self._last = 0, 1
        self._host: Event | None = None  # of the one that waits for them
        self._here = local()

    def __len__(self) -> int:
        """How many wait for a counter, or for others."""
        return len(self._waiting)

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Within, this thread may come with a batch; it is no longer expected when it has brought one."""
        with self._lock:
            self._on_their_way += 1
        self._here.is_expected = True
        try:
            yield
        finally:
            with self._lock:
                self._arrive()

    def expects(self, view: Callable[_P, _R]) -> Callable[_P, _R]:
        """The view, expected from its beginning on."""

        @wraps(view)
        def expected(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            with self.expecting():
                return view(*args, **kwargs)

        return expected

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

    def _arrive(self) -> None:
        """Nobody need wait for this thread any more; the lock is held."""
        if not getattr(self._here, "is_expected", False):
            return
        self._here.is_expected = False
        self._on_their_way -= 1
        self._look()

    def _look(self) -> None:
        """Nobody is on their way, and as many are here as came together the last time: the host need not wait longer."""
        if self._host is not None and not self._on_their_way and len(self._waiting) >= self._last:
            self._host.set()

    def _take_counter(self, mine: _Brought) -> bool:
        with self._lock:
            self._waiting.append(mine)
            self._arrive()
            self._look()
            if self._host is not None or not self._free:
                return False
            self._free -= 1
            self._host = all_here = Event()
            self._look()
        all_here.wait(self._patience)
        with self._lock:
            self._host = None
            mine.group, self._waiting = self._waiting, []
            self._last = len(mine.group)
        return True

    def _leave_counter(self) -> None:
        with self._lock:
            if not self._waiting or self._host is not None:
                self._free += 1
                return
            group, self._waiting = self._waiting, []
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
