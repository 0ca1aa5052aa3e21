"""Speed and hours of a campaign: the part of its form, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from campaigns.models import Account, Campaign, WindowZone
from campaigns.planning.pace import Estimate, Pace, campaign_window

_PARTS = ("max_per_hour", "window_start", "window_end", "window_zone", "hold_uncertain")


def _clock() -> forms.TimeInput:
    return forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class PaceFields(forms.Form):
    """How fast and when the mails leave; all of it may stay empty."""

    max_per_hour = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=10_000_000,
        label="Mails per hour",
        help_text="Empty: as fast as your account allows.",
    )
    window_start = forms.TimeField(required=False, label="Not before", widget=_clock())
    window_end = forms.TimeField(required=False, label="Not after", widget=_clock())
    window_zone = forms.ChoiceField(
        choices=WindowZone.choices,
        required=False,
        label="Whose clock",
        initial=WindowZone.ACCOUNT,
        widget=forms.RadioSelect,
        help_text="A reader's clock is known when their details hold a time_zone, such as America/New_York.",
    )
    hold_uncertain = forms.BooleanField(
        required=False,
        label="Ask before repeating",
        help_text="Once in a while nobody can tell whether a mail has left, because the connection broke at that very"
        " moment. Such a mail is sent again, unless you want to be asked first.",
    )

    def offer_clocks(self, account: Account) -> None:
        """Name the account's clock; called once the form knows its account."""
        field = self.fields["window_zone"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            (WindowZone.ACCOUNT, f"Ours ({_place(account)})"),
            (WindowZone.RECIPIENT, "Each reader's own where we know it, ours for everybody else"),
        ]

    @property
    def pace_is_open(self) -> bool:
        """Whether this part of the form shows something: a choice that was made, or what is wrong with it."""
        changed = [self[name].value() not in {None, "", False, WindowZone.ACCOUNT} for name in _PARTS]
        return any(changed) or any(self.errors.get(name) for name in _PARTS)

    def clean_window_start(self) -> time | None:
        return _to_the_minute(self.cleaned_data["window_start"])

    def clean_window_end(self) -> time | None:
        return _to_the_minute(self.cleaned_data["window_end"])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        ends = ("window_start", "window_end")
        if not any(name in self.errors for name in ends):
            start, end = (data.get(name) for name in ends)
            if (start is None) != (end is None):
                missing = ends[0] if start is None else ends[1]
                raise ValidationError({missing: "Give both times, or none."}, code="half")
            if start is not None and start == end:
                raise ValidationError({ends[1]: "This is the same time: nothing could ever leave."}, code="same")
        return data

    def pace(self) -> Pace:
        data = {name: self.cleaned_data.get(name) for name in _PARTS}
        return Pace(**data | {"window_zone": data["window_zone"] or WindowZone.ACCOUNT})


def initial_pace(campaign: Campaign) -> dict[str, Any]:
    """What the form starts with."""
    return {name: getattr(campaign, name) for name in _PARTS}


@dataclass(frozen=True, slots=True)
class PaceFact:
    """One line of what goes to whom."""

    label: str
    text: str
    hint: str = ""


def describe_pace(campaign: Campaign) -> list[PaceFact]:
    """What a person chose about speed and hours; nothing where nothing was chosen."""
    facts = []
    if campaign.max_per_hour:
        facts.append(PaceFact("Speed", f"At most {campaign.max_per_hour:,} an hour"))
    window = campaign_window(campaign)
    if window is not None:
        ours = _place(campaign.account)
        hint = f"Our clock ({ours})"
        if window.by_recipient:
            hint = f"Each reader's own clock; {ours} for people whose time zone we do not know"
        facts.append(PaceFact("Hours", f"{window.start:%H:%M} to {window.end:%H:%M}", hint))
    if campaign.hold_uncertain:
        facts.append(PaceFact("In doubt", "We ask you before a mail is repeated"))
    return facts


def say_estimate(guess: Estimate) -> str:
    """How long it takes, such as: At 5,000 an hour this takes about 9 hours and 40 minutes."""
    said = f"At {guess.per_hour:,} an hour this takes {_say_duration(guess.lasts)}."
    if guess.window is None or guess.days < 2:
        return said
    return f"{said} Within the hours you chose it goes out over {guess.days:,} days."


def _say_duration(lasts: timedelta) -> str:
    minutes = -(-lasts // timedelta(minutes=1))
    if minutes <= 1:
        return "about a minute"
    if minutes < 60:
        return f"about {minutes} minutes"
    # Nobody plans by the minute what takes hours.
    hours, minutes = divmod(round(minutes, -1), 60)
    if hours < 48:
        return _join("about", (hours, "hour"), (minutes, "minute"))
    return _join("about", (hours // 24, "day"), (hours % 24, "hour"))


def _join(lead: str, *parts: tuple[int, str]) -> str:
    said = " and ".join(f"{count:,} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count)
    return f"{lead} {said}"


def _place(account: Account) -> str:
    return account.time_zone.replace("_", " ")


def _to_the_minute(at: time | None) -> time | None:
    return at.replace(second=0, microsecond=0) if at else None
