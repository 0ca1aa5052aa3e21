"""Destinations that asked us to slow down: how fast mail to them may leave, shared by all workers (standards.md §2.2).

The first such answer stops mail to the domain for a minute, and lets one a second through then; each further one halves
that and doubles the pause. Five minutes without one double it again, until nobody would notice the limit any more.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.bucket import Rate
from campaigns.models import SlowDomain, TokenBucket

FIRST_RATE, SLOWEST, FULL = 1.0, 1 / 60, 32.0  # mails a second
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(minutes=10)
DOUBLES_EVERY = timedelta(minutes=5)
# What was on its way when the first answer came gets the same one: that is no second warning.
ONE_WARNING = timedelta(seconds=30)
LOOK_EVERY = 2.0  # seconds
_FORGOTTEN_AFTER = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Slowdown:
    """How fast mail to a domain may leave now, and until when none may."""

    key: str
    rate: Rate
    paused_until: datetime


def slow_down(transport_id: int, domains: Collection[str], *, now: datetime) -> None:
    """These domains said that mail comes too fast this way."""
    with transaction.atomic():
        # In one order, so that workers wait for each other and never in a circle.
        for domain in sorted(set(domains)):
            _slow_one(transport_id, domain, now=now)


def _slow_one(transport_id: int, domain: str, *, now: datetime) -> None:
    fresh = {"per_second": FIRST_RATE, "since": now, "paused_until": now + FIRST_PAUSE}
    row, is_new = SlowDomain.objects.select_for_update().get_or_create(
        transport_id=transport_id, domain=domain, defaults=fresh
    )
    if is_new or now - row.since < ONE_WARNING:
        return
    rate, pause = rate_at(row, now=now), row.paused_until - row.since
    if rate is None:
        rate, pause = 2 * FIRST_RATE, FIRST_PAUSE / 2
    row.per_second, row.since = max(rate / 2, SLOWEST), now
    row.paused_until = now + min(2 * pause, LONGEST_PAUSE)
    row.save(update_fields=["per_second", "since", "paused_until"])


def rate_at(row: SlowDomain, *, now: datetime) -> float | None:
    """Mails a second that may leave once the pause is over; None when the domain has recovered."""
    doublings = max(now - row.paused_until, timedelta(0)) // DOUBLES_EVERY
    rate = row.per_second * 2.0 ** min(doublings, 64)
    return rate if rate < FULL else None


def list_slowed(transport_id: int, *, now: datetime) -> dict[str, Slowdown]:
    """The domains mail leaves slowly to by this way, by name."""
    found = {}
    for row in SlowDomain.objects.filter(transport=transport_id).order_by("domain"):
        rate = rate_at(row, now=now)
        if rate is not None:
            found[row.domain] = Slowdown(f"slow:{transport_id}:{row.domain}", Rate(rate), row.paused_until)
    return found


class Slowdowns:
    """The slowed domains of one way out as a worker knows them: never older than two seconds."""

    def __init__(self, transport_id: int) -> None:
        self._transport_id = transport_id
        self._known: Mapping[str, Slowdown] = {}
        self._looked_at: float | None = None

    def current(self, now: datetime) -> Mapping[str, Slowdown]:
        """By domain; asks the database every other second."""
        if self._looked_at is None or time.monotonic() - self._looked_at >= LOOK_EVERY:
            self._known, self._looked_at = list_slowed(self._transport_id, now=now), time.monotonic()
        return self._known

    def pause_of(self, domain: str, *, now: datetime) -> datetime | None:
        """Until when nothing may leave to the domain; None when something may."""
        found = self.current(now).get(domain)
        return found.paused_until if found is not None and found.paused_until > now else None

    def look_again(self) -> None:
        """Something was slowed down just now."""
        self._looked_at = None


def forget_recovered(*, now: datetime) -> None:
    """Delete what has not been slowed for hours, with its bucket."""
    old = list(SlowDomain.objects.filter(paused_until__lt=now - _FORGOTTEN_AFTER))
    TokenBucket.objects.filter(key__in=[f"slow:{row.transport_id}:{row.domain}" for row in old]).delete()
    SlowDomain.objects.filter(pk__in=[row.pk for row in old]).delete()
