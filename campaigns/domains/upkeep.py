"""Looking at DNS again without being asked."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import dns.resolver
from django.db.models import F, Q

from campaigns import jobs
from campaigns.domains.verification import verify_domain
from campaigns.models import DkimKey, Domain

_HOURLY, _DAILY = timedelta(hours=1), timedelta(days=1)
# Somebody who publishes nothing for so long is not at it any more.
_PATIENCE = timedelta(days=30)
LOOK = "campaigns.tasks.look_at_domain"
BUDGET = 60.0  # seconds: a silent nameserver takes some for each record


def verify_due(*, resolver: dns.resolver.Resolver, now: datetime) -> None:
    """Verify the domains whose turn it is, those that wait longest first, for at most the budget; run it often.

    Every hour while something is to be published, every day otherwise: records that vanish are found too.
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
    is_new = Q(verified_at=None, created_at__gt=now - _PATIENCE)
    waits = is_new | Q(pk__in=DkimKey.objects.filter(state=DkimKey.State.NEW).values("domain"))
    unseen = Q(checked_at=None) | Q(checked_at__lte=now - _HOURLY)
    rows = Domain.objects.filter(waits & unseen | Q(checked_at__lte=now - _DAILY)).select_related("account")
    return list(rows.order_by(F("checked_at").asc(nulls_first=True), "pk"))
