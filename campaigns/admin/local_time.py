"""Times as people write them: a wall clock in the account's zone, shown with what it means in UTC.

The one rule for the two odd hours of a year (evil input 20): a time the clocks skip moves forward by the skipped
hour, a time that comes twice means its first coming. Both are said before anybody confirms.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

SHOWN = "%A, %-d %B %Y, %H:%M"


@dataclass(frozen=True, slots=True)
class WallTime:
    """One moment with its local face; `note` is empty unless the clocks change there."""

    at: datetime
    zone: str
    note: str = ""

    @property
    def local(self) -> str:
        return f"{self.at.astimezone(ZoneInfo(self.zone)):{SHOWN}}"

    @property
    def short(self) -> str:
        return f"{self.at.astimezone(ZoneInfo(self.zone)):%-d %b %Y, %H:%M}"

    @property
    def utc(self) -> str:
        return f"{self.at.astimezone(UTC):{SHOWN}}"


def read_wall_time(written: datetime, *, zone: str) -> WallTime:
    """The moment a naive wall-clock time means in a zone."""
    place = ZoneInfo(zone)
    first, second = (written.replace(tzinfo=place, fold=fold) for fold in (0, 1))
    at = first.astimezone(UTC)
    real = at.astimezone(place)
    if real.replace(tzinfo=None) != written:
        note = f"{written:%H:%M} does not exist on this day: the clocks go forward. It becomes {real:%H:%M}."
    elif first.utcoffset() != second.utcoffset():
        note = f"{written:%H:%M} comes twice on this day: the clocks go back. The first one is meant."
    else:
        note = ""
    return WallTime(at, zone, note)
