"""Looking at DNS again without being asked."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import dns.resolver
from django.db.models import F, Q

from campaigns import jobs
from campaigns.domains.verification import verify_domain
from campaigns.models import DkimKey, Domain

# Somebody who just changed a record waits for it; somebody who did nothing for days is not at it any more.
_PATIENCE = ((timedelta(days=2), timedelta(hours=1)), (timedelta(days=14), timedelta(hours=6)))
_DAILY = timedelta(days=1)
# A verified domain that looked wrong is to be lost, or cleared of it, soon.
_SOON = timedelta(minutes=15)
LOOK = "campaigns.tasks.look_at_domain"
BUDGET = 60.0  # seconds: a silent nameserver takes some for each record


def verify_due(*, resolver: dns.resolver.Resolver, now: datetime) -> None:
    """Verify the domains whose turn it is, those that wait longest first, for at most the budget; run it often.

    Every hour while something was changed lately, then every six, every day otherwise: records that vanish are found
    too. A verified domain that looked wrong is looked at again soon.
    """
    ends = time.monotonic() + BUDGET
    for domain in find_due(now=now):
        if jobs.is_stopping() or time.monotonic() > ends:
            return
        verify_domain(domain, resolver=resolver, now=now)


def ask_for_look(domain: Domain) -> None:
    """Have the domain verified soon, in the background."""
    jobs.ring(LOOK, domain.pk)


def find_due(*, now: datetime) -> list[Domain]:
    """The domains to look at now; what waits longest comes first."""
    due = Q(checked_at=None, verified_at=None) | Q(checked_at__lte=now - _DAILY)
    due |= Q(failed_looks__gt=0, checked_at__lte=now - _SOON)
    for age, pause in _PATIENCE:
        keys = DkimKey.objects.filter(state=DkimKey.State.NEW, state_since__gt=now - age)
        is_fresh = Q(created_at__gt=now - age) | Q(lost_at__gt=now - age)
        due |= (Q(verified_at=None) & is_fresh | Q(pk__in=keys.values("domain"))) & Q(checked_at__lte=now - pause)
    rows = Domain.objects.filter(due).select_related("account")
    return list(rows.order_by(F("checked_at").asc(nulls_first=True), "pk"))
