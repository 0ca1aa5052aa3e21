"""When to try again."""

from __future__ import annotations

from datetime import timedelta

FIRST = timedelta(minutes=5)
GROWTH = 1.5
LONGEST = timedelta(hours=4)
SPREAD = 0.2


def next_delay(attempts: int, *, jitter: float) -> timedelta:
    """The wait after so many attempts (1 = the first failed): 5 min × 1.5ⁿ up to 4 h, spread by ± 20 %.

    `jitter` is a number from 0 to 1 (RFC 5321 §4.5.4.1 asks for growing intervals).
    """
    plain = min(FIRST * GROWTH ** min(attempts - 1, 20), LONGEST)
    return plain * (1 - SPREAD + 2 * SPREAD * jitter)
