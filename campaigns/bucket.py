"""The arithmetic of a token bucket: it fills at a steady rate up to its burst, and each mail or request takes one token."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

# Clocks of hosts differ a little: one that is behind adds nothing. One further behind was set back; time starts anew
# there, or nothing would leave until it has caught up.
SKEW = timedelta(minutes=1)
# What floating point may miss of a whole token.
_DUST = 1e-9


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens a second, more than 0, and for how many seconds' worth of them there is room: at least for one token."""

    per_second: float
    burst_seconds: float = 1.0

    @property
    def burst(self) -> float:
        return max(1.0, self.per_second * self.burst_seconds)


@dataclass(frozen=True, slots=True)
class Level:
    """How full a bucket was at a moment: never below 0."""

    tokens: float
    at: datetime

    @property
    def whole(self) -> int:
        """How many may go."""
        return math.floor(self.tokens + _DUST)

    def refill(self, rate: Rate, *, now: datetime) -> Level:
        """The level now, never above the burst; less time than none has not passed."""
        if now < self.at - SKEW:
            return Level(min(self.tokens, rate.burst), now)
        seconds = max((now - self.at).total_seconds(), 0.0)
        return Level(min(self.tokens + seconds * rate.per_second, rate.burst), max(now, self.at))

    def take(self, count: int) -> Level:
        """Without so many tokens, of which `whole` says how many there are."""
        return Level(max(self.tokens - count, 0.0), self.at)

    def put_back(self, count: int, rate: Rate) -> Level:
        return Level(min(self.tokens + count, rate.burst), self.at)

    def holds_at(self, tokens: float, rate: Rate) -> datetime:
        """When so many tokens, not above the burst, are there if nobody takes any."""
        seconds = max(tokens - self.tokens, 0.0) / rate.per_second
        return self.at + timedelta(microseconds=math.ceil(seconds * 1e6))


class Line:
    """Messages before a bucket: some go, the others get a moment each, behind those that have one already.

    `level` and `promised` are what to keep for the next ones.
    """

    # Nobody is put off further than this: those before may leave the line early, and its length is then out of date.
    FURTHEST = timedelta(minutes=10)

    def __init__(self, level: Level, rate: Rate, *, promised: datetime | None, now: datetime) -> None:
        self.level = level.refill(rate, now=now)
        self.promised = min(promised or now, now + self.FURTHEST)
        self._rate, self._now = rate, now

    def step(self) -> datetime | None:
        """None = the next message goes now, else the moment it should come back."""
        if self.level.whole:
            self.level = self.level.take(1)
            return None
        behind = self.promised + timedelta(seconds=1 / self._rate.per_second)
        slot = max(behind, self.level.holds_at(1, self._rate))
        if slot > self._now + self.FURTHEST:
            return self._now + self.FURTHEST
        self.promised = slot
        return slot
