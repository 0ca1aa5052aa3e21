"""Figures of opens and clicks, kept beside the events in the same transaction: exact differences, never a recount.

What one mail's hits add to the figures of its submission is a pure function of those hits. Whatever changes them – a
new hit, a verdict that changes – adds the difference between after and before, so figures and events cannot part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from django.db import connection

from campaigns.models import Split, Verdict
from campaigns.tracking.verdicts import Hit


class Cell(NamedTuple):
    """One figure of a submission; the order is the one in which rows are locked."""

    submission_id: int
    split: str
    part: str
    kind: str
    verdict: int


Figures = Counter[tuple[Cell, str]]
"""What is added to cells, by the column: hits or people."""


def verdict_of(hit: Hit) -> Verdict:
    if hit.is_machine is None:
        return Verdict.UNKNOWN
    return Verdict.MACHINE if hit.is_machine else Verdict.HUMAN


def count_message(submission_id: int, hits: Iterable[Hit]) -> Figures:
    """What the hits of one mail add to the figures of its submission."""
    figures: Figures = Counter()
    seen: dict[tuple[str, str, str], set[Verdict]] = {}
    for hit in hits:
        verdict = verdict_of(hit)
        for split, part in _parts(hit):
            figures[Cell(submission_id, split, part, hit.kind, verdict), "hits"] += 1
            seen.setdefault((split, part, hit.kind), set()).add(verdict)
    for (split, part, kind), verdicts in seen.items():
        figures[Cell(submission_id, split, part, kind, _best(verdicts)), "people"] += 1
    return figures


def count_nameless(submission_id: int, hit: Hit) -> Figures:
    """What a hit adds of which nobody knows whose it is."""
    verdict = verdict_of(hit)
    parts = [*_parts(hit), (Split.NAMELESS, "")]
    return Counter({(Cell(submission_id, split, part, hit.kind, verdict), "hits"): 1 for split, part in parts})


def _parts(hit: Hit) -> Sequence[tuple[str, str]]:
    return _parts_of(
        hit.at.astimezone(UTC).replace(minute=0, second=0, microsecond=0), hit.link, hit.device, hit.system
    )


@lru_cache(maxsize=1024)
def _parts_of(hour: datetime, link: int | None, device: int | None, system: int | None) -> Sequence[tuple[str, str]]:
    parts = [(Split.TOTAL.value, ""), (Split.HOUR.value, f"{hour:%Y-%m-%dT%H}")]
    if link is not None:
        parts.append((Split.LINK.value, str(link)))
    if device is not None and system is not None:
        parts.append((Split.DEVICE.value, f"{device}.{system}"))
    return parts


def _best(verdicts: set[Verdict]) -> Verdict:
    """A person who opened is a reader, whatever their mailbox's machines did besides."""
    if Verdict.HUMAN in verdicts:
        return Verdict.HUMAN
    return Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts else Verdict.MACHINE


# One upsert for both databases: adding in the database loses nothing when several processes write.
_ROW = "(%s, %s, %s, %s, %s, %s, %s)"
_ADD = """
INSERT INTO campaigns_hitcount (submission_id, split, part, kind, verdict, hits, people)
VALUES {rows}
ON CONFLICT (submission_id, split, part, kind, verdict) DO UPDATE SET
    hits = campaigns_hitcount.hits + excluded.hits,
    people = campaigns_hitcount.people + excluded.people
"""
_AT_ONCE = 500


def add_figures(figures: Mapping[tuple[Cell, str], int]) -> None:
    """Add differences to the stored figures."""
    # In one order, so that two processes that lock the same rows lock them alike.
    cells = sorted({cell for (cell, _), count in figures.items() if count})
    for first in range(0, len(cells), _AT_ONCE):
        values: list[int | str] = []
        some = cells[first : first + _AT_ONCE]
        for cell in some:
            row = (cell.submission_id, cell.split, cell.part, cell.kind, cell.verdict)
            values += [*row, figures.get((cell, "hits"), 0), figures.get((cell, "people"), 0)]
        with connection.cursor() as cursor:
            cursor.execute(_ADD.format(rows=", ".join([_ROW] * len(some))), values)
