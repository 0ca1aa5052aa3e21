"""When the person of a session last proved themselves by a second factor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

SESSION_KEY = "second_factor_at"
"""Seconds since 1970, a whole number."""


def find_moment(session: Mapping[str, Any]) -> datetime | None:
    """The moment of the session's second factor, None for never or for what is no moment."""
    seconds = session.get(SESSION_KEY)
    return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int and seconds > 0 else None
