"""Charts as numbers for SVG: drawn by the server, without text inside, so that they fit a phone and need no script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns.tracking.stats import HourFigures

# What a chart of hours shows at most; after that a column is a day.
_MOST_HOURS = 72
_MOST_COLUMNS = 120


@dataclass(frozen=True, slots=True)
class Column:
    """One column, in percent of the chart's width and height."""

    x: float
    width: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Strip:
    """One row of columns over time; `summary` says in words what it shows."""

    title: str
    tone: str
    columns: tuple[Column, ...]
    total: int
    most: int
    summary: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """An hour or a day by the account's clock."""

    at: datetime
    sent: int = 0
    opened: int = 0
    clicked: int = 0


@dataclass(frozen=True, slots=True)
class TimeChart:
    """Sent, opened and clicked over time; `ticks` are words under the chart, from left to right."""

    unit: str
    buckets: tuple[Bucket, ...]
    strips: tuple[Strip, ...]
    ticks: tuple[str, ...]


def chart_hours(hours: Sequence[HourFigures], *, zone: str) -> TimeChart | None:
    """The chart of some hours; None when nothing happened."""
    if not hours:
        return None
    by_hour = hours[-1].at - hours[0].at <= timedelta(hours=_MOST_HOURS)
    buckets = _fill(hours, zone=ZoneInfo(zone), by_hour=by_hour)[-_MOST_COLUMNS:]
    unit = "hour" if by_hour else "day"
    say = _say_hour if by_hour else _say_day
    middle = [buckets[len(buckets) // 2]] if len(buckets) > 2 else []
    shown = [buckets[0], *middle, *([buckets[-1]] if len(buckets) > 1 else [])]
    strips = (
        _strip("Sent", "c3", buckets, lambda bucket: bucket.sent, unit=unit, say=say),
        _strip("Opened", "c1", buckets, lambda bucket: bucket.opened, unit=unit, say=say),
        _strip("Clicked", "c4", buckets, lambda bucket: bucket.clicked, unit=unit, say=say),
    )
    ticks = tuple(say(bucket.at) for bucket in shown)
    return TimeChart(unit, tuple(buckets), tuple(strip for strip in strips if strip.total), ticks)


def _say_hour(at: datetime) -> str:
    return f"{at:%-d %b, %H:%M}"


def _say_day(at: datetime) -> str:
    return f"{at:%-d %b}"


def _fill(hours: Sequence[HourFigures], *, zone: ZoneInfo, by_hour: bool) -> list[Bucket]:
    """A bucket for every hour or day from the first to the last, empty ones too."""
    found: dict[datetime, list[int]] = {}
    for row in hours:
        figures = found.setdefault(_floor(row.at, zone, by_hour=by_hour), [0, 0, 0])
        for place, count in enumerate((row.sent, row.opened, row.clicked)):
            figures[place] += count
    at, last = min(found), max(found)
    buckets = []
    while at <= last:
        buckets.append(Bucket(at, *found.get(at, (0, 0, 0))))
        at = _next(at, by_hour=by_hour)
    return buckets


def _floor(at: datetime, zone: ZoneInfo, *, by_hour: bool) -> datetime:
    # Without its zone: a wall clock, on which every day has one midnight.
    there = at.astimezone(zone).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    return there if by_hour else there.replace(hour=0)


def _next(at: datetime, *, by_hour: bool) -> datetime:
    return at + (timedelta(hours=1) if by_hour else timedelta(days=1))


def _strip(
    title: str, tone: str, buckets: Sequence[Bucket], count: Callable[[Bucket], int], *, unit: str,
    say: Callable[[datetime], str],
) -> Strip:  # fmt: skip
    most = max(buckets, key=count)
    total = sum(map(count, buckets))
    width = 100 / len(buckets)
    columns = tuple(
        Column(round(place * width, 3), round(width * 0.8, 3), round(100 - height, 2), round(height, 2))
        for place, bucket in enumerate(buckets)
        if (height := 100 * count(bucket) / (count(most) or 1))
    )
    summary = f"{title}: {total:,} in all, most in the {unit} of {say(most.at)} with {count(most):,}."
    return Strip(title, tone, columns, total, count(most), summary)


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a table with a bar; `width` in percent of the longest."""

    label: str
    count: int
    width: float
    share: str = ""
    hint: str = ""


def bars(rows: Sequence[tuple[str, int, str, str]]) -> list[Bar]:
    """Bars of (label, count, share, hint), each as long as its part of the largest."""
    most = max((count for _, count, _, _ in rows), default=0) or 1
    return [Bar(label, count, round(100 * count / most, 2), share, hint) for label, count, share, hint in rows]
