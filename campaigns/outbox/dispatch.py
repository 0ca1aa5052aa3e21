"""Handing messages over: claim, gate, render, send, record, batch after batch."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.db import DatabaseError, transaction
from django.utils import timezone

from campaigns import jobs
from campaigns.audiences import suppression
from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, Transport, TransportError
from campaigns.delivery.retry import next_delay
from campaigns.errors import CampaignError
from campaigns.models import MessageState, Submission, SubmissionState
from campaigns.outbox import claim, control, facts, finish, record, render, transports, workers
from campaigns.outbox.claim import Claimed
from compliance import gate
from compliance.facts import SendFacts

log = logging.getLogger(__name__)

BUDGET = 45.0  # seconds a slice may take claims; the job behind it is rung again while messages are due
OVERTIME = 15.0  # seconds more for the batch in hand: a slow next hop must not keep a job until it is taken for stuck
FLUSH_EVERY = 0.2  # seconds between records
FLUSH_SIZE = 500
CHECK_EVERY = 1.0  # seconds between looks at the submission: pause and cancel take effect within 2 s
TRANSPORT_PAUSE = timedelta(minutes=1)

_STATE_OF = {
    Outcome.ACCEPTED: MessageState.SENT,
    Outcome.REJECTED: MessageState.BOUNCED,
    Outcome.DEFERRED: MessageState.QUEUED,
    # It may have been accepted: the same Message-ID goes again, and the receiver can tell.
    Outcome.UNKNOWN: MessageState.QUEUED,
}


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
    total, until = 0, time.monotonic() + budget
    run = _Run(submission, until=until + OVERTIME)
    try:
        while messages := claim.claim_messages(submission_id, worker=run.worker, now=timezone.now(), limit=limit):
            total += len(messages)
            if not run.hand_over(messages) or time.monotonic() >= until:
                break
    finally:
        run.end()
    finish.finish_submissions(now=timezone.now(), only=submission_id)
    more = time.monotonic() >= until and claim.count_due(submission_id, now=timezone.now()) > 0
    return SliceResult(total, more=more)


class _Run:
    """One worker's pass over one submission: what is made once is kept here between batches."""

    def __init__(self, submission: Submission, *, until: float) -> None:
        self.worker = workers.new_worker()
        self._submission, self._until = submission, until
        self._verdicts: dict[SendFacts, gate.Verdict] = {}
        self._decided: Counter[SendFacts] = Counter()
        self._results: list[record.Result] = []
        self._attempts: dict[int, int] = {}
        self._flushed_at = self._checked_at = time.monotonic()
        self._open = True

    @cached_property
    def _letterhead(self) -> render.Letterhead:
        return render.make_letterhead(self._submission)

    @cached_property
    def _transport(self) -> Transport:
        return transports.open_transport(self._submission.transport)

    @cached_property
    def _facts(self) -> SendFacts:
        return facts.submission_facts(self._submission, compiled=self._letterhead.compiled)

    def hand_over(self, messages: list[Claimed]) -> bool:
        """Send one batch, or as much of it as there is time for; False when sending cannot go on now."""
        self._attempts = {message.id: message.attempts for message in messages}
        try:
            for receipt in self._transport.send(self._outgoing(messages)):
                self._settle(self._result(receipt))
        except TransportError as error:
            log.warning("transport %s: %s", self._submission.transport_id, error.code)
            self._open = False
            self._flush()
            claim.release_claims(worker=self.worker, next_attempt_at=timezone.now() + TRANSPORT_PAUSE)
            if error.permanent:
                control.stop_submission(self._submission, because=error.safe_text)
        self._flush()
        return self._open

    def end(self) -> None:
        """Record what is still unrecorded and put back what was not handed over; after a crash the sweep does it.

        Mail that left and cannot be recorded stays claimed until its lease runs out: to put it back is to repeat it.
        """
        try:
            self._flush()
            claim.release_claims(worker=self.worker)
            control.cancel_released(now=timezone.now(), only=self._submission.pk)
        finally:
            if "_transport" in self.__dict__:
                self._transport.close()

    def _outgoing(self, messages: list[Claimed]) -> Iterator[OutgoingEmail]:
        """The mails that may leave, rendered one by one as the transport asks for them."""
        blocked = self._blocked(messages)
        for message in messages:
            if not self._may_continue():
                return
            email = self._prepare(message, blocked.get(message.address_key, ""))
            if email is not None:
                yield email

    def _prepare(self, message: Claimed, block: str) -> OutgoingEmail | None:
        try:
            data = b"" if block else self._render(message)
        except CampaignError as error:
            self._settle(record.Result(message.id, MessageState.FAILED, error.code))
            return None
        key = facts.recipient_facts(self._facts, block=block, size=len(data))
        verdict = self._verdicts.get(key) or self._verdicts.setdefault(key, gate.decide(key))
        self._decided[key] += 1
        if not verdict.allowed:
            self._settle(record.Result(message.id, MessageState.REFUSED, verdict.findings[0].code))
            return None
        mail_from, rcpt_to = self._letterhead.mail_from, render.wire_mailbox(message)
        return OutgoingEmail(message.id, message.public_id, mail_from, rcpt_to, data)

    def _render(self, message: Claimed) -> bytes:
        letterhead = self._letterhead
        try:
            return render.render_message(letterhead, message=message, date=timezone.now())
        except (CampaignError, DatabaseError):
            raise
        except Exception as error:
            # The edge of the loop over recipients: one mail that breaks in a way nobody foresaw would otherwise stop
            # all behind it, slice after slice. No traceback and no cause: their texts could quote a value.
            log.error("message %s: rendering failed: %s", message.public_id, type(error).__name__)  # noqa: TRY400
            raise CampaignError("message.render-failed", "The mail for this person could not be made.") from None

    def _blocked(self, messages: list[Claimed]) -> dict[str, str]:
        """Who opted out since planning: asked once a batch, right before hand-over (UN-11)."""
        return suppression.blocked(
            self._submission.account_id,
            keys=[message.address_key for message in messages],
            purpose=self._submission.purpose,
            list_ids=self._submission.options.get("lists", []),
        )

    def _may_continue(self) -> bool:
        now = time.monotonic()
        if now - self._flushed_at >= FLUSH_EVERY:
            self._flush()
        if now - self._checked_at >= CHECK_EVERY:
            self._checked_at = now
            still = Submission.objects.filter(pk=self._submission.pk, state=SubmissionState.OPEN).exists()
            self._open = still and not jobs.is_stopping()
            claim.renew_lease(worker=self.worker, now=timezone.now())
        return self._open and now < self._until

    def _result(self, receipt: Receipt) -> record.Result:
        state = _STATE_OF[receipt.outcome]
        if state is not MessageState.QUEUED:
            return record.Result(receipt.id, state, receipt.code)
        return self._retry(receipt, now=timezone.now())

    def _retry(self, receipt: Receipt, *, now: datetime) -> record.Result:
        # Eight steps of jitter spread the retries and keep the groups of one record few.
        jitter = random.randrange(8) / 7  # noqa: S311 (not a secret)
        retry_at = now + next_delay(self._attempts[receipt.id], jitter=jitter)
        if retry_at >= self._submission.valid_until:
            return record.Result(receipt.id, MessageState.EXPIRED, receipt.code)
        return record.Result(receipt.id, MessageState.QUEUED, receipt.code, retry_at=retry_at.replace(microsecond=0))

    def _settle(self, result: record.Result) -> None:
        self._results.append(result)
        if len(self._results) >= FLUSH_SIZE:
            self._flush()

    def _flush(self) -> None:
        """Write down results and decisions together; they are forgotten only once they are written."""
        self._flushed_at, now = time.monotonic(), timezone.now()
        if not self._results and not self._decided:
            return
        proof = [gate.Decided(key, self._verdicts[key], count) for key, count in self._decided.items()]
        with transaction.atomic():
            record.record_results(self._results, worker=self.worker, now=now)
            gate.record(self._submission.pk, decided=proof, now=now)
        self._results, self._decided = [], Counter()
