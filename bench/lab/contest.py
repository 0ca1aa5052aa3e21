"""Several ways of doing the same work, taking turns, so that a busy moment of the machine hits all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bench.lab import machine

_DISTURBED = 0.08


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement: the figure that is compared, and what else is worth telling."""

    rate: float
    more: Mapping[str, float] = field(default_factory=dict)


Measure = Callable[[], Figure]


@dataclass(slots=True)
class Contest:
    """Named ways of doing the same work; `rates` has one entry a round for each."""

    unit: str
    ways: dict[str, Measure] = field(default_factory=dict)
    figures: dict[str, list[Figure]] = field(default_factory=dict)

    def run(self, rounds: int, *, patience: int = 0) -> None:
        """Let everybody have so many turns; a turn others disturb is taken again, up to `patience` times."""
        for number in range(1, rounds + 1):
            for name, measure in self.ways.items():
                figure, disturbed = _measure(measure, patience=patience)
                self.figures.setdefault(name, []).append(figure)
                said = f"  (others took {disturbed:.0%} of the machine)" if disturbed > _DISTURBED else ""
                print(
                    f"round {number}  {name:34} {figure.rate:10,.0f} {self.unit}  {_words(figure.more)}{said}",
                    flush=True,
                )

    def median(self, name: str, of: str = "") -> float:
        """The median rate of a way, or of one of its other figures; 0 when it did not take part."""
        values = [figure.more.get(of, 0.0) if of else figure.rate for figure in self.figures.get(name, [])]
        return statistics.median(values) if values else 0.0

    def ratio(self, name: str, ours: str, peer: str, *, of: str = "") -> str:
        """`RATIO name value`: the median of ours over the median of the peer's; '' when one did not take part."""
        mine, theirs = self.median(ours, of), self.median(peer)
        return f"RATIO {name} {mine / theirs:.2f}" if mine and theirs else ""

    def show_medians(self) -> None:
        print(f"\nmedians of {max(map(len, self.figures.values()), default=0)}")
        for name, figures in self.figures.items():
            keys = figures[0].more
            more = {key: self.median(name, key) for key in keys}
            print(f"  {name:36} {self.median(name):10,.0f} {self.unit}  {_words(more)}")


def _measure(measure: Measure, *, patience: int) -> tuple[Figure, float]:
    """A figure, and the share of the machine that others took meanwhile: the least disturbed of the tries."""
    tries = []
    for _ in range(patience + 1):
        machine.await_quiet(seconds=60.0 if patience else 8.0)
        others, began = machine.cpu_of_others(), time.perf_counter()
        figure = measure()
        share = (machine.cpu_of_others() - others) / (time.perf_counter() - began) / machine.CORES
        tries.append((share, figure))
        if share <= _DISTURBED:
            break
    share, figure = min(tries, key=lambda entry: entry[0])
    return figure, share


def _words(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:,.0f}" for name, value in figures.items())
