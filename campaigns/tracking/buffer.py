"""Hits wait here for a moment: no answer waits for the database, and many are written at once.

What waits is bounded. While the database is away it is kept; once it is full the newest hits are lost, and the log
says how many. A process that ends writes what waits; one that is killed loses a tenth of a second of hits.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.util import Finalize

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connections

from campaigns.tracking.hits import RawHit, record_hits

log = logging.getLogger(__name__)

BATCH = 2_000
MOST_WAITING = 20_000
LAST_CHANCE = 5.0  # seconds a process that ends may spend on what still waits
_RETRY, _LONGEST_RETRY = 0.5, 30.0
_IDLE = 10.0  # seconds without a hit after which the connection is given back
_AWAY = (OperationalError, InterfaceError)


class HitBuffer:
    """Collects hits of one process and hands them to `record` in batches, in a thread of its own."""

    def __init__(self, record: Callable[[Sequence[RawHit]], object], *, flush_seconds: float) -> None:
        """With flush_seconds 0 each hit is written before `add` returns."""
        self._record, self._every = record, flush_seconds
        self._reset()
        # A forked process must neither write its parent's hits once more nor wait for a thread it does not have.
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._waiting: deque[RawHit] = deque()
        self._dropped = 0
        self._wake = threading.Event()
        self._starting, self._writing = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def add(self, hit: RawHit) -> None:
        """Take a hit; never waits for the database unless asked to, never raises."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(hit)
        if self._every:
            self._wake.set()
            if self._thread is None:
                self._start()
        else:
            self._try_to_flush()

    def flush(self) -> None:
        """Write everything that waits, in batches; raises what the database raises, and then it waits on."""
        with self._writing:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                try:
                    self._record(batch)
                except _AWAY:
                    self._waiting.extendleft(reversed(batch))
                    raise
                except Exception as error:
                    # The edge: hits that cannot be written for a reason of their own must not hold up all others. No
                    # traceback: its text could quote a row.
                    log.error("%d hits are lost: %s", len(batch), type(error).__name__)  # noqa: TRY400

    def close(self) -> None:
        """Write what waits, as far as that takes no longer than a last chance, and end the thread."""
        self._end.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(LAST_CHANCE)
        self._thread = None
        self._end.clear()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                # Not atexit: that is not run in a process a server has forked.
                Finalize(None, self.close, exitpriority=10)
                self._thread = threading.Thread(target=self._run, name="hits", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        pause = _RETRY
        while not self._end.is_set():
            if not self._wake.wait(_IDLE):
                connections.close_all()
                self._wake.wait()
            self._end.wait(self._every)
            self._wake.clear()
            if self._try_to_flush():
                pause = _RETRY
            elif not self._end.wait(pause):
                pause = min(pause * 2, _LONGEST_RETRY)
                self._wake.set()
        connections.close_all()

    def _try_to_flush(self) -> bool:
        if dropped := self._dropped:
            self._dropped -= dropped
            log.warning("%d hits were dropped: the database could not take them", dropped)
        try:
            if self._every:
                close_old_connections()
            self.flush()
        except _AWAY as error:
            log.warning("hits cannot be written now: %s; %d wait", type(error).__name__, len(self._waiting))
            return False
        return True


BUFFER = HitBuffer(record_hits, flush_seconds=settings.TRACKING_FLUSH_MS / 1000)
