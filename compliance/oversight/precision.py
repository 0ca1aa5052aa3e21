"""How precise each detector rule is: what it found, week by week, and what people said was no protected information.

An estimate: whoever corrects a false alarm instead of answering it counts for the rule, and what no rule found is unknown.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import TruncWeek

from compliance.detectors.rules import load_rules
from compliance.models import DetectorException, DetectorHit

WEEKS = 12
# Below that a share says more about chance than about the rule.
ENOUGH = 10


@dataclass(frozen=True, slots=True)
class Precision:
    """One rule in one week, or in all of them: texts it found first then, and how many of them people answered."""

    rule: str
    hits: int
    overridden: int
    week: date | None = None

    @property
    def says(self) -> str:
        """What the rule tells people, '' for one that is gone."""
        found = load_rules().find(self.rule)
        return found.text if found else ""

    @property
    def percent(self) -> int | None:
        """Of a hundred hits so many were right; None where there are too few."""
        return round(100 * (self.hits - self.overridden) / self.hits) if self.hits >= ENOUGH else None


def read_precision(accounts: Collection[int], *, now: datetime) -> tuple[list[Precision], list[Precision]]:
    """(all weeks together by rule, each week by rule, the newest first) of these accounts, in one question."""
    since = now - timedelta(weeks=WEEKS)
    # One that was taken back is no answer; one whose days are over is.
    answers = DetectorException.objects.filter(
        Q(send=OuterRef("send")) | Q(send=""), account=OuterRef("account"), rule=OuterRef("rule"),
        digest=OuterRef("digest"), ended_at=None,
    )  # fmt: skip
    rows = (
        DetectorHit.objects.filter(account__in=accounts, seen_at__gte=since)
        .annotate(week=TruncWeek("seen_at", tzinfo=UTC), is_answered=Exists(answers))
        .values("week", "rule")
        .annotate(hits=Count("pk"), overridden=Count("pk", filter=Q(is_answered=True)))
        .order_by("-week", "rule")
    )
    weekly = [Precision(row["rule"], row["hits"], row["overridden"], row["week"].date()) for row in rows]
    rules = sorted({row.rule for row in weekly})
    together = [
        Precision(
            rule, *(sum(getattr(row, name) for row in weekly if row.rule == rule) for name in ("hits", "overridden"))
        )
        for rule in rules
    ]
    return together, weekly
