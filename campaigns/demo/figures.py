"""What the demonstration came to, and whether it adds up."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.models import Campaign, ImportJob
from campaigns.outbox.reports import SendReport


@dataclass(frozen=True, slots=True)
class Outcome:
    """The import and the two campaigns; so many readers left between them, and during the second."""

    job: ImportJob
    sends: list[tuple[Campaign, SendReport]]
    between: int
    during: int

    @property
    def line(self) -> str:
        """Everything in one line, for people and for programs."""
        job, reports = self.job, [report for _, report in self.sends]
        figures = {
            "imported": job.created + job.updated,
            "rejected": job.rejected,
            "duplicates": job.duplicates,
            "sent": sum(report.sent for report in reports),
            "refused": sum(report.refused for report in reports),
            "unsubscribed": sum(report.unsubscribed for report in reports),
            "lost": sum(report.lost for report in reports),
        }
        return "DEMO " + " ".join(f"{name}={value}" for name, value in figures.items())

    def find_contradictions(self) -> list[str]:
        """Sentences about figures that do not add up; empty when all do."""
        job, (first, second) = self.job, [report for _, report in self.sends]
        claims = {
            "rows read are not created + updated + duplicates + rejected": (
                job.position == job.created + job.updated + job.duplicates + job.rejected
            ),
            "the first campaign was not planned for everyone imported": (
                first.planned == job.created + job.updated - job.kept_unsubscribed
            ),
            "the second campaign was not planned for everyone but those who left": (
                second.planned == first.planned - self.between
            ),
            "more people were refused than left": second.refused <= self.during,
            "a campaign ended with people who are not in a final state": all(
                report.planned == report.settled and not report.lost for report in (first, second)
            ),
            "unsubscribes recorded are not those answered": (
                first.unsubscribed + second.unsubscribed == self.between + self.during
            ),
        }
        return [complaint for complaint, holds in claims.items() if not holds]
