"""Background jobs of compliance: coarse, safe to run twice, without arguments."""

from __future__ import annotations

from django.utils import timezone

from campaigns import jobs
from compliance import retention, shredding
from compliance.agreements import status
from compliance.approvals import ending
from compliance.audit import checkpoints

SCHEDULES = (
    jobs.Every("audit-checkpoints", "compliance.tasks.write_checkpoints", minutes=60),
    jobs.Every("shredding", "compliance.tasks.shred_expired", minutes=60),
    jobs.Every("agreements", "compliance.tasks.suspend_lapsed", minutes=60),
    jobs.Every("approvals", "compliance.tasks.expire_approvals", minutes=10),
)


def write_checkpoints() -> None:
    """Tell somebody outside of the database how far the audit trail has come. Runs every hour."""
    checkpoints.write_checkpoints(now=timezone.now())


def shred_expired() -> None:
    """Destroy the keys of content whose last day is over, and of sends that ended. Runs every hour."""
    retention.shred_ended(now=timezone.now())
    shredding.shred_expired(now=timezone.now())


def expire_approvals() -> None:
    """End approvals and reviews whose time is over. Runs every ten minutes."""
    ending.expire_due(now=timezone.now())


def suspend_lapsed() -> None:
    """Suspend accounts whose agreement has ended. Runs every hour; sending asks by itself."""
    status.suspend_lapsed(now=timezone.now())
