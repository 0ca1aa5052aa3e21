"""What web processes share for a moment: Redis where there is one; this process's memory where there is none or it is down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

try:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
    from redis.retry import Retry
except ImportError:  # only installations with Redis have its library

    class RedisError(Exception):  # type: ignore[no-redef]
        """Never raised."""


log = logging.getLogger(__name__)

_Answer = TypeVar("_Answer")
_PAUSE = 5.0  # seconds
# A counter that takes longer costs a request more than it is worth.
_PATIENCE = 1.0  # seconds
_asked_again_at = 0.0


@lru_cache(maxsize=4)
def connect(url: str) -> Redis:
    """The client of a Redis, with connections for all threads; it neither waits long nor tries often."""
    return Redis.from_url(
        url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE, retry=Retry(NoBackoff(), retries=1)
    )


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
