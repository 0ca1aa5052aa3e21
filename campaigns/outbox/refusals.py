"""What a mail server's refusal asks of us beside the one mail it refuses: the actions of standards.md §2.2, at hand-over.

hard       suppress the address at once, for everything
soft       count; many over a long time suppress (unknown counts as soft)
sender     stop the campaign: our own set-up is at fault, and goes on being
throttle   slow down for this destination
block, content   nothing: neither the address nor the destination is at fault
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from campaigns.audiences import soft_bounces, suppression
from campaigns.delivery.base import Receipt
from campaigns.models import (
    BaaStatus,
    Door,
    Lane,
    MessageState,
    Submission,
    SuppressionReason,
    SuppressionScope,
    Transport,
)
from campaigns.outbox import control, slowing
from campaigns.outbox.claim import Claimed
from campaigns.replies.classify import classify_reply
from campaigns.replies.meaning import MEANINGS, Class, Reason, class_of

# So many mails of one campaign refused for our own set-up stop it; one may be a forwarder's doing.
MOST_OWN_FAULTS = 20
_SOFT = {Class.SOFT, Class.UNKNOWN}


@dataclass(frozen=True, slots=True, repr=False)
class Refusal:
    """One mail refused; `is_final` when it is not tried again. Of protected mail the address is not kept, only its key."""

    message: Claimed
    reason: Reason
    is_final: bool
    is_protected: bool = False

    @property
    def is_throttle(self) -> bool:
        return class_of(self.reason) == Class.THROTTLE


def read_refusal(receipt: Receipt, *, message: Claimed, submission: Submission, state: MessageState) -> Refusal | None:
    """The refusal behind a receipt; None when no mail server refused anything."""
    if receipt.reason is None:
        return None
    is_protected = submission.lane == Lane.HIPAA or submission.account.baa_status != BaaStatus.NONE
    # Of mail under HIPAA only the codes count; not even what the words mean is kept.
    reason = _reason_of(receipt.code) if is_protected else receipt.reason
    return Refusal(message, reason, state in {MessageState.BOUNCED, MessageState.EXPIRED}, is_protected)


def _reason_of(code: str) -> Reason:
    basic, _, enhanced = code.partition(".")[2].partition("-")
    return classify_reply(int(basic) if basic.isdigit() else 0, enhanced, "").reason


def act_on_addresses(refusals: Sequence[Refusal], *, transport: Transport, now: datetime) -> None:
    """Suppress who is dead, count who may be; in the transaction that records the mails."""
    # In one order, so that workers who meet the same addresses wait for each other and never in a circle.
    ended = sorted((entry for entry in refusals if entry.is_final), key=lambda entry: entry.message.address_key)
    dead = [entry for entry in ended if class_of(entry.reason) == Class.HARD]
    if dead:
        scope, reason = SuppressionScope.EVERYTHING, SuppressionReason.BOUNCE
        entries = [
            suppression.Entry(
                entry.message.address_key, scope, reason, address="" if entry.is_protected else entry.message.recipient
            )
            for entry in dead
        ]
        suppression.suppress_many(transport.account_id, entries=entries)
    for entry in ended:
        if class_of(entry.reason) in _SOFT:
            soft_bounces.note_soft_bounce(transport.account, address_key=entry.message.address_key, now=now)


def slow_destinations(refusals: Sequence[Refusal], *, transport: Transport, now: datetime) -> bool:
    """Slow down for the destinations that asked for it; whether any did."""
    domains = {entry.message.recipient_domain for entry in refusals if entry.is_throttle}
    if domains:
        slowing.slow_down(transport.pk, domains, now=now)
    return bool(domains)


class OwnFaults:
    """Counts refusals that are our own fault, and stops the campaign they are about when there are too many."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, Reason]] = Counter()

    def note(self, refusals: Sequence[Refusal]) -> None:
        ours = [entry for entry in refusals if entry.is_final and class_of(entry.reason) == Class.SENDER]
        for key in {(entry.message.submission_id, entry.reason) for entry in ours}:
            before = self._counts[key]
            self._counts[key] += sum((entry.message.submission_id, entry.reason) == key for entry in ours)
            if before < MOST_OWN_FAULTS <= self._counts[key]:
                _stop(*key)


def _stop(submission_id: int, reason: Reason) -> None:
    campaign = Submission.objects.filter(pk=submission_id, door=Door.CAMPAIGN).first()
    if campaign is not None:
        because = f"{MEANINGS[reason].text} {MOST_OWN_FAULTS} mails were refused for it."
        control.stop_submission(campaign, because=because)
