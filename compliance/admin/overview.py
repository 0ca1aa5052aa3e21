"""How an account under an agreement stands: what ends, what is due, what waits and why, and how old its keys are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count
from django.urls import reverse
from django.utils import timezone

from campaigns.admin.campaign_words import explain
from campaigns.admin.watch import ENDS_SOON
from campaigns.models import Account, Lane, Message, MessageState
from compliance.agreements import recording, terms
from compliance.approvals.states import State
from compliance.models import (
    Acknowledgement,
    ActivityReview,
    Approval,
    AuditCheckpoint,
    DataKey,
    EmergencyAccess,
    Incident,
)
from compliance.oversight import clocks, incidents, reviews

_MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One thing an officer keeps an eye on; `tone` is that of its badge, '' for what is as it should be."""

    what: str
    how: str
    url: str = ""
    tone: str = ""


def list_lines(account: Account, *, now: datetime) -> list[Line]:
    """In the order in which they hold mail; a dozen small questions."""
    return [
        _say_agreement(account, now),
        _say_terms(account, now),
        _say_reviews(account, now),
        *_say_emergencies(account),
        *_say_incidents(account, now),
        _say_approvals(account),
        *_say_held(account),
        _say_content(account, now),
        _say_keys(account),
        _say_trail(account),
    ]


def _say_agreement(account: Account, now: datetime) -> Line:
    found = recording.find_customer(account.pk, on=now.date())
    if found is None:
        return Line("Agreement", "None is in effect: nothing leaves", tone="is-bad")
    if found.effective_to is None:
        return Line("Agreement", "In effect, without an end")
    return _until("Agreement", found.effective_to, now)


def _say_terms(account: Account, now: datetime) -> Line:
    last = Acknowledgement.objects.filter(account=account).order_by("-at").first()
    if last is None or not terms.is_accepted(account.pk, now=now):
        return Line("Terms", "To be accepted: nothing leaves", tone="is-bad")
    return _until("Terms", (last.at + terms.HOLDS_FOR).date(), now)


def _until(what: str, day: date, now: datetime) -> Line:
    is_soon = day <= (now + ENDS_SOON).date()
    return Line(what, f"Until {day:%-d %b %Y}", tone="is-warn" if is_soon else "")


def _say_reviews(account: Account, now: datetime) -> Line:
    waiting = list(ActivityReview.objects.filter(account=account, signed_at=None).order_by("week"))
    url = reverse("admin:compliance_activityreview_changelist")
    if not waiting:
        return Line("Weekly reviews", "All signed", url)
    is_late = reviews.is_overdue(waiting[0], now=now)
    due = reviews.end_of(waiting[0].week) + reviews.DUE
    return Line(
        "Weekly reviews", f"{len(waiting):,} to sign, the first by {due:%-d %b %Y}", url, "is-bad" if is_late else ""
    )


def _say_emergencies(account: Account) -> list[Line]:
    count = EmergencyAccess.objects.filter(account=account, reviewed_at=None).count()
    url = reverse("admin:compliance_emergencyaccess_changelist")
    return [Line("Emergency access", f"{count:,} to review", url, "is-bad")] if count else []


def _say_incidents(account: Account, now: datetime) -> list[Line]:
    rows = list(Incident.objects.filter(account=account, closed_at=None).order_by("discovered_at"))
    if not rows:
        return []
    first = incidents.find_deadlines(rows[0]).people
    url = reverse("admin:compliance_incident_changelist")
    tone = "is-bad" if first <= now + ENDS_SOON else "is-warn"
    return [Line("Incidents", f"{len(rows):,} open, people are told by {first:%-d %b %Y}", url, tone)]


def _say_approvals(account: Account) -> Line:
    waiting = Approval.objects.filter(account=account, state=State.IN_REVIEW.value).order_by("submitted_at")
    url = reverse("admin:compliance_approval_changelist")
    first = waiting.first()
    if first is None:
        return Line("Approvals", "None waits", url)
    since = timezone.localtime(first.submitted_at)
    return Line("Approvals", f"{waiting.count():,} to review, the oldest since {since:%-d %b}", url)


def _say_held(account: Account) -> list[Line]:
    """Mail that is held, by why."""
    ours = Message.objects.filter(submission__account=account, submission__lane=Lane.HIPAA, state=MessageState.HELD)
    rows = ours.values_list("error_code").annotate(count=Count("pk")).order_by("-count", "error_code")
    url = reverse("admin:campaigns_hipaasend_changelist")
    return [
        Line("Held mail", f"{count:,}: {explain(code) if code else 'for a person'}", url, "is-warn")
        for code, count in rows[:_MOST_REASONS]
    ]


def _say_content(account: Account, now: datetime) -> Line:
    found = clocks.read_clocks(now=now, owners=[str(account.public_id)])
    url = reverse("admin:compliance_shredcertificate_changelist")
    if found.overdue:
        return Line("Sealed content", f"{found.overdue:,} keys are overdue to be destroyed", url, "is-bad")
    return Line("Sealed content", f"{found.sealed_scopes:,} to be shredded on their day", url)


def _say_keys(account: Account) -> Line:
    """The oldest key something of the account still rests on."""
    standing = DataKey.objects.filter(owner=str(account.public_id), destroyed_at=None).order_by("created_at")
    first = standing.values_list("kid", "created_at").first()
    if first is None:
        return Line("Keys", "Nothing is sealed yet")
    return Line("Keys", f"The oldest in use since {first[1]:%-d %b %Y}, under the root key {first[0]}")


def _say_trail(account: Account) -> Line:
    url = reverse("admin:compliance_auditevent_changelist")
    last = AuditCheckpoint.objects.filter(owner=str(account.public_id)).order_by("-seq").first()
    if last is None:
        return Line("Audit trail", "No checkpoint yet: the worker makes one within the hour", url, "is-warn")
    # Only a chain that grew gets a new one, so an old one alone is no fault.
    return Line("Audit trail", f"Signed up to event {last.seq:,}, {timezone.localtime(last.at):%-d %b %Y, %H:%M}", url)
