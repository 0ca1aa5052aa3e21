"""Figures of a campaign by recipient domain and by hour of sending: they read every mail of it.

Of a small submission they are made while the page is. Of a large one they are made in the background, kept, and made
anew when somebody looks and they are old.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from campaigns import jobs
from campaigns.models import Breakdown, Submission
from campaigns.outbox import counts

JOB = "campaigns.tasks.break_down"
FRESH = timedelta(minutes=5)
MOST_DOMAINS = 50

# The mails of the submission first, then what is known of each: whatever the planner thinks of the tables, no other
# submission is read.
_DOMAINS = """
WITH mails AS MATERIALIZED (
    SELECT id, recipient_domain AS domain, state FROM campaigns_message WHERE submission_id = %s
), told AS MATERIALIZED (
    SELECT e.message_id,
        max(CASE WHEN e.kind = 'opened' AND e.is_machine IS NOT TRUE THEN 1 ELSE 0 END) AS opened,
        max(CASE WHEN e.kind = 'clicked' AND e.is_machine IS NOT TRUE THEN 1 ELSE 0 END) AS clicked,
        max(CASE WHEN e.kind = 'unsubscribed' THEN 1 ELSE 0 END) AS unsubscribed,
        max(CASE WHEN e.kind = 'complained' THEN 1 ELSE 0 END) AS complained
    FROM mails m JOIN campaigns_event e ON e.message_id = m.id
    WHERE e.kind IN ('opened', 'clicked', 'unsubscribed', 'complained')
    GROUP BY e.message_id
)
SELECT m.domain, count(*),
    sum(CASE WHEN m.state IN ('sent', 'delivered') THEN 1 ELSE 0 END),
    sum(CASE WHEN m.state = 'bounced' THEN 1 ELSE 0 END),
    coalesce(sum(t.opened), 0), coalesce(sum(t.clicked), 0),
    coalesce(sum(t.unsubscribed), 0), coalesce(sum(t.complained), 0)
FROM mails m LEFT JOIN told t ON t.message_id = m.id
GROUP BY m.domain ORDER BY 2 DESC, 1 LIMIT %s
"""
_HOURS = """
SELECT {hour} AS hour, count(*) FROM campaigns_message
WHERE submission_id = %s AND sent_at IS NOT NULL GROUP BY 1 ORDER BY 1
"""
_HOUR = {
    "postgresql": "to_char(sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')",
    "sqlite": "strftime('%%Y-%%m-%%dT%%H', sent_at)",
}


@dataclass(frozen=True, slots=True)
class DomainFigures:
    """What became of the mails to one recipient domain; readers without those who are certainly machines."""

    domain: str
    planned: int
    arrived: int
    bounced: int
    opened: int
    clicked: int
    unsubscribed: int
    complained: int


@dataclass(frozen=True, slots=True)
class Details:
    """`sent` are mails by hour (`2026-11-30T07`, UTC). `made_at` None: not made yet."""

    made_at: datetime | None
    domains: list[DomainFigures] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)


def read_details(submission: Submission, *, now: datetime) -> Details:
    """The figures as they are now; of a large submission as they were some minutes ago, while newer ones are made."""
    if not counts.is_counted(submission):
        return Details(now, _count_domains(submission.pk), _count_hours(submission.pk))
    kept = Breakdown.objects.filter(submission=submission).first()
    if kept is None or now - kept.made_at > FRESH:
        jobs.ring(JOB, submission.pk)
    if kept is None:
        return Details(None)
    domains = [DomainFigures(**row) for row in kept.domains]
    return Details(kept.made_at, domains, dict(kept.hours))


def make_breakdown(submission_id: int, *, now: datetime) -> None:
    """Count and keep the figures of a submission, unless somebody just did."""
    if Breakdown.objects.filter(submission=submission_id, made_at__gt=now - FRESH).exists():
        return
    figures: dict[str, Any] = {
        "made_at": now,
        "domains": [asdict(row) for row in _count_domains(submission_id)],
        "hours": list(_count_hours(submission_id).items()),
    }
    if Submission.objects.filter(pk=submission_id).exists():
        Breakdown.objects.update_or_create(submission_id=submission_id, defaults=figures)


def _count_domains(submission_id: int) -> list[DomainFigures]:
    with connection.cursor() as cursor:
        cursor.execute(_DOMAINS, [submission_id, MOST_DOMAINS])
        return [DomainFigures(row[0], *map(int, row[1:])) for row in cursor.fetchall()]


def _count_hours(submission_id: int) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(_HOURS.format(hour=_HOUR[connection.vendor]), [submission_id])
        return dict(cursor.fetchall())
