"""Times as programs write them to each other."""

from __future__ import annotations

from datetime import UTC, datetime


def write_time(at: datetime | None) -> str | None:
    """`2025-12-01T12:00:00.000+0000`, in UTC; None stays None."""
    if at is None:
        return None
    moment = at.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"
