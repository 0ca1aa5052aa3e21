"""Everything that is known of a domain's standing with mailboxes, gathered for its score."""

from __future__ import annotations

from collections.abc import Sequence

from campaigns.domains.report_figures import Day
from campaigns.domains.score import Seen, Standing
from campaigns.domains.traffic import Share
from campaigns.models import Domain


def gather_standing(domain: Domain, *, shares: Sequence[Share], days: Sequence[Day]) -> Standing:
    """The findings of the last look, the traffic by provider, and the reports by day, as one value."""
    records = {
        finding.record: Seen(finding.ok, finding.code, finding.text, finding.policy)
        for finding in domain.findings.all()
    }
    passed = sum(day.passed for day in days)
    return Standing(
        is_verified=domain.is_verified,
        is_failing=domain.failed_looks > 0,
        records=records,
        has_return_path=bool(domain.return_path),
        has_tracking_host=bool(domain.tracking_host),
        shares=tuple(shares),
        reported=passed + sum(day.failed for day in days),
        reported_passed=passed,
    )
