"""Background jobs of compliance: coarse, safe to run twice, without arguments."""

from __future__ import annotations

from django.utils import timezone

from campaigns import jobs
from compliance.audit import checkpoints

SCHEDULES = (jobs.Every("audit-checkpoints", "compliance.tasks.write_checkpoints", minutes=60),)


def write_checkpoints() -> None:
    """Tell somebody outside of the database how far the audit trail has come. Runs every hour."""
    checkpoints.write_checkpoints(now=timezone.now())
