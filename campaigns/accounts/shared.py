"""What web processes share for a moment: Redis where there is one; this process's memory where there is none or it is down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

try:
    from redis.exceptions import RedisError
except ImportError:  # only installations with Redis have its library

    class RedisError(Exception):  # type: ignore[no-redef]
        """Never raised."""


log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
_PAUSE = 5.0  # seconds
_asked_again_at = 0.0


def ask(shared: Callable[[], _Answer], *, otherwise: Callable[[], _Answer]) -> _Answer:
    """The answer of what all share, or the other one for some seconds after it did not answer.

    A request must not fail, nor wait each time anew, because a counter cannot be reached.
    """
    global _asked_again_at  # noqa: PLW0603 - one outage for the whole process
    if time.monotonic() < _asked_again_at:
        return otherwise()
    try:
        return shared()
    except RedisError as error:
        _asked_again_at = time.monotonic() + _PAUSE
        log.error(  # noqa: TRY400 - the way through the library tells nothing more
            "Redis does not answer (%s): limits and lock-outs count in each process for itself.", type(error).__name__
        )
        return otherwise()
