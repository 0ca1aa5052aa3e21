"""The arithmetic of a token bucket, under any clock."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from campaigns.bucket import SKEW, Level, Line, Rate

START = datetime(2027, 3, 1, 9, tzinfo=UTC)
RATES = st.builds(
    Rate, st.floats(0.001, 5_000, allow_nan=False), st.sampled_from([1.0, 60.0])
)  # from 4 an hour to 5,000 a second
seconds = st.floats(0, 7_200, allow_nan=False).map(lambda value: timedelta(seconds=value))


class BucketUnderAnyClock(RuleBasedStateMachine):
    """Workers take and give back while the clock goes on, stands, or is set back."""

    @initialize(rate=RATES)
    def begin(self, rate: Rate) -> None:
        self.rate = rate
        self.now = START
        self.level = Level(rate.burst, START)
        self.gone = timedelta()  # how far the clock has gone forward, all in all
        self.granted = 0

    @rule(by=seconds)
    def time_passes(self, by: timedelta) -> None:
        before = self.level.refill(self.rate, now=self.now)
        self.now, self.gone = self.now + by, self.gone + by
        self.level = before.refill(self.rate, now=self.now)
        assert self.level.tokens >= before.tokens  # monotone in time

    @rule(by=seconds)
    def the_clock_is_set_back(self, by: timedelta) -> None:
        before = self.level.refill(self.rate, now=self.now)
        self.now -= by
        self.level = before.refill(self.rate, now=self.now)
        assert self.level.tokens == before.tokens  # nothing won, nothing lost

    @rule(want=st.integers(1, 500))
    def somebody_takes(self, want: int) -> None:
        self.level = self.level.refill(self.rate, now=self.now)
        count = min(want, self.level.whole)
        self.level = self.level.take(count)
        self.granted += count

    @rule(share=st.integers(0, 100))
    def somebody_gives_back(self, share: int) -> None:
        count = min(self.granted, share)
        self.level = self.level.put_back(count, self.rate)
        self.granted -= count

    @rule()
    def it_fills_again_whatever_the_clock_did(self) -> None:
        later = self.now + SKEW + timedelta(seconds=self.rate.burst / self.rate.per_second + 0.001)
        assert math.isclose(self.level.refill(self.rate, now=later).tokens, self.rate.burst)

    @invariant()
    def is_never_negative_and_never_above_its_burst(self) -> None:
        assert 0 <= self.level.tokens <= self.rate.burst

    @invariant()
    def never_lets_more_through_than_its_rate_and_one_burst(self) -> None:
        limit = self.rate.per_second * self.gone.total_seconds() + self.rate.burst
        assert self.granted <= limit + 1e-3


TestBucketUnderAnyClock = BucketUnderAnyClock.TestCase


@given(rate=RATES, tokens=st.floats(0, 1), share=st.floats(0.01, 1))
def test_the_moment_it_names_is_late_enough(rate: Rate, tokens: float, share: float) -> None:
    level, wanted = Level(tokens * rate.burst, START), max(1.0, share * rate.burst)
    at = level.holds_at(wanted, rate)
    assert level.refill(rate, now=max(at, START)).whole >= math.floor(wanted)


def test_a_slow_bucket_has_room_for_one_mail() -> None:
    assert Rate(0.1).burst == 1


def test_a_clock_that_was_an_hour_ahead_stops_nobody_for_an_hour() -> None:
    level = Level(0, START + timedelta(hours=1)).refill(Rate(10), now=START)
    assert level.refill(Rate(10), now=START + timedelta(seconds=1)).whole == 10


def test_a_host_that_is_a_second_behind_wins_nothing() -> None:
    level = Level(0, START)
    for _ in range(10):
        level = level.refill(Rate(10), now=START - timedelta(seconds=1)).refill(Rate(10), now=START)
    assert level.whole == 0


def test_a_line_gives_each_message_a_moment_of_its_own() -> None:
    line = Line(Level(2, START), Rate(2), promised=None, now=START)
    moments = [line.step() for _ in range(6)]
    half = timedelta(seconds=0.5)
    assert moments == [None, None, START + half, START + 2 * half, START + 3 * half, START + 4 * half]


def test_the_next_batch_stands_behind_the_first() -> None:
    first = Line(Level(0, START), Rate(1), promised=None, now=START)
    promised = [first.step() for _ in range(3)][-1]
    second = Line(first.level, Rate(1), promised=first.promised, now=START)
    assert second.step() == promised + timedelta(seconds=1)  # type: ignore[operator]


def test_a_line_that_was_left_does_not_hold_up_others_for_hours() -> None:
    line = Line(Level(0, START), Rate(1), promised=START + timedelta(hours=9), now=START)
    assert line.step() == START + Line.FURTHEST
