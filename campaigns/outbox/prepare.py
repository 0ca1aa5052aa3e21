"""May this mail leave, and what does it look like? The gate and the pen of one slice."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from django.db import DatabaseError
from django.utils import timezone

from campaigns.audiences import suppression
from campaigns.delivery.base import OutgoingEmail
from campaigns.errors import CampaignError
from campaigns.models import MessageState, Submission
from campaigns.outbox import facts, render, render_content, transports
from campaigns.outbox.claim import Claimed
from campaigns.outbox.record import Result
from compliance import gate, vault
from compliance.facts import SendFacts

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Judgement:
    """The verdict on one set of facts, and the recipients it was applied to since the last record."""

    facts: SendFacts
    verdict: gate.Verdict
    recipients: int = 0


class Preparer:
    """Turns claimed messages of one submission into mails, or into the reason why there is none."""

    def __init__(self, submission: Submission, *, takes_content: bool) -> None:
        """Raises CampaignError when no mail of the submission can be made at all, TransportError when not now."""
        self._submission = submission
        try:
            self._letterhead = render.make_letterhead(submission)
        except vault.KeysUnavailable:
            raise transports.keys_unavailable() from None
        self._facts = facts.submission_facts(submission, compiled=self._letterhead.compiled)
        self._make = render_content.make_content if takes_content else _make_wire
        self._judgements: dict[tuple[str, int], _Judgement] = {}

    def refusal(self) -> str:
        """Why the gate would refuse every mail of the submission, whoever it goes to; '' when it would not."""
        verdict = gate.decide(facts.recipient_facts(self._facts, block="", size=0))
        return "" if verdict.allowed else verdict.findings[0].text

    def blocked(self, messages: list[Claimed]) -> dict[str, str]:
        """Who opted out since planning, by address key: asked once a batch, right before hand-over (UN-11)."""
        return suppression.blocked(
            self._submission.account_id,
            keys=[message.address_key for message in messages],
            contact_ids=[message.contact_id for message in messages if message.contact_id is not None],
            purpose=self._submission.purpose,
            list_ids=self._submission.options.get("lists", []),
        )

    def prepare(self, message: Claimed, *, block: str) -> OutgoingEmail | Result:
        """The mail for one recipient, or how the message ends without one; `block` is their opt-out or ''."""
        try:
            email, size = (None, 0) if block else self._write(message)
        except CampaignError as error:
            return Result(message.id, MessageState.FAILED, error.code)
        judgement = self._judge(block, size)
        judgement.recipients += 1
        if email is None or not judgement.verdict.allowed:
            return Result(message.id, MessageState.REFUSED, judgement.verdict.findings[0].code)
        return email

    def decisions(self) -> list[gate.Decided]:
        """What was decided since the last record."""
        return [gate.Decided(j.facts, j.verdict, j.recipients) for j in self._judgements.values() if j.recipients]

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
            return self._make(self._letterhead, message)
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


def _make_wire(letterhead: render.Letterhead, message: Claimed) -> tuple[OutgoingEmail, int]:
    """The mail as wire bytes, signed."""
    data = render.render_message(letterhead, message=message, date=timezone.now())
    mail_from = render.return_path(letterhead, message)
    return OutgoingEmail(message.id, message.public_id, mail_from, render.wire_mailbox(message), data), len(data)
