"""The plan by which a new sending domain earns its reputation: a few more mails every day."""

from __future__ import annotations

from datetime import date

# Mails on the first day, the second, and so on.
PLAN = (50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200, 102_400)


def daily_cap(started_on: date, *, today: date) -> int | None:
    """How many mails may leave on this day of the plan; None before it begins and when it is over."""
    day = (today - started_on).days
    return PLAN[day] if 0 <= day < len(PLAN) else None
