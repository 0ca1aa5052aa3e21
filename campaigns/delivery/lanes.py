"""Several requests on their way at once: a few threads, each with a connection of its own that it keeps.

Mails are pulled and receipts are yielded in the caller's thread only, which is the one with the database.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from campaigns.delivery.base import Leaving, Outcome, OutgoingEmail, Receipt, TransportError

_POLL = 1.0  # seconds between signs of life while answers are awaited


@dataclass(frozen=True, slots=True)
class Batch:
    """The mails of one request; `tries` counts the requests that were turned away for now."""

    mails: Sequence[OutgoingEmail]
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request: a receipt for each of its mails, or the mails again in other batches.

    `pause` are seconds in which nobody asks; `error` says that the way out does not work.
    """

    receipts: Sequence[Receipt] = ()
    again: Sequence[Batch] = ()
    pause: float = 0
    error: TransportError | None = None


def read_connections(values: Mapping[str, Any]) -> int:
    """How many requests may be on their way at once; raises ValueError."""
    connections = int(values.get("connections", 10))
    if not 1 <= connections <= 100:
        raise ValueError("1 to 100 connections")
    return connections


class Asker(Protocol):
    """One connection to the provider, used by one thread."""

    def ask(self, batch: Batch) -> Answer: ...
    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Lane:
    inbox: queue.SimpleQueue[Batch | None] = field(default_factory=queue.SimpleQueue)


_Result = tuple[_Lane, Answer | Exception]


class Lanes:
    """Up to so many requests at once; each lane's receipts are out before its next request leaves."""

    def __init__(self, make_asker: Callable[[], Asker], *, limit: int) -> None:
        self._make_asker, self._limit = make_asker, limit
        self._all: list[_Lane] = []
        self._idle: list[_Lane] = []
        self._results: queue.SimpleQueue[_Result] = queue.SimpleQueue()

    def send(self, batches: Iterator[Batch], *, leaving: Leaving) -> Iterator[Receipt | None]:
        """The receipts of all batches as answers come in, None for every second without one.

        After a TransportError nothing more is asked; what is on its way is waited for, then the error is raised.
        """
        run = _Run(batches)
        finished = False
        try:
            while True:
                while (lane := self._free_lane()) and (batch := run.next_batch()):
                    leaving([mail.id for mail in batch.mails])
                    lane.inbox.put(batch)
                    self._idle.remove(lane)
                    run.busy += 1
                if not run.is_waiting:
                    break
                yield from self._take_result(run)
            yield from run.give_back()
            finished = True
        finally:
            # Somebody gave up in the middle: late answers must not be taken for those of another run.
            if not finished:
                self.close()
        if run.error is not None:
            raise run.error

    def close(self) -> None:
        """Idle connections are closed; busy ones when their answer comes, which nobody waits for."""
        for lane in self._all:
            lane.inbox.put(None)
        self._all, self._idle, self._results = [], [], queue.SimpleQueue()

    def _free_lane(self) -> _Lane | None:
        if not self._idle and len(self._all) < self._limit:
            lane = _Lane()
            arguments = (lane, self._results)
            threading.Thread(target=self._work, args=arguments, name="delivery", daemon=True).start()
            self._all.append(lane)
            self._idle.append(lane)
        return self._idle[-1] if self._idle else None

    def _take_result(self, run: _Run) -> Iterator[Receipt | None]:
        try:
            lane, answer = self._results.get(timeout=run.patience())
        except queue.Empty:
            yield None
            return
        if isinstance(answer, Exception):
            raise answer
        yield from answer.receipts
        run.note(answer)
        self._idle.append(lane)

    def _work(self, lane: _Lane, results: queue.SimpleQueue[_Result]) -> None:
        asker: Asker | None = None
        while (batch := lane.inbox.get()) is not None:
            try:
                asker = asker or self._make_asker()
                answer: Answer | Exception = asker.ask(batch)
            except Exception as error:
                # The edge of the thread: it is raised again where somebody sees it.
                answer = error
            results.put((lane, answer))
        if asker is not None:
            asker.close()


class _Run:
    """What one call of `send` has still to do."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.busy = 0
        self.error: TransportError | None = None
        self._batches, self._again = batches, deque[Batch]()
        self._exhausted = False
        self._resume_at = 0.0

    @property
    def is_waiting(self) -> bool:
        """True while an answer is awaited, or batches wait for the end of a pause."""
        return self.busy > 0 or (self.error is None and (bool(self._again) or not self._exhausted))

    def next_batch(self) -> Batch | None:
        if self.error is not None or time.monotonic() < self._resume_at:
            return None
        if self._again:
            return self._again.popleft()
        batch = None if self._exhausted else next(self._batches, None)
        self._exhausted = batch is None
        return batch

    def note(self, answer: Answer) -> None:
        self.busy -= 1
        self._again.extend(answer.again)
        self._resume_at = max(self._resume_at, time.monotonic() + answer.pause)
        self.error = self.error or answer.error

    def patience(self) -> float:
        left = self._resume_at - time.monotonic()
        return min(_POLL, left) if left > 0 else _POLL

    def give_back(self) -> Iterator[Receipt]:
        """After an error: mails that were turned away before, and that nobody accepted."""
        code = self.error.code if self.error else ""
        for batch in self._again:
            yield from (Receipt(mail.id, Outcome.DEFERRED, code) for mail in batch.mails)
