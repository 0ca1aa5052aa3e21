"""What became of a campaign: figures from the ledger and from the counts kept beside it, in a few small queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.models import QuerySet, Sum

from campaigns.models import (
    Campaign,
    Device,
    EventKind,
    HitCount,
    Split,
    Submission,
    System,
    TrackedLink,
    Verdict,
)
from campaigns.outbox.reports import SendReport, live_report

OPENED, CLICKED = EventKind.OPENED, EventKind.CLICKED


@dataclass(frozen=True, slots=True)
class Hits:
    """Opens or clicks. `people`, `unknown` and `machines` are readers, each counted once, under the best that is known.

    `total` is every hit, also of those who are counted without a name; `nameless` are theirs, without the machines'.
    """

    people: int = 0
    unknown: int = 0
    machines: int = 0
    total: int = 0
    nameless: int = 0

    @property
    def readers(self) -> int:
        """Who may have been a person: a proxy says nothing about whom it fetches for."""
        return self.people + self.unknown

    @property
    def shown(self) -> int:
        """The one figure for a screen: readers, and what is counted without names."""
        return self.readers + self.nameless


@dataclass(frozen=True, slots=True)
class Funnel:
    """From everybody who was planned to those who did something; `complained` and `unsubscribed` are people."""

    planned: int = 0
    left: int = 0
    arrived: int = 0
    delivered: int = 0
    bounced: int = 0
    opened: Hits = field(default_factory=Hits)
    clicked: Hits = field(default_factory=Hits)
    unsubscribed: int = 0
    complained: int = 0

    def share(self, count: int) -> float:
        """Of those whose mail arrived, as far as anybody knows, in percent."""
        return min(100 * count / self.arrived, 100.0) if self.arrived else 0.0


def read_funnel(campaign: Campaign, *, report: SendReport | None = None) -> Funnel:
    """The funnel of a campaign, quick for a million recipients."""
    report = report or live_report(campaign)
    ids = list(campaign.submissions.values_list("pk", flat=True))
    hits = read_totals(ids)
    arrived = report.sent + report.delivered
    return Funnel(
        planned=report.planned,
        left=arrived + report.bounced,
        arrived=arrived,
        delivered=report.delivered,
        bounced=report.bounced,
        opened=_merge(hits, OPENED),
        clicked=_merge(hits, CLICKED),
        unsubscribed=report.unsubscribed,
        complained=report.complained,
    )


def read_totals(submission_ids: Sequence[int]) -> dict[tuple[int, str], Hits]:
    """Opens and clicks by submission and kind."""
    rows = _counts(submission_ids, Split.TOTAL, Split.NAMELESS).values_list(
        "submission_id", "kind", "split", "verdict", "hits", "people"
    )
    cells: dict[tuple[int, str], list[tuple[str, int, int, int]]] = {}
    for submission_id, kind, split, verdict, hits, people in rows:
        cells.setdefault((submission_id, kind), []).append((split, verdict, hits, people))
    return {key: _sum_up(some) for key, some in cells.items()}


def _sum_up(cells: Sequence[tuple[str, int, int, int]]) -> Hits:
    people = {verdict: count for split, verdict, _, count in cells if split == Split.TOTAL}
    return Hits(
        people=people.get(Verdict.HUMAN, 0),
        unknown=people.get(Verdict.UNKNOWN, 0),
        machines=people.get(Verdict.MACHINE, 0),
        total=sum(hits for split, _, hits, _ in cells if split == Split.TOTAL),
        nameless=sum(
            hits for split, verdict, hits, _ in cells if split == Split.NAMELESS and verdict != Verdict.MACHINE
        ),
    )


def _merge(hits: Mapping[tuple[int, str], Hits], kind: str) -> Hits:
    some = [found for (_, of), found in hits.items() if of == kind]
    return Hits(*(sum(getattr(one, name) for one in some) for name in Hits.__slots__))


def _counts(submission_ids: Sequence[int], *splits: str) -> QuerySet[HitCount]:
    return HitCount.objects.filter(submission_id__in=submission_ids, split__in=splits)


@dataclass(frozen=True, slots=True)
class LinkFigures:
    """Clicks on one link; `clicks` are not machines', `people` those who may have been persons."""

    number: int
    url: str
    place: int
    clicks: int = 0
    people: int = 0
    machine_clicks: int = 0


def read_links(submission: Submission) -> list[LinkFigures]:
    """Every link of the mail with its clicks, most clicked first."""
    clicks: dict[str, dict[int, tuple[int, int]]] = {}
    rows = _counts([submission.pk], Split.LINK).filter(kind=CLICKED)
    for part, verdict, hits, people in rows.values_list("part", "verdict", "hits", "people"):
        clicks.setdefault(part, {})[verdict] = (hits, people)
    links = [
        _link_figures(link, clicks.get(str(link.number), {}))
        for link in TrackedLink.objects.filter(submission=submission)
    ]
    return sorted(links, key=lambda link: (-link.clicks, link.number))


def _link_figures(link: TrackedLink, by_verdict: Mapping[int, tuple[int, int]]) -> LinkFigures:
    maybe = [by_verdict.get(verdict, (0, 0)) for verdict in (Verdict.HUMAN, Verdict.UNKNOWN)]
    return LinkFigures(
        link.number,
        link.url,
        link.place,
        clicks=sum(hits for hits, _ in maybe),
        people=sum(people for _, people in maybe),
        machine_clicks=by_verdict.get(Verdict.MACHINE, (0, 0))[0],
    )


@dataclass(frozen=True, slots=True)
class HourFigures:
    """What happened within an hour; opens and clicks without those of machines."""

    at: datetime
    sent: int = 0
    opened: int = 0
    clicked: int = 0


def read_hours(submission: Submission, *, sent: Mapping[str, int]) -> list[HourFigures]:
    """Every hour in which something happened, in order; `sent` are mails by hour (`2026-11-30T07`, UTC)."""
    found: dict[str, dict[str, int]] = {hour: {"sent": count} for hour, count in sent.items()}
    rows = _counts([submission.pk], Split.HOUR).exclude(verdict=Verdict.MACHINE)
    for part, kind, hits in rows.values_list("part", "kind").annotate(Sum("hits")).order_by("part"):
        found.setdefault(part, {})[kind] = hits
    return [
        HourFigures(
            datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=UTC),
            sent=figures.get("sent", 0),
            opened=figures.get(OPENED, 0),
            clicked=figures.get(CLICKED, 0),
        )
        for hour, figures in sorted(found.items())
    ]


@dataclass(frozen=True, slots=True)
class DeviceFigures:
    """Opens and clicks from one kind of device, without those of machines and proxies, which tell nothing."""

    device: str
    system: str
    opened: int
    clicked: int


def read_devices(submission: Submission) -> list[DeviceFigures]:
    """The devices of readers, most used first."""
    found: dict[tuple[int, int], dict[str, int]] = {}
    rows = _counts([submission.pk], Split.DEVICE).filter(verdict=Verdict.HUMAN)
    for part, kind, hits in rows.values_list("part", "kind", "hits"):
        device, _, system = part.partition(".")
        found.setdefault((int(device), int(system)), {})[kind] = hits
    devices = [
        DeviceFigures(
            Device(device).label, System(system).label, opened=figures.get(OPENED, 0), clicked=figures.get(CLICKED, 0)
        )
        for (device, system), figures in found.items()
    ]
    return sorted(devices, key=lambda row: (-row.opened - row.clicked, row.device, row.system))


@dataclass(frozen=True, slots=True)
class Compared:
    """One campaign beside others."""

    campaign: Campaign
    funnel: Funnel


def compare_campaigns(campaigns: Sequence[Campaign]) -> list[Compared]:
    """The funnels of some campaigns, in the order given."""
    return [Compared(campaign, read_funnel(campaign)) for campaign in campaigns]
