"""How far an import is: figures for the bar, the pace, and one sentence for those who listen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns.models import ImportJob, ImportState

_BAR = 1000
_FAILURES = {
    "import.file-missing": "The uploaded file is gone. Upload it again.",
    "import.binary": "This is not a text file. Export the contacts as CSV.",
}
_LIVE = {ImportState.QUEUED, ImportState.RUNNING}


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the result bar, in thousandths of the rows; `tone` is a chart colour of the theme."""

    label: str
    count: int
    tone: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class ImportProgress:
    percent: int
    headline: str
    pace: str
    spoken: str
    is_live: bool
    segments: tuple[Segment, ...]


def measure_import(job: ImportJob, *, now: datetime) -> ImportProgress:
    """What the progress card shows of the job as it stands."""
    done = job.state == ImportState.DONE
    percent = 100 if done else min(99, int(100 * job.bytes_read / job.size)) if job.size else 0
    headline = _headline(job, percent)
    return ImportProgress(
        percent=percent,
        headline=headline,
        pace=_pace(job, now=now) if job.state == ImportState.RUNNING else "",
        # Spoken in steps of ten, so that a screen reader is not talked over every second.
        spoken=headline if job.state not in _LIVE else f"{percent // 10 * 10} percent read",
        is_live=job.state in _LIVE,
        segments=_segments(job),
    )


def _headline(job: ImportJob, percent: int) -> str:
    if job.state == ImportState.DONE:
        return f"Done: {job.position:,} rows read"
    if job.state == ImportState.FAILED:
        return _FAILURES.get(job.error_code, "The import stopped. What was read before is in the list; upload again.")
    if job.state == ImportState.QUEUED and not job.position:
        return "Waiting for its turn"
    if job.state == ImportState.WAITING:
        return "Waiting for somebody to say what the columns are"
    return f"{percent} % read"


def _pace(job: ImportJob, *, now: datetime) -> str:
    """Rows a second and what is left, once there is something to reckon with."""
    seconds = (now - job.started_at).total_seconds() if job.started_at else 0.0
    if seconds < 1 or not job.bytes_read or not job.position:
        return ""
    left = max(0, job.size - job.bytes_read) / (job.bytes_read / seconds)
    rest = "less than a minute left" if left < 60 else f"about {round(left / 60)} min left"
    return f"{job.position / seconds:,.0f} rows a second, {rest}"


def _segments(job: ImportJob) -> tuple[Segment, ...]:
    parts = (
        ("New people", job.created, "c1"),
        ("Already known, brought up to date", job.updated, "c2"),
        ("Repeated in the file", job.duplicates, "c3"),
        ("Rejected", job.rejected, "c4"),
    )
    total = max(1, sum(count for _, count, _ in parts))
    segments, start = [], 0.0
    for label, count, tone in parts:
        width = _BAR * count / total
        segments.append(Segment(label, count, tone, round(start, 2), round(width, 2)))
        start += width
    return tuple(segments)
