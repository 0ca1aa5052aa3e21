"""Two clocks: content lives for days and is shredded, evidence lives for years and is purged at its oldest end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings

from compliance import shredding
from compliance.audit.retention import purge_events
from compliance.models import AuditChain, AuditEvent, DataKey, ShredCertificate


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where both clocks stand; `overdue` keys should have been destroyed by now, and must be none."""

    sealed_scopes: int
    next_shredding: datetime | None
    overdue: int
    shredded: int
    evidence_years: int
    oldest_evidence: datetime | None
    events: int


def run(*, now: datetime) -> tuple[int, int]:
    """Shred what is over and purge what is old: (certificates, events)."""
    made = shredding.shred_expired(now=now)
    owners = AuditChain.objects.order_by("pk").values_list("pk", flat=True)
    return made, sum(purge_events(owner, now=now) for owner in list(owners))


def read_clocks(*, now: datetime, owners: list[str] | None = None) -> Clocks:
    """For the screen and the command; of some accounts, or of everything."""
    keys = DataKey.objects.filter(expires_on__isnull=False, destroyed_at=None)
    events, certificates = AuditEvent.objects.all(), ShredCertificate.objects.all()
    if owners is not None:
        keys, events = keys.filter(owner__in=owners), events.filter(owner__in=owners)
        certificates = certificates.filter(owner__in=owners)
    today = now.astimezone(UTC).date()
    first = keys.filter(expires_on__gt=today).order_by("expires_on").values_list("expires_on", flat=True).first()
    return Clocks(
        sealed_scopes=keys.values("owner", "scope").distinct().count(),
        next_shredding=datetime(first.year, first.month, first.day, tzinfo=UTC) if first else None,
        overdue=keys.filter(expires_on__lt=today).count(),
        shredded=certificates.count(),
        evidence_years=settings.EVIDENCE_YEARS,
        oldest_evidence=events.order_by("at").values_list("at", flat=True).first(),
        events=events.count(),
    )
