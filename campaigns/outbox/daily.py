"""The daily cap of a sender domain that is being warmed up, counted over all its campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from campaigns.domains import warmup
from campaigns.models import Account, DayCount, Domain
from campaigns.outbox import windows


@dataclass(frozen=True, slots=True)
class DailyCap:
    """The warm-up plan of one domain; its days are those of the account's clock."""

    key: str
    domain: str
    started_on: date
    place: ZoneInfo

    def today(self, now: datetime) -> date:
        return now.astimezone(self.place).date()

    def next_day(self, day: date) -> datetime:
        """The moment the day after this one begins."""
        return windows.moment(day + timedelta(days=1), time.min, place=self.place)

    def lock(self, day: date) -> DayCount:
        """The count of that day, for the rest of the transaction this worker's alone."""
        names = {"key": self.key, "day": day}
        while (found := DayCount.objects.select_for_update().filter(**names).first()) is None:
            DayCount.objects.bulk_create([DayCount(**names)], ignore_conflicts=True)
        return found

    def left(self, count: DayCount) -> int | None:
        """How many more may leave that day; None when the warm-up is over or has not begun."""
        cap = warmup.daily_cap(self.started_on, today=count.day)
        return None if cap is None else max(cap - count.used, 0)

    def explain(self, day: date) -> str:
        cap = warmup.daily_cap(self.started_on, today=day) or 0
        return f"Today's {cap:,} mails of {self.domain} are used: the domain is being warmed up."


def open_cap(domain: Domain, *, account: Account) -> DailyCap | None:
    """The cap of a domain with a warm-up plan."""
    if domain.warmup_started_on is None:
        return None
    return DailyCap(f"domain:{domain.pk}", domain.name, domain.warmup_started_on, ZoneInfo(account.time_zone))


def add_to(count: DayCount, number: int) -> None:
    """Move a locked count; never below 0."""
    DayCount.objects.filter(pk=count.pk).update(used=max(count.used + number, 0))
