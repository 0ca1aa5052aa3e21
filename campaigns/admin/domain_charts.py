"""Pictures of numbers as SVG, worked out here and drawn by templates: no script, no style attribute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT = 720.0, 180.0
_LEFT, _BOTTOM, _TOP = 44.0, 22.0, 16.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One part of a column: where it stands, and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line across with the number it stands for."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A day under the columns."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Columns:
    """A column for each day; `summary` says in words what the picture shows."""

    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    summary: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT


def draw_columns(
    days: Sequence[tuple[date, int, int]], *, words: tuple[str, str], tones: tuple[str, str] = ("c1", "c4")
) -> Columns:
    """Days with two numbers each, one upon the other; words name the two."""
    top = _round_up(max((good + bad for _, good, bad in days), default=0))
    step = (WIDTH - _LEFT) / max(len(days), 1)
    room = HEIGHT - _BOTTOM - _TOP
    bars: list[Bar] = []
    for place, (day, good, bad) in enumerate(days):
        base = HEIGHT - _BOTTOM
        for number, tone, word in ((good, tones[0], words[0]), (bad, tones[1], words[1])):
            if number:
                # A hair's breadth at least: one forged mail among a million is worth seeing.
                height = max(number * room / top, 1.5)
                base -= height
                bars.append(
                    Bar(
                        round(_LEFT + place * step + step * 0.12, 2), round(base, 2), round(step * 0.76, 2),
                        round(height, 2), tone, f"{day:%-d %b}: {number:,} {word}",
                    )
                )  # fmt: skip
    marks = tuple(
        Mark(round(_LEFT + (place + 0.5) * step, 2), f"{day:%-d %b}")
        for place, (day, _, _) in enumerate(days)
        if place % 7 == 3
    )
    lines = tuple(Line(round(HEIGHT - _BOTTOM - share * room, 2), _short(top * share)) for share in (0.0, 0.5, 1.0))
    total_good, total_bad = sum(good for _, good, _ in days), sum(bad for _, _, bad in days)
    summary = f"The last {len(days)} days: {total_good:,} {words[0]}, {total_bad:,} {words[1]}."
    return Columns(tuple(bars), lines, marks, summary)


@dataclass(frozen=True, slots=True)
class Ring:
    """A share of a circle: the length of its arc and of the whole circle, both in the picture's units."""

    arc: float
    circle: float
    tone: str


def draw_ring(points: int, *, radius: float = 42.0) -> Ring:
    """Points out of 100, in the colour of how good they are."""
    circle = 2 * math.pi * radius
    tone = "ok" if points >= 85 else "warn" if points >= 60 else "bad"
    return Ring(round(circle * points / 100, 2), round(circle, 2), tone)


def _round_up(number: int) -> int:
    """The next number that reads well at the top of a scale, with a whole half: nobody sends half a mail."""
    if number <= 4:
        return 4
    unit: int = 10 ** (len(str(number)) - 1)
    tops = (step * unit // 2 for step in (2, 3, 4, 5, 6, 8, 10, 12, 16, 20))
    return next(top for top in tops if top >= number and top % 2 == 0)


def _short(number: float) -> str:
    for size, sign in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g}{sign}"
    return f"{number:g}"
