"""Background jobs of compliance: coarse, safe to run twice, without arguments."""

from __future__ import annotations

from django.utils import timezone

from campaigns import jobs
from campaigns.accounts import drafts
from compliance import retention, scanning, shredding
from compliance.agreements import status
from compliance.approvals import ending
from compliance.audit import checkpoints
from compliance.oversight import clocks, emergency, kept_checks, reviews

SCHEDULES = (
    jobs.Every("audit-checkpoints", "compliance.tasks.write_checkpoints", minutes=60),
    jobs.Every("shredding", "compliance.tasks.shred_expired", minutes=60),
    jobs.Every("agreements", "compliance.tasks.suspend_lapsed", minutes=60),
    jobs.Every("activity-reviews", "compliance.tasks.make_reviews", minutes=60),
    jobs.Every("emergency-access", "compliance.tasks.close_emergencies", minutes=5),
    jobs.Every("retention", "compliance.tasks.run_retention", minutes=24 * 60),
    jobs.Every("self-check", "compliance.tasks.keep_selfcheck", minutes=24 * 60),
    jobs.Every("approvals", "compliance.tasks.expire_approvals", minutes=10),
)


def make_reviews() -> None:
    """Count the last whole week for the officers to review. Runs every hour, and does something once a week."""
    reviews.make_reviews(now=timezone.now())


def close_emergencies() -> None:
    """Write down which emergency access is over. Runs every five minutes; it ended by the clock."""
    emergency.close_ended(now=timezone.now())


def run_retention() -> None:
    """Shred content, purge evidence and forget what nobody needs any more, each when its time is over. Runs every day."""
    clocks.run(now=timezone.now())
    drafts.forget_old(now=timezone.now())
    scanning.forget_hits(now=timezone.now())


def keep_selfcheck() -> None:
    """Check the installation's own safeguards and keep what was found. Runs every day, and does something once a year."""
    kept_checks.keep_yearly(now=timezone.now())


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
