"""May an account's protected mail leave now? One answer for the outbox and every door, read anew each time.

Suspending, ending, stopping, a lapsed agreement and changed terms hold what waits at once: nothing here is cached.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from compliance.agreements import recording, status, terms
from compliance.approvals import stopping
from compliance.approvals.states import State
from compliance.models import ActivityReview, Approval


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing leaves: `code` is stable, text and action are sentences for people."""

    code: str
    text: str
    action: str


_STOPPED = Hold("hipaa.stopped", "All HIPAA sends are stopped.", "The compliance officer can lift the stop.")
_SUSPENDED = Hold(
    "hipaa.account-not-active",
    "This account's agreement is not active.",
    "A compliance officer decides under Compliance › Agreements.",
)
_NO_BAA = Hold(
    "hipaa.baa-required",
    "No Business Associate Agreement is in effect for this account.",
    "A compliance officer must record one under Compliance › Agreements.",
)
_TERMS = Hold(
    "hipaa.ack-required",
    "The terms of HIPAA sending must be accepted, as every year and whenever they change.",
    "The compliance officer accepts them under Compliance › Terms.",
)
_REVIEW = Hold(
    "hipaa.review-overdue",
    "Nobody has reviewed the activity of a week long over.",
    "The compliance officer signs it under Compliance › Weekly reviews.",
)
_NOT_APPROVED = Hold(
    "hipaa.not-approved", "This send is not approved any more.", "Submit it for approval again."
)  # fmt: skip


def find_hold(account_id: int, *, now: datetime) -> Hold | None:
    """Why protected mail of the account stands still, or None when it may leave."""
    if stopping.is_stopped(account_id):
        return _STOPPED
    if status.read_status(account_id) != "active":
        return _SUSPENDED
    if recording.find_customer(account_id, on=now.date()) is None:
        return _NO_BAA
    if not terms.is_accepted(account_id, now=now):
        return _TERMS
    return _REVIEW if _is_review_overdue(account_id, now=now) else None


def _is_review_overdue(account_id: int, *, now: datetime) -> bool:
    """45 CFR 164.308(a)(1)(ii)(D): whether a week has waited for REVIEW_HOLD_DAYS after its end."""
    latest = (now - timedelta(days=settings.REVIEW_HOLD_DAYS + 7)).date()
    return ActivityReview.objects.filter(account=account_id, signed_at=None, week__lte=latest).exists()


def find_send_hold(approval_id: int, *, account_id: int, now: datetime) -> Hold | None:
    """The same for one approved send, whose approval may have become void meanwhile."""
    is_sending = Approval.objects.filter(pk=approval_id, account=account_id, state=State.SENDING.value).exists()
    return find_hold(account_id, now=now) or (None if is_sending else _NOT_APPROVED)
