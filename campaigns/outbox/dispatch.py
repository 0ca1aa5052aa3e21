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
from campaigns.delivery.base import Transport as WayOut
from campaigns.delivery.retry import next_delay
from campaigns.errors import CampaignError
from campaigns.models import MessageState, Submission, SubmissionState, Transport
from campaigns.outbox import accounting, breaker, claim, finish, holds, recovery, stream, transports
from campaigns.outbox.accounting import HandedOver
from campaigns.outbox.claim import Claimed
from campaigns.outbox.custody import NotApproved
from campaigns.outbox.intake import Wait
from campaigns.outbox.journal import Journal, Mark
from campaigns.outbox.keeper import Keeper
from campaigns.outbox.prepare import Prepares
from campaigns.outbox.record import Result
from campaigns.outbox.recorder import Recorder
from campaigns.outbox.refusals import read_refusal
from campaigns.outbox.slowing import Slowdowns
from campaigns.outbox.streaming import LINGER, StreamWork
from campaigns.outbox.work import SubmissionWork, Work
from compliance.approvals.starting import IntegrityFailed

log = logging.getLogger(__name__)

BUDGET = 45.0  # seconds a slice may take claims; the job behind it is rung again while messages are due
OVERTIME = 15.0  # seconds more in which mails of the batch in hand may leave
PATIENCE = 600.0  # seconds an answer may take after that (RFC 5321 §4.5.3.2.6: ten minutes for the final dot; SM-06)
IDLE = 15.0  # seconds a slice waits in all for limits to let something through, before others have its process
CHECK_EVERY = 1.0  # seconds between looks at the submission: pause and cancel take effect within 2 s

_INSECURE = frozenset({"transport.certificate-invalid", "transport.tls-not-offered", "transport.tls-failed"})
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
        Submission.objects.select_related(
            "account", "content__template", "sender__domain", "domain", "transport", "campaign__terms"
        )
        .filter(pk=submission_id, state=SubmissionState.OPEN)
        .first()
    )
    if submission is None:
        return SliceResult(0, more=False)
    if submission.valid_until <= timezone.now():
        claim.expire_overdue([submission_id], now=timezone.now())
    until = time.monotonic() + budget
    run = _run(SubmissionWork(submission), until=until, limit=limit)
    finish.finish_submissions(now=timezone.now(), only=[submission_id])
    if run is None:
        return SliceResult(0, more=False)
    more = run.is_limited or (time.monotonic() >= until and claim.is_due(submission_id, now=timezone.now()))
    return SliceResult(run.total, more=more, limited=run.is_limited)


def dispatch_stream(
    transport_id: int, *, budget: float = BUDGET, limit: int = claim.BATCH, linger: timedelta = LINGER
) -> SliceResult:
    """Hand over due mails of API requests that leave by one transport, as `dispatch_slice` does.

    With nothing to do it keeps its connections for `linger`: the next request is never far.
    """
    transport = Transport.objects.select_related("account").filter(pk=transport_id).first()
    if transport is None:
        return SliceResult(0, more=False)
    work = StreamWork(transport, linger=linger)
    run = _run(work, until=time.monotonic() + budget, limit=limit)
    # In this order: who accepts a mail now either finds that nobody is looking, or is found by the last look.
    work.end_promise()
    if run is None:
        return SliceResult(0, more=False)
    more = run.is_limited or stream.is_due(transport_id, now=timezone.now())
    return SliceResult(run.total, more=more, limited=run.is_limited)


def _run(work: Work, *, until: float, limit: int) -> _Slice | None:
    """Run a slice; None when the way out is closed."""
    hold = work.find_hold()
    if hold is not None:
        work.wait(timezone.now() + holds.ASK_AGAIN, hold.text)
        return None
    closed_until = breaker.enter(work.transport, now=timezone.now())
    if closed_until is not None:
        _wait_for_transport(work, until=closed_until)
        return None
    try:
        transport = transports.open_transport(work.transport)
        preparer = work.open_preparer(takes_content=transport.takes_content)
    except TransportError as error:
        _note_trouble(work, error)
        return None
    except NotApproved as error:
        work.wait(timezone.now() + holds.ASK_AGAIN, error.safe_text)
        breaker.leave(work.transport, now=timezone.now())
        return None
    except IntegrityFailed as error:
        work.void_approval()
        _stop(work, because=error.safe_text)
        return None
    except CampaignError as error:
        _stop(work, because=error.safe_text)
        return None
    if because := work.refusal(preparer):
        transport.close()
        _stop(work, because=because)
        return None
    with contextlib.closing(transport):
        run = _Slice(work, transport=transport, preparer=preparer, until=until, limit=limit)
        try:
            run.hand_over()
        finally:
            run.end()
            breaker.leave(work.transport, now=timezone.now())
    return run


@dataclass(frozen=True, slots=True)
class _Terms:
    """What decides about another attempt of a message in hand."""

    message: Claimed
    submission: Submission
    is_held: bool
    handed_over: HandedOver | None


class _Slice:
    """One worker's pass over its work: connections, compiled content and journal are kept between batches."""

    def __init__(self, work: Work, *, transport: WayOut, preparer: Prepares, until: float, limit: int) -> None:
        self.total = 0
        self.is_limited = False
        self._work, self._transport = work, transport
        self._until, self._limit = until, limit
        self._journal = Journal()
        self._intake = work.open_intake(worker=self._journal.worker)
        self._preparer = preparer
        self._slowdowns = Slowdowns(work.transport.pk)
        self._keeper = Keeper(preparer.copy_of)
        self._recorder = Recorder(
            work, journal=self._journal, preparer=preparer, keeper=self._keeper, slowdowns=self._slowdowns
        )
        self._terms: dict[int, _Terms] = {}
        self._open = True
        self._waited = 0.0
        self._checked_at = self._claimed_at = time.monotonic()

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
            _note_trouble(self._work, error)

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
            self._work.close()
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
        while claimed := self._claim():
            messages = self._preparer.receive(claimed)
            blocked = self._preparer.blocked(messages)
            later: dict[int, datetime] = {}
            for message in messages:
                if not self._look_around():
                    return
                if self._work.is_stopped(message):
                    continue  # put back when the slice ends
                if (paused := self._slowdowns.pause_of(message.recipient_domain, now=timezone.now())) is not None:
                    later[message.id] = paused
                    continue
                mail = self._preparer.prepare(message, block=blocked.get(message.id, ""))
                if isinstance(mail, Result):
                    self._intake.note_unused(1)
                    self._recorder.note(mail, submission_id=message.submission_id)
                    if message.trouble:
                        self._recorder.note_altered(self._preparer.submission_of(message), message.public_id)
                else:
                    self._terms[message.id] = self._terms_of(message)
                    self._keeper.hold(message, mail, self._preparer.submission_of(message))
                    yield mail
            if later:
                # Their domain asked for less mail after they had been claimed.
                claim.postpone_claims(later, worker=self._journal.worker)
                self._intake.note_unused(len(later))

    def _terms_of(self, message: Claimed) -> _Terms:
        submission = self._preparer.submission_of(message)
        is_held = recovery.is_held(submission.options)
        handed_over = None
        if accounting.is_disclosure(submission):
            handed_over = HandedOver(
                message.public_id, message.address_key, submission, self._preparer.approval_of(message)
            )
        return _Terms(message, submission, is_held, handed_over)

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
            self._work.wait(wait.until, wait.because)
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
        self._open = self._work.may_go_on(now) and not jobs.is_stopping()
        if breaker.is_open(self._work.transport, timezone.now()):
            self._open = False
            _wait_for_transport(self._work, until=self._work.transport.broken_until)
        if now - self._claimed_at >= claim.LEASE.total_seconds() / 3:
            self._claimed_at = now
            claim.renew_lease(worker=self._journal.worker, now=timezone.now())

    def _is_out_of_patience(self) -> bool:
        return time.monotonic() >= self._until + OVERTIME + PATIENCE

    def _note(self, receipt: Receipt) -> None:
        """Into the journal before anything else: the next mail leaves on the same connection right after."""
        if (mark := _MARK_OF.get(receipt.outcome)) is not None:
            self._journal.settle(receipt.id, mark, receipt.code)
        terms = self._terms.pop(receipt.id)
        self._keeper.settle(receipt.id, accepted=receipt.outcome is Outcome.ACCEPTED)
        result = _result(receipt, terms)
        refusal = read_refusal(receipt, message=terms.message, submission=terms.submission, state=result.state)
        self._recorder.note(result, submission_id=terms.submission.pk, outcome=receipt.outcome, refusal=refusal)
        if terms.handed_over is not None and receipt.outcome is Outcome.ACCEPTED:
            self._recorder.note_disclosure(terms.handed_over, receipt)

    def _settle_unanswered(self) -> None:
        """What left and will get no answer any more."""
        # One that was noted as unknown and is not recorded yet has no answer in the journal either.
        for pk in [pk for pk in self._journal.unanswered() if pk in self._terms]:
            self._note(Receipt(pk, Outcome.UNKNOWN, recovery.UNCERTAIN))


def _result(receipt: Receipt, terms: _Terms) -> Result:
    if receipt.outcome is Outcome.ACCEPTED:
        return Result(receipt.id, MessageState.SENT, receipt.code)
    if receipt.outcome is Outcome.REJECTED:
        return Result(receipt.id, MessageState.BOUNCED, receipt.code)
    if receipt.outcome is Outcome.UNKNOWN and terms.is_held:
        return Result(receipt.id, MessageState.HELD, recovery.UNCERTAIN)
    # It may have been accepted: the same Message-ID goes again, and the receiver can tell.
    return _retry(receipt, terms, now=timezone.now())


def _retry(receipt: Receipt, terms: _Terms, *, now: datetime) -> Result:
    # Eight steps of jitter spread the retries and keep the groups of one record few.
    jitter = random.randrange(8) / 7  # noqa: S311 (not a secret)
    retry_at = now + next_delay(terms.message.attempts, jitter=jitter)
    if retry_at >= terms.submission.valid_until:
        return Result(receipt.id, MessageState.EXPIRED, receipt.code)
    return Result(receipt.id, MessageState.QUEUED, receipt.code, retry_at=retry_at.replace(microsecond=0))


def _note_trouble(work: Work, error: TransportError) -> None:
    """The way out does not work: everything that leaves by it waits a while, or this for a person."""
    log.warning("transport %s: %s", work.transport.pk, error.code)
    now = timezone.now()
    is_insecure = work.is_protected and error.code in _INSECURE
    if is_insecure:
        # Held until it can be verified again, not paused and never downgraded (45 CFR 164.312(e)(1)).
        accounting.note_held(work.transport, code=error.code, detail=error.detail, now=now)
    elif error.permanent:
        work.stop(error.safe_text)
        return
    breaker.note_broken(work.transport, now=now, because=error.safe_text)
    _wait_for_transport(work, until=work.transport.broken_until)


def _stop(work: Work, *, because: str) -> None:
    """Every mail of it would fail, for good: a person mends what it is, and resumes."""
    work.stop(because)
    breaker.leave(work.transport, now=timezone.now())


def _wait_for_transport(work: Work, *, until: datetime | None) -> None:
    work.wait(until or timezone.now() + breaker.FIRST_PAUSE, work.transport.broken_because)


@contextlib.contextmanager
def _closing(receipts: Iterator[Receipt | None]) -> Generator[None]:
    """What is in flight when we stop listening is given up now, not when the garbage is collected."""
    try:
        yield
    finally:
        if isinstance(receipts, Generator):
            receipts.close()
