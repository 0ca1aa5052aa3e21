"""The clock of evidence: what is older than EVIDENCE_YEARS may go, whole and from the oldest end only.

Content has another clock, of days: that of `compliance.shredding`.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction

from compliance.audit.writing import SYSTEM, Ref, record
from compliance.models import AuditCheckpoint, AuditEvent


def purge_events(owner: str, *, now: datetime) -> int:
    """Delete the oldest events of a chain, up to a checkpoint from which it still can be verified; returns how many."""
    too_old = now.replace(year=now.year - settings.EVIDENCE_YEARS) if not _is_leap_day(now) else _before_leap_day(now)
    with transaction.atomic():
        youngest = AuditEvent.objects.filter(owner=owner, at__gte=too_old).order_by("seq").first()
        marks = AuditCheckpoint.objects.filter(owner=owner)
        if youngest is not None:
            marks = marks.filter(seq__lt=youngest.seq)
        cut = marks.order_by("-seq").first()
        if cut is None:
            return 0
        number, _ = AuditEvent.objects.filter(owner=owner, seq__lte=cut.seq).delete()
        if number:
            about = Ref("audit-chain", owner)
            record(
                "retention.purged", owner=owner, actor=SYSTEM, about=about, data={"events": number, "up_to": cut.seq}
            )
    return number


def _is_leap_day(now: datetime) -> bool:
    return (now.month, now.day) == (2, 29)


def _before_leap_day(now: datetime) -> datetime:
    return now.replace(year=now.year - settings.EVIDENCE_YEARS, day=28)
