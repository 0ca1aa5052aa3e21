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
from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, Transport, TransportError
from campaigns.delivery.retry import next_delay
from campaigns.errors import CampaignError
from campaigns.models import Door, MessageState, Submission, SubmissionState
from campaigns.outbox import breaker, claim, control, due, finish, rates, recovery, transports
from campaigns.outbox.claim import Claimed
from campaigns.outbox.intake import Intake, Wait
from campaigns.outbox.journal import Journal, Mark
from campaigns.outbox.prepare import Preparer
from campaigns.outbox.record import Result
from campaigns.outbox.recorder import Recorder

log = logging.getLogger(__name__)

BUDGET = 45.0  # seconds a slice may take claims; the job behind it is rung again while messages are due
OVERTIME = 15.0  # seconds more in which mails of the batch in hand may leave
PATIENCE = 600.0  # seconds an answer may take after that (RFC 5321 §4.5.3.2.6: ten minutes for the final dot; SM-06)
IDLE = 15.0  # seconds a slice waits in all for limits to let something through, before others have its process
CHECK_EVERY = 1.0  # seconds between looks at the submission: pause and cancel take effect within 2 s
JUDGE_EVERY = 5.0  # seconds between looks at its bounces and complaints
JUDGE_REST = 50  # times as long as a look took, at least: it counts mails, and a campaign has a million of them

_MARK_OF = {Outcome.ACCEPTED: Mark.ACCEPTED, Outcome.REJECTED: Mark.REJECTED, Outcome.DEFERRED: Mark.DEFERRED}


@dataclass(frozen=True, slots=True)
class SliceResult:
    """How many messages a slice took, whether more are due, and whether a limit and not the time ended it."""

    claimed: int
    more: bool
    limited: bool = False


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
    run = _work(submission, until=until, limit=limit)
    finish.finish_submissions(now=timezone.now(), only=submission_id)
    if run is None:
        return SliceResult(0, more=False)
    more = run.is_limited or (time.monotonic() >= until and claim.is_due(submission_id, now=timezone.now()))
    return SliceResult(run.total, more=more, limited=run.is_limited)


def _work(submission: Submission, *, until: float, limit: int) -> _Slice | None:
    """Run a slice; None when the way out is closed."""
    closed_until = breaker.enter(submission.transport, now=timezone.now())
    if closed_until is not None:
        _wait_for_transport(submission, until=closed_until)
        return None
    try:
        transport = transports.open_transport(submission.transport)
        preparer = Preparer(submission, takes_content=transport.takes_content)
    except TransportError as error:
        _note_trouble(submission, error)
        return None
    except CampaignError as error:
        _stop(submission, because=error.safe_text)
        return None
    # A test is refused like any mail: its one message says why.
    if submission.door == Door.CAMPAIGN and (because := preparer.refusal()):
        transport.close()
        _stop(submission, because=because)
        return None
    with contextlib.closing(transport):
        run = _Slice(submission, transport=transport, preparer=preparer, until=until, limit=limit)
        try:
            run.hand_over()
        finally:
            run.end()
            breaker.leave(submission.transport, now=timezone.now())
    return run


class _Slice:
    """One worker's pass over one submission: connections, compiled content and journal are kept between batches."""

    def __init__(
        self, submission: Submission, *, transport: Transport, preparer: Preparer, until: float, limit: int
    ) -> None:
        self.total = 0
        self.is_limited = False
        self._submission, self._transport = submission, transport
        self._until, self._limit = until, limit
        self._journal = Journal()
        self._intake = Intake(submission, worker=self._journal.worker)
        self._preparer = preparer
        self._recorder = Recorder(submission, journal=self._journal, preparer=preparer)
        self._attempts: dict[int, int] = {}
        self._open = True
        self._waited = 0.0
        self._checked_at = self._claimed_at = time.monotonic()
        self._judge_at = self._checked_at + JUDGE_EVERY

    def hand_over(self) -> None:
        """Send what is due, until nothing is, the time is over, or somebody says stop."""
        try:
            self._send()
            while self._intake.wait is not None and self._idle(self._intake.wait):
                self._send()
        except TransportError as error:
            self._open = False
            self._settle_unanswered()
            self._recorder.flush()
            self._intake.note_unused(claim.release_claims(worker=self._journal.worker))
            _note_trouble(self._submission, error)

    def end(self) -> None:
        """Record what is still unrecorded and put back what was not handed over; after a crash the sweep does it.

        Mail that left and cannot be recorded stays claimed: its journal is left for the sweep, and to put it back is
        to repeat it.
        """
        try:
            self._settle_unanswered()
            self._recorder.flush()
            self._intake.note_unused(claim.release_claims(worker=self._journal.worker))
            self._intake.give_back()
            control.cancel_released(now=timezone.now(), only=self._submission.pk)
        finally:
            self._journal.close()

    def _send(self) -> None:
        receipts = self._transport.send(self._outgoing(), leaving=self._journal.leaving)
        with _closing(receipts):
            for receipt in receipts:
                if receipt is not None:
                    self._note(receipt)
                if not self._look_around() and self._is_out_of_patience():
                    break
        self._recorder.flush()

    def _outgoing(self) -> Iterator[OutgoingEmail]:
        """The mails that may leave, claimed by the batch and made one by one as the transport asks for them."""
        while messages := self._claim():
            blocked = self._preparer.blocked(messages)
            for message in messages:
                if not self._look_around():
                    return
                mail = self._preparer.prepare(message, block=blocked.get(message.address_key, ""))
                if isinstance(mail, Result):
                    self._intake.note_unused(1)
                    self._recorder.note(mail)
                else:
                    self._attempts[message.id] = message.attempts
                    yield mail

    def _claim(self) -> list[Claimed]:
        self._claimed_at = time.monotonic()
        if not self._look_around() or (self.total and self._claimed_at >= self._until):
            return []
        messages = self._intake.take(self._limit)
        self.total += len(messages)
        return messages

    def _idle(self, wait: Wait) -> bool:
        """Wait with open connections, if it is not for long; True when it is time to send again."""
        if wait.until > timezone.now() + timedelta(seconds=IDLE):
            due.postpone_submission(self._submission.pk, until=wait.until, because=wait.because)
            return False
        if self._waited >= IDLE or time.monotonic() >= self._until:
            self.is_limited = True
            return False
        began = time.monotonic()
        while self._look_around() and timezone.now() < wait.until:
            time.sleep(min(0.1, max((wait.until - timezone.now()).total_seconds(), 0.001)))
        self._waited += time.monotonic() - began
        return self._open

    def _look_around(self) -> bool:
        """Record what is due to be recorded; whether mails may still leave."""
        now = time.monotonic()
        self._recorder.flush_when_due(now)
        if now - self._checked_at >= CHECK_EVERY:
            self._check(now)
        return self._open and now < self._until + OVERTIME

    def _check(self, now: float) -> None:
        self._checked_at = now
        if now >= self._judge_at and self._submission.door == Door.CAMPAIGN:
            self._judge(now)
        still = Submission.objects.filter(pk=self._submission.pk, state=SubmissionState.OPEN).exists()
        self._open = still and not jobs.is_stopping()
        transport = self._submission.transport
        if breaker.is_open(transport, timezone.now()):
            self._open = False
            _wait_for_transport(self._submission, until=transport.broken_until)
        if now - self._claimed_at >= claim.LEASE.total_seconds() / 3:
            self._claimed_at = now
            claim.renew_lease(worker=self._journal.worker, now=timezone.now())

    def _judge(self, now: float) -> None:
        rates.check_rates(self._submission, now=timezone.now())
        done = time.monotonic()
        self._judge_at = done + max(JUDGE_EVERY, (done - now) * JUDGE_REST)

    def _is_out_of_patience(self) -> bool:
        return time.monotonic() >= self._until + OVERTIME + PATIENCE

    def _note(self, receipt: Receipt) -> None:
        """Into the journal before anything else: the next mail leaves on the same connection right after."""
        if (mark := _MARK_OF.get(receipt.outcome)) is not None:
            self._journal.settle(receipt.id, mark, receipt.code)
        self._recorder.note(self._result(receipt), outcome=receipt.outcome)

    def _settle_unanswered(self) -> None:
        """What left and will get no answer any more."""
        for pk in self._journal.unanswered():
            self._note(Receipt(pk, Outcome.UNKNOWN, recovery.UNCERTAIN))

    def _result(self, receipt: Receipt) -> Result:
        attempts = self._attempts.pop(receipt.id, 1)
        if receipt.outcome is Outcome.ACCEPTED:
            return Result(receipt.id, MessageState.SENT, receipt.code)
        if receipt.outcome is Outcome.REJECTED:
            return Result(receipt.id, MessageState.BOUNCED, receipt.code)
        if receipt.outcome is Outcome.UNKNOWN and recovery.is_held(self._submission.options):
            return Result(receipt.id, MessageState.HELD, recovery.UNCERTAIN)
        # It may have been accepted: the same Message-ID goes again, and the receiver can tell.
        return self._retry(receipt, attempts=attempts, now=timezone.now())

    def _retry(self, receipt: Receipt, *, attempts: int, now: datetime) -> Result:
        # Eight steps of jitter spread the retries and keep the groups of one record few.
        jitter = random.randrange(8) / 7  # noqa: S311 (not a secret)
        retry_at = now + next_delay(attempts, jitter=jitter)
        if retry_at >= self._submission.valid_until:
            return Result(receipt.id, MessageState.EXPIRED, receipt.code)
        return Result(receipt.id, MessageState.QUEUED, receipt.code, retry_at=retry_at.replace(microsecond=0))


def _note_trouble(submission: Submission, error: TransportError) -> None:
    """The way out does not work: everything that leaves by it waits a while, or this for a person."""
    log.warning("transport %s: %s", submission.transport_id, error.code)
    if error.permanent:
        control.stop_submission(submission, because=error.safe_text)
        return
    now = timezone.now()
    breaker.note_broken(submission.transport, now=now, because=error.safe_text)
    _wait_for_transport(submission, until=submission.transport.broken_until)


def _stop(submission: Submission, *, because: str) -> None:
    """Every mail of it would fail, for good: a person mends what it is, and resumes."""
    control.stop_submission(submission, because=because)
    breaker.leave(submission.transport, now=timezone.now())


def _wait_for_transport(submission: Submission, *, until: datetime | None) -> None:
    until = until or timezone.now() + breaker.FIRST_PAUSE
    due.postpone_submission(submission.pk, until=until, because=submission.transport.broken_because)


@contextlib.contextmanager
def _closing(receipts: Iterator[Receipt | None]) -> Generator[None]:
    """What is in flight when we stop listening is given up now, not when the garbage is collected."""
    try:
        yield
    finally:
        if isinstance(receipts, Generator):
            receipts.close()
