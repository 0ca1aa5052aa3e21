"""Send windows: the hours of a day in which mail may leave, by the account's clock or the reader's.

One rule for the two odd nights of a year, the same as for scheduled times (evil input 20): a time the clocks skip moves
forward by the skipped hour, a time that comes twice means its first coming. So a window opens once a day, never twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from campaigns.models import WindowZone

# The name under which a contact may carry an IANA time zone, such as America/New_York.
ZONE_ATTRIBUTE = "time_zone"

VALID_FOR = timedelta(hours=48)
# News older than that is no news, however short its window.
_LONGEST = timedelta(days=14)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SendWindow:
    """From `start` until before `end` on a wall clock, over midnight when the end is the earlier one; never equal."""

    start: time
    end: time
    zone: str = WindowZone.ACCOUNT

    def __post_init__(self) -> None:
        if not self.length:
            raise ValueError("a send window needs a length")

    @property
    def length(self) -> timedelta:
        """How long it is open on a day on which no clock changes."""
        start, end = (timedelta(hours=at.hour, minutes=at.minute) for at in (self.start, self.end))
        return (end - start) % _DAY

    @property
    def by_recipient(self) -> bool:
        return self.zone == WindowZone.RECIPIENT

    def as_option(self) -> dict[str, str]:
        """The form a submission keeps it in."""
        return {"start": f"{self.start:%H:%M}", "end": f"{self.end:%H:%M}", "zone": str(self.zone)}


@dataclass(frozen=True, slots=True)
class WeekWindow:
    """Days of the week (Monday is 0) and hours of them, in UTC, in which the mails of an API request may leave.

    Without hours the whole day; over midnight when the end is the earlier one.
    """

    days: tuple[int, ...]
    start: time = time.min
    end: time = time.min

    def opens_at(self, now: datetime) -> datetime | None:
        """When it opens next; None while it is open."""
        today = now.astimezone(UTC).date()
        length = (datetime.combine(today, self.end) - datetime.combine(today, self.start)) % _DAY or _DAY
        for days in range(-1, 9):
            opens = datetime.combine(today + days * _DAY, self.start, UTC)
            if opens.weekday() in self.days and now < opens + length:
                return None if opens <= now else opens
        raise AssertionError("a week has every day")

    def as_option(self) -> dict[str, Any]:
        """The form a submission keeps it in."""
        return {"days": list(self.days), "start": f"{self.start:%H:%M}", "end": f"{self.end:%H:%M}"}


def read_week(options: Mapping[str, Any]) -> WeekWindow | None:
    """The days and hours in the options of an API request; None when its mails may leave at any time."""
    if not (kept := options.get("week")):
        return None
    return WeekWindow(tuple(kept["days"]), time.fromisoformat(kept["start"]), time.fromisoformat(kept["end"]))


def read_window(options: Mapping[str, Any]) -> SendWindow | None:
    """The window in the options of a submission; None when it may send at any hour."""
    kept = options.get("window")
    if not kept:
        return None
    return SendWindow(time.fromisoformat(kept["start"]), time.fromisoformat(kept["end"]), kept["zone"])


def opens_at(window: SendWindow, *, zone: str, now: datetime) -> datetime | None:
    """When the window opens next on the clock of an IANA zone; None while it is open."""
    place = ZoneInfo(zone)
    today = now.astimezone(place).date()
    for days in (-1, 0, 1, 2):
        opens, closes = _open_on(window, today + days * _DAY, place)
        if now < closes:
            return None if opens <= now else opens
    raise AssertionError("a window opens every day")


def later(window: SendWindow, *, zones: Sequence[str], now: datetime) -> list[datetime | None]:
    """For each zone: None = mail may leave now, else when."""
    known = {zone: opens_at(window, zone=zone, now=now) for zone in set(zones)}
    return [known[zone] for zone in zones]


def zone_of(attributes: Mapping[str, Any] | None, *, fallback: str) -> str:
    """The zone a contact carries, or the account's when it carries none that exists (evil input 21)."""
    name = str((attributes or {}).get(ZONE_ATTRIBUTE, "")).strip()
    return name if name in _known_zones() else fallback


def valid_for(window: SendWindow | None) -> timedelta:
    """How long the messages of a submission may try: two days, of which only the hours in the window count."""
    if window is None:
        return VALID_FOR
    return min(VALID_FOR * (_DAY / window.length), _LONGEST)


def moment(day: date, at: time, *, place: ZoneInfo) -> datetime:
    """The UTC moment a wall clock shows this, by the rule of the two odd nights."""
    return datetime.combine(day, at, place).astimezone(UTC)


def _open_on(window: SendWindow, day: date, place: ZoneInfo) -> tuple[datetime, datetime]:
    last_day = day if window.start < window.end else day + _DAY
    opens, closes = moment(day, window.start, place=place), moment(last_day, window.end, place=place)
    # A start in the skipped hour has moved behind an end that has not: the whole window moves.
    return opens, closes if opens < closes else opens + window.length


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())
