"""The weekly review of activity (45 CFR 164.308(a)(1)(ii)(D)): made by a job, looked at and signed by an officer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction

from campaigns.errors import CampaignError
from campaigns.models import Account, BaaStatus
from compliance import audit
from compliance.approvals import quorum
from compliance.approvals.quorum import Person
from compliance.audit import Ref
from compliance.models import ActivityReview, AuditEvent

# An officer has a week for it; then every screen says so.
DUE = timedelta(days=7)
# What is worth a second look, and whose name belongs beside the number.
NOTABLE = (
    "person.sign-in-failed", "person.locked-out", "person.factor-removed", "person.role-given", "breakglass.opened",
    "phi.viewed", "phi.unsealed", "phi.exported", "evidence.exported", "support.bundled", "detector.excepted",
    "approval.refused", "hipaa.blocked", "send.integrity-failed", "stop.ordered", "settings.changed", "key.made",
)  # fmt: skip


def make_reviews(*, now: datetime) -> int:
    """One for each account under an agreement and the last whole week; returns how many are new."""
    week = monday_of(now.astimezone(UTC).date()) - timedelta(days=7)
    accounts = Account.objects.exclude(baa_status=BaaStatus.NONE)
    made = 0
    for account in accounts.exclude(pk__in=ActivityReview.objects.filter(week=week).values("account")).order_by("pk"):
        figures, people = _count(str(account.public_id), week=week)
        _, is_new = ActivityReview.objects.get_or_create(
            account=account, week=week, defaults={"figures": figures, "people": people, "made_at": now}
        )
        made += is_new
    return made


def sign(review: ActivityReview, *, by: Person, now: datetime) -> None:
    """An officer has looked at it; raises NotAllowed, CampaignError `review.signed` when somebody was first."""
    quorum.check_is_person(by, roles={"compliance"})
    with transaction.atomic():
        if not ActivityReview.objects.filter(pk=review.pk, signed_at=None).update(signed_by=by.id, signed_at=now):
            raise CampaignError("review.signed", "Somebody has signed this week.", action="Load the page again.")
        owner = str(review.account.public_id)
        about = Ref("activity-review", str(review.pk))
        data = {"week": review.week.isoformat()}
        audit.record("audit.reviewed", owner=owner, actor=Ref("person", str(by.id)), about=about, data=data, now=now)


def is_overdue(review: ActivityReview, *, now: datetime) -> bool:
    """Whether nobody has signed it within a week of the week's end."""
    return review.signed_at is None and now >= end_of(review.week) + DUE


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def end_of(week: date) -> datetime:
    """The first moment after the week."""
    return datetime.combine(week + timedelta(days=7), time(), tzinfo=UTC)


def _count(owner: str, *, week: date) -> tuple[Mapping[str, int], Mapping[str, Mapping[str, int]]]:
    begin = datetime.combine(week, time(), tzinfo=UTC)
    events = AuditEvent.objects.filter(owner=owner, at__gte=begin, at__lt=end_of(week))
    figures: Counter[str] = Counter()
    people: dict[str, Counter[str]] = {}
    for action, kind, actor in events.values_list("action", "actor_kind", "actor_id").iterator():
        figures[action] += 1
        if action in NOTABLE:
            people.setdefault(action, Counter())[f"{kind} {actor}"] += 1
    return dict(sorted(figures.items())), {action: dict(found) for action, found in sorted(people.items())}
