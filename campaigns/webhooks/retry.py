"""When a call that came to nothing is made again, and when an endpoint is left alone (infobip.md §2.5)."""

from __future__ import annotations

from datetime import timedelta

MOST_RETRIES = 20
_MINUTE = timedelta(minutes=1)
# A receiver that fails three times in a row gets one call at a time, and rests between them.
_PATIENCE = 3
_LONGEST_REST = timedelta(minutes=30)
STOP_AFTER = 20
STOP_AFTER_TIME = timedelta(days=1)


def next_delay(attempts: int) -> timedelta | None:
    """How long after that many attempts the next one comes: 1, 2, 5, 10 … minutes; None after the last."""
    if attempts > MOST_RETRIES:
        return None
    return _MINUTE * (1 + (attempts - 1) ** 2)


def rest_after(failures: int) -> timedelta:
    """How long an endpoint is left alone after so many failures in a row; never longer than one call of it waits."""
    if failures < _PATIENCE:
        return timedelta(0)
    return min(_MINUTE * (1 + (failures - _PATIENCE) ** 2), _LONGEST_REST)
