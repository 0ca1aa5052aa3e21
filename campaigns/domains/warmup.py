"""Warming up a new domain: mailbox providers trust a sender whose volume grows over weeks, not at once."""

from __future__ import annotations

from datetime import date

# Mails on the first day, the second, and so on: the moderate one of the schedules Braze publishes, for most senders
# (braze.com/docs/user_guide/message_building_by_channel/email/email_setup/ip_warming, "IP warming schedules").
PLAN = (
    50, 100, 500, 1_000, 2_000, 4_000, 8_000,
    16_000, 25_000, 35_000, 50_000, 75_000, 100_000, 150_000,
    200_000, 275_000, 375_000, 500_000, 650_000, 825_000, 1_000_000,
)  # fmt: skip


def daily_cap(started_on: date, *, today: date) -> int | None:
    """How many mails may leave on this day of the plan; None before it begins and when it is over."""
    day = (today - started_on).days
    return PLAN[day] if 0 <= day < len(PLAN) else None
