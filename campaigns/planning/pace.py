"""How fast and when the mails of a campaign leave, and what that means before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from math import ceil
from zoneinfo import ZoneInfo

from campaigns.domains import warmup
from campaigns.models import Campaign, Transport, WindowZone
from campaigns.outbox.windows import SendWindow, valid_for
from compliance.facts import Finding

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """What a person chooses; the names are those of the campaign's columns."""

    max_per_hour: int | None = None
    window_start: time | None = None
    window_end: time | None = None
    window_zone: str = WindowZone.ACCOUNT
    hold_uncertain: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long a campaign takes when nothing goes wrong: `lasts` counts only hours in which it may send."""

    per_hour: int
    lasts: timedelta
    window: SendWindow | None

    @property
    def days(self) -> int:
        """On how many days it sends."""
        return ceil(self.lasts / (self.window.length if self.window else _DAY)) or 1

    @property
    def is_in_time(self) -> bool:
        """Whether the last mail leaves before the first ones would be given up."""
        open_share = self.window.length / _DAY if self.window else 1.0
        return self.lasts <= valid_for(self.window) * open_share


def campaign_window(campaign: Campaign) -> SendWindow | None:
    """The hours in which a campaign may send; None for all, and while its two times say nothing (see check_window)."""
    start, end = campaign.window_start, campaign.window_end
    if start is None or end is None or check_window(campaign):
        return None
    return SendWindow(start, end, campaign.window_zone)


def check_window(campaign: Campaign) -> list[Finding]:
    """What is wrong with the hours of a campaign."""
    start, end = campaign.window_start, campaign.window_end
    same = start is not None and end is not None and (start.hour, start.minute) == (end.hour, end.minute)
    if not same and (start is None) == (end is None):
        return []
    text = "The hours for sending begin and end at the same time." if same else "The hours for sending are half given."
    return [Finding("campaign.window-empty", text, "Choose two times that differ, or none.")]


def estimate(campaign: Campaign, *, transport: Transport | None, people: int) -> Estimate | None:
    """How long mail to so many people takes by the narrowest limit there is; None without any limit."""
    rates: list[float] = [per_second * 3600 for per_second in _per_second(campaign, transport) if per_second]
    if campaign.max_per_hour:
        rates.append(campaign.max_per_hour)
    if not rates:
        return None
    return Estimate(max(round(min(rates)), 1), timedelta(hours=people / min(rates)), campaign_window(campaign))


def note_pace(campaign: Campaign, *, transport: Transport | None, people: int, now: datetime) -> list[Finding]:
    """What a person should know about speed and hours before they send; none of it stops the campaign."""
    notes = []
    guess = estimate(campaign, transport=transport, people=people)
    if guess is not None and not guess.is_in_time:
        notes.append(
            Finding(
                "campaign.too-slow",
                f"At {guess.per_hour:,} an hour this mail cannot reach everybody in time:"
                " what still waits after that is not sent any more.",
                "Allow more an hour, or more hours a day, or write to fewer people.",
            )
        )
    return notes + _note_warmup(campaign, people=people, now=now)


def _per_second(campaign: Campaign, transport: Transport | None) -> list[float | None]:
    return [
        campaign.account.max_per_second,
        transport.max_per_second if transport else None,
        campaign.sender.domain.max_per_second if campaign.sender else None,
    ]


def _note_warmup(campaign: Campaign, *, people: int, now: datetime) -> list[Finding]:
    domain = campaign.sender.domain if campaign.sender else None
    if domain is None or domain.warmup_started_on is None:
        return []
    today = now.astimezone(ZoneInfo(campaign.account.time_zone)).date()
    caps = _caps(domain.warmup_started_on, today=today, days=valid_for(campaign_window(campaign)) // _DAY)
    if not caps or people <= caps[0]:
        return []
    if people > sum(caps):
        return [
            Finding(
                "campaign.warm-up-too-slow",
                f"{domain.name} is being warmed up: only about {sum(caps):,} of these mails can leave in time.",
                "Write to fewer people first, or wait until the domain may send more.",
            )
        ]
    text = f"{domain.name} is being warmed up: at most {caps[0]:,} mails leave today, the others on the next days."
    return [Finding("campaign.warm-up", text, "")]


def _caps(started_on: date, *, today: date, days: int) -> list[int]:
    """The caps of the coming days up to the first one without; [] when there is none within the days."""
    caps = [warmup.daily_cap(started_on, today=today + number * _DAY) for number in range(days)]
    return [] if None in caps else [cap for cap in caps if cap is not None]
