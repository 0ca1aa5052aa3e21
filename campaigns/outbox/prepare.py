"""May this mail leave, and what does it look like? The gate and the pen of one slice."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from django.db import DatabaseError
from django.utils import timezone

from campaigns.audiences import preferences, suppression
from campaigns.delivery.base import OutgoingEmail
from campaigns.errors import CampaignError
from campaigns.models import Lane, MessageState, Purpose, Submission
from campaigns.outbox import facts, first_batch, transports
from campaigns.outbox.authorized import find_unauthorized
from campaigns.outbox.claim import Claimed
from campaigns.outbox.custody import Custody
from campaigns.outbox.pens import open_pen
from campaigns.outbox.record import Result
from compliance import gate, vault
from compliance.facts import SendFacts
from compliance.models import Approval

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Judgement:
    """The verdict on one set of facts, and the recipients it was applied to since the last record."""

    facts: SendFacts
    verdict: gate.Verdict
    recipients: int = 0


class Prepares(Protocol):
    """Turns claimed messages into mails, or into the reason why there is none."""

    def receive(self, messages: list[Claimed]) -> list[Claimed]: ...
    def blocked(self, messages: Sequence[Claimed]) -> dict[int, str]: ...
    def prepare(self, message: Claimed, *, block: str) -> OutgoingEmail | Result: ...
    def submission_of(self, message: Claimed) -> Submission: ...
    def approval_of(self, message: Claimed) -> Approval | None: ...
    def copy_of(self, message: Claimed) -> bytes: ...
    def decisions(self) -> list[gate.Decided]: ...
    def forget_decisions(self) -> None: ...


class Preparer:
    """Prepares the messages of one submission."""

    def __init__(self, submission: Submission, *, takes_content: bool) -> None:
        """Raises CampaignError when no mail of the submission can be made at all, TransportError when not now."""
        self._submission = submission
        try:
            self._pen = open_pen(submission, takes_content=takes_content)
        except vault.KeysUnavailable:
            raise transports.keys_unavailable() from None
        known = facts.submission_facts(
            submission,
            has_unsubscribe_link=self._pen.has_unsubscribe_link,
            has_postal_address=self._pen.has_postal_address,
            attachments=self._pen.attachments,
        )
        self._facts = replace(known, tracks=self._pen.tracker is not None)
        self._custody = Custody(submission)
        self._is_protected = submission.lane == Lane.HIPAA
        self._is_first = self._custody.approval is not None and first_batch.find_waiting(submission.pk) is not None
        self._judgements: dict[tuple[str, int], _Judgement] = {}

    def refusal(self) -> str:
        """Why the gate would refuse every mail of the submission, whoever it goes to; '' when it would not."""
        verdict = gate.decide(facts.recipient_facts(self._facts, block="", size=0))
        return "" if verdict.allowed else verdict.findings[0].text

    def submission_of(self, message: Claimed) -> Submission:
        """The submission a message belongs to."""
        del message
        return self._submission

    def approval_of(self, message: Claimed) -> Approval | None:
        """What a HIPAA send leaves under."""
        del message
        return self._custody.approval

    def receive(self, messages: list[Claimed]) -> list[Claimed]:
        """The messages as they are prepared; raises TransportError when keys do not answer."""
        try:
            return self._custody.receive(messages)
        except vault.KeysUnavailable:
            raise transports.keys_unavailable() from None

    def blocked(self, messages: Sequence[Claimed]) -> dict[int, str]:
        """Who opted out since planning, by message: asked once a batch, right before hand-over (UN-11).

        What they chose about opens and clicks is looked up at the same moment.
        """
        if self._pen.tracker is not None:
            self._pen.tracker.look_up([message.address_key for message in messages])
        found = suppression.blocked(
            self._submission.account_id,
            keys=[message.address_key for message in messages],
            contact_ids=[message.contact_id for message in messages if message.contact_id is not None],
            purpose=self._submission.purpose,
            list_ids=self._submission.options.get("lists", []),
            from_address=self._submission.sender_address,
        )
        if self._submission.purpose == Purpose.MARKETING:
            keys = [message.address_key for message in messages if message.address_key not in found]
            found |= preferences.too_often(
                self._submission.account_id, keys=keys, submission_id=self._submission.pk, now=timezone.now()
            )
        keys = [message.address_key for message in messages if message.address_key not in found]
        found |= find_unauthorized(self._submission, keys, now=timezone.now())
        return {message.id: found[message.address_key] for message in messages if message.address_key in found}

    def prepare(self, message: Claimed, *, block: str) -> OutgoingEmail | Result:
        """The mail for one recipient, or how the message ends without one; `block` is their opt-out or ''."""
        if message.trouble:
            return Result(message.id, MessageState.HELD, message.trouble)
        try:
            email, size = (None, 0) if block else self._write(message)
        except CampaignError as error:
            return Result(message.id, MessageState.FAILED, error.code)
        judgement = self._judge(block, size)
        judgement.recipients += 1
        if email is None or not judgement.verdict.allowed:
            return Result(message.id, MessageState.REFUSED, judgement.verdict.findings[0].code)
        return replace(email, needs_tls=True, asks_receipt=self._is_first) if self._is_protected else email

    def copy_of(self, message: Claimed) -> bytes:
        """The mail as bytes, for keeping, where a provider puts it together; raises CampaignError."""
        return self._pen.copy(message)

    def decisions(self) -> list[gate.Decided]:
        """What was decided since the last record."""
        judged = [entry for entry in self._judgements.values() if entry.recipients]
        return [gate.Decided(self._submission.pk, j.facts, j.verdict, j.recipients) for j in judged]

    def forget_decisions(self) -> None:
        """They are recorded."""
        for judgement in self._judgements.values():
            judgement.recipients = 0

    def _judge(self, block: str, size: int) -> _Judgement:
        key = block, facts.size_steps(size)
        found = self._judgements.get(key)
        if found is None:
            known = facts.recipient_facts(self._facts, block=block, size=size)
            found = self._judgements[key] = _Judgement(known, gate.decide(known))
        return found

    def _write(self, message: Claimed) -> tuple[OutgoingEmail, int]:
        try:
            return self._pen.write(message)
        except vault.KeysUnavailable:
            # Everybody's mail is meant, not this one: it must not be taken for one that cannot be made.
            raise transports.keys_unavailable() from None
        except (CampaignError, DatabaseError):
            raise
        except Exception as error:
            # The edge of the loop over recipients: one mail that breaks in a way nobody foresaw would otherwise stop
            # all behind it, slice after slice. No traceback and no cause: their texts could quote a value.
            log.error("message %s: rendering failed: %s", message.public_id, type(error).__name__)  # noqa: TRY400
            raise CampaignError("message.render-failed", "The mail for this person could not be made.") from None
