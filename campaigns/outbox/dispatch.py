"""Handing messages over: claim, gate, render, send, record, for the length of a slice."""

from __future__ import annotations

import contextlib
import logging
import random
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from campaigns import jobs
from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, TransportError
from campaigns.delivery.retry import next_delay
from campaigns.models import MessageState, Submission, SubmissionState
from campaigns.outbox import claim, control, finish, prepare, recovery, transports
from campaigns.outbox.claim import Claimed
from campaigns.outbox.journal import Journal, Mark
from campaigns.outbox.record import Result
from campaigns.outbox.recorder import Recorder

log = logging.getLogger(__name__)

BUDGET = 45.0  # seconds a slice may take claims; the job behind it is rung again while messages are due
OVERTIME = 15.0  # seconds more in which mails of the batch in hand may leave
PATIENCE = 600.0  # seconds an answer may take after that (RFC 5321 §4.5.3.2.6: ten minutes for the final dot; SM-06)
CHECK_EVERY = 1.0  # seconds between looks at the submission: pause and cancel take effect within 2 s
TRANSPORT_PAUSE = timedelta(minutes=1)

_MARK_OF = {Outcome.ACCEPTED: Mark.ACCEPTED, Outcome.REJECTED: Mark.REJECTED, Outcome.DEFERRED: Mark.DEFERRED}


@dataclass(frozen=True, slots=True)
class SliceResult:
    """How many messages a slice took, and whether more are due."""

    claimed: int
    more: bool


def dispatch_slice(submission_id: int, *, budget: float = BUDGET, limit: int = claim.BATCH) -> SliceResult:
    """Hand over due messages of one submission for about budget seconds; safe beside any number of others."""
    submission = (
        Submission.objects.select_related("account", "content__template", "sender__domain", "transport", "campaign")
        .filter(pk=submission_id, state=SubmissionState.OPEN)
        .first()
    )
    if submission is None:
        return SliceResult(0, more=False)
    if submission.valid_until <= timezone.now():
        claim.expire_overdue([submission_id], now=timezone.now())
    until = time.monotonic() + budget
    run = _Slice(submission, until=until, limit=limit)
    try:
        run.hand_over()
    finally:
        run.end()
    finish.finish_submissions(now=timezone.now(), only=submission_id)
    more = time.monotonic() >= until and claim.count_due(submission_id, now=timezone.now()) > 0
    return SliceResult(run.total, more=more)


class _Slice:
    """One worker's pass over one submission: connections, compiled content and journal are kept between batches."""

    def __init__(self, submission: Submission, *, until: float, limit: int) -> None:
        self.total = 0
        self._submission, self._until, self._limit = submission, until, limit
        self._journal = Journal()
        self._worker = self._journal.worker
        self._preparer = prepare.Preparer(submission, make=prepare.make_wire)
        self._recorder = Recorder(submission.pk, journal=self._journal, preparer=self._preparer)
        self._attempts: dict[int, int] = {}
        self._open = True
        self._checked_at = self._claimed_at = time.monotonic()

    def hand_over(self) -> None:
        """Send what is due, until nothing is, the time is over, or somebody says stop."""
        with contextlib.ExitStack() as stack:
            try:
                transport = transports.open_transport(self._submission.transport)
                stack.callback(transport.close)
                receipts = transport.send(self._outgoing(), leaving=self._journal.leaving)
                stack.enter_context(_closing(receipts))
                for receipt in receipts:
                    if receipt is not None:
                        self._note(receipt)
                    if not self._look_around():
                        break
                self._recorder.flush()
            except TransportError as error:
                self._give_up(error)

    def end(self) -> None:
        """Record what is still unrecorded and put back what was not handed over; after a crash the sweep does it.

        Mail that left and cannot be recorded stays claimed: its journal is left for the sweep, and to put it back is
        to repeat it.
        """
        try:
            for pk in self._journal.unanswered():
                self._note(Receipt(pk, Outcome.UNKNOWN, recovery.UNCERTAIN))
            self._recorder.flush()
            claim.release_claims(worker=self._worker)
            control.cancel_released(now=timezone.now(), only=self._submission.pk)
        finally:
            self._journal.close()

    def _outgoing(self) -> Iterator[OutgoingEmail]:
        """The mails that may leave, claimed by the batch and made one by one as the transport asks for them."""
        while messages := self._claim():
            blocked = self._preparer.blocked(messages)
            for message in messages:
                if not self._may_leave():
                    return
                mail = self._preparer.prepare(message, block=blocked.get(message.address_key, ""))
                if isinstance(mail, Result):
                    self._recorder.note(mail)
                else:
                    self._attempts[message.id] = message.attempts
                    yield mail

    def _claim(self) -> list[Claimed]:
        self._claimed_at = time.monotonic()
        if not self._may_leave() or (self.total and self._claimed_at >= self._until):
            return []
        messages = claim.claim_messages(self._submission.pk, worker=self._worker, now=timezone.now(), limit=self._limit)
        self.total += len(messages)
        return messages

    def _may_leave(self) -> bool:
        now = time.monotonic()
        self._recorder.flush_when_due(now)
        if now - self._checked_at >= CHECK_EVERY:
            self._check(now)
        return self._open and now < self._until + OVERTIME

    def _look_around(self) -> bool:
        """Whether answers are still waited for."""
        now = time.monotonic()
        self._recorder.flush_when_due(now)
        if now - self._checked_at >= CHECK_EVERY:
            self._check(now)
        return now < self._until + OVERTIME + PATIENCE

    def _check(self, now: float) -> None:
        self._checked_at = now
        still = Submission.objects.filter(pk=self._submission.pk, state=SubmissionState.OPEN).exists()
        self._open = still and not jobs.is_stopping()
        if now - self._claimed_at >= claim.LEASE.total_seconds() / 3:
            self._claimed_at = now
            claim.renew_lease(worker=self._worker, now=timezone.now())

    def _note(self, receipt: Receipt) -> None:
        """Into the journal before anything else: the next mail leaves on the same connection right after."""
        if (mark := _MARK_OF.get(receipt.outcome)) is not None:
            self._journal.settle(receipt.id, mark, receipt.code)
        self._recorder.note(self._result(receipt))

    def _result(self, receipt: Receipt) -> Result:
        attempts = self._attempts.pop(receipt.id, 1)
        if receipt.outcome is Outcome.ACCEPTED:
            return Result(receipt.id, MessageState.SENT, receipt.code)
        if receipt.outcome is Outcome.REJECTED:
            return Result(receipt.id, MessageState.BOUNCED, receipt.code)
        if receipt.outcome is Outcome.UNKNOWN:
            # It may have been accepted: the same Message-ID goes again, and the receiver can tell.
            state = recovery.uncertain_state(self._submission.options)
            if state is MessageState.HELD:
                return Result(receipt.id, state, recovery.UNCERTAIN)
        return self._retry(receipt, attempts=attempts, now=timezone.now())

    def _retry(self, receipt: Receipt, *, attempts: int, now: datetime) -> Result:
        # Eight steps of jitter spread the retries and keep the groups of one record few.
        jitter = random.randrange(8) / 7  # noqa: S311 (not a secret)
        retry_at = now + next_delay(attempts, jitter=jitter)
        if retry_at >= self._submission.valid_until:
            return Result(receipt.id, MessageState.EXPIRED, receipt.code)
        return Result(receipt.id, MessageState.QUEUED, receipt.code, retry_at=retry_at.replace(microsecond=0))

    def _give_up(self, error: TransportError) -> None:
        """The way out does not work: what has not left waits a moment, or for a person."""
        log.warning("transport %s: %s", self._submission.transport_id, error.code)
        self._open = False
        for pk in self._journal.unanswered():
            self._note(Receipt(pk, Outcome.UNKNOWN, recovery.UNCERTAIN))
        self._recorder.flush()
        claim.release_claims(worker=self._worker, next_attempt_at=timezone.now() + TRANSPORT_PAUSE)
        if error.permanent:
            control.stop_submission(self._submission, because=error.safe_text)


@contextlib.contextmanager
def _closing(receipts: Iterator[Receipt | None]) -> Generator[None]:
    """What is in flight when we stop listening is given up now, not when the garbage is collected."""
    try:
        yield
    finally:
        if isinstance(receipts, Generator):
            receipts.close()
