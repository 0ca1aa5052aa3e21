"""What officers are told on every page until they have dealt with it: emergency access, weeks nobody reviewed, agreements that end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from campaigns.accounts.second_factor import find_moment
from campaigns.admin.guard import is_under_baa
from campaigns.models import Membership, Role
from compliance.models import ActivityReview, Baa, EmergencyAccess

# A week has seven days, and the officer another seven.
_OVERDUE = timedelta(days=14)
# Time to have the next agreement signed before mail is held.
ENDS_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Alarm:
    text: str
    url: str
    is_bad: bool = False


def list_alarms(request: HttpRequest, *, now: datetime) -> list[Alarm]:
    """For officers of accounts under an agreement; nothing for others."""
    # Before the second factor nobody learns anything.
    if not is_under_baa(request) or not find_moment(request.session):
        return []
    accounts = Membership.objects.filter(user=request.user.pk, role=Role.COMPLIANCE).values("account")
    waiting = EmergencyAccess.objects.filter(account__in=accounts, reviewed_at=None).exclude(person=request.user.pk)
    found = [
        Alarm(
            f"Emergency access to {access.account}: opened by {access.person}, to be reviewed by you or another officer.",
            reverse("admin:compliance_emergencyaccess_change", args=(access.public_id,)),
            is_bad=access.until > now,
        )
        for access in waiting.select_related("account", "person")[:5]
    ]
    late = ActivityReview.objects.filter(account__in=accounts, signed_at=None, week__lte=(now - _OVERDUE).date())
    if late.exists():
        text = "The activity of a week long over waits for your review. HIPAA mail is held when it waits too long."
        found.append(Alarm(text, reverse("admin:compliance_activityreview_changelist")))
    return [*found, *_ending(accounts, now=now)]


def _ending(accounts: QuerySet[Any, Any], *, now: datetime) -> list[Alarm]:
    """Agreements whose last day is near and that no other one goes on from (45 CFR 164.504(e))."""
    soon = (now + ENDS_SOON).date()
    lasting = Baa.objects.filter(Q(effective_to=None) | Q(effective_to__gt=soon), account__in=accounts)
    rows = Baa.objects.filter(account__in=accounts, effective_to__gte=now.date(), effective_to__lte=soon)
    ending = rows.exclude(account__in=lasting.values("account")).select_related("account").order_by("effective_to")
    return [
        Alarm(
            f"The agreement with {row.account} ends on {row.effective_to:%-d %b %Y}. HIPAA mail is held from the next day on.",
            reverse("admin:compliance_baa_account", args=(row.account.public_id,)),
        )
        for row in ending[:5]
        if row.account is not None
    ]
