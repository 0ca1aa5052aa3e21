"""Opens and clicks of a campaign: the part of its form, and the words for it."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from campaigns.admin.campaign_pace import PaceFact
from campaigns.admin.tracking_words import LEVELS, LevelField, say_level
from campaigns.models import Account, BaaStatus, Campaign, PixelPosition, TrackingLevel
from campaigns.outbox import levels
from campaigns.planning.tracking import Tracking

_UTM = ("utm_source", "utm_medium", "utm_campaign", "utm_content")
_PARTS = ("tracking", "track_opens", "track_clicks", "pixel_position", *_UTM)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]").search


def _utm(label: str, example: str) -> forms.CharField:
    return forms.CharField(required=False, max_length=100, label=label, help_text=f"Such as {example}.")


class TrackingFields(forms.Form):
    """What of the readers' opens and clicks is counted; all of it may stay as it is."""

    tracking = LevelField(inherit="As the account says", label="Opens and clicks")
    track_opens = forms.BooleanField(required=False, initial=True, label="Count opens, by a picture of one pixel")
    track_clicks = forms.BooleanField(required=False, initial=True, label="Count clicks, by links that lead through us")
    pixel_position = forms.ChoiceField(
        choices=PixelPosition.choices,
        initial=PixelPosition.TOP,
        required=False,
        label="Where the picture stands",
        help_text="At the top it is asked for even when a mailbox shows only the beginning of a long mail.",
    )
    utm_source = _utm("Source", "newsletter")
    utm_medium = _utm("Medium", "email")
    utm_campaign = _utm("Campaign", "spring-2027")
    utm_content = _utm("Content", "first-version")

    def offer_levels(self, account: Account) -> None:
        """Say what the account's own choice is; called once the form knows its account."""
        field = self.fields["tracking"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", f"As the account says ({say_level(account.tracking).lower()})"), *LEVELS]

    @property
    def tracking_is_open(self) -> bool:
        """Whether this part of the form shows something: a choice that was made, or what is wrong with it."""
        ordinary = {"track_opens": True, "track_clicks": True, "pixel_position": PixelPosition.TOP}
        changed = [(self[name].value() or "") not in {"", ordinary.get(name, "")} for name in _PARTS]
        unticked = any(self[name].value() in {False, None} for name in ("track_opens", "track_clicks"))
        return any(changed) or unticked or any(self.errors.get(name) for name in _PARTS)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in _UTM:
            if _UNPRINTABLE(data.get(name) or ""):
                raise ValidationError({name: "Write it on one line, without control characters."}, code="control")
        return data

    def chosen_tracking(self) -> Tracking:
        data = {name: self.cleaned_data.get(name) for name in _PARTS}
        return Tracking(**data | {"pixel_position": data["pixel_position"] or PixelPosition.TOP})


def initial_tracking(campaign: Campaign) -> dict[str, Any]:
    """What the form starts with."""
    return {name: getattr(campaign, name) for name in _PARTS} | {
        "tracking": "" if campaign.tracking is None else campaign.tracking
    }


def describe_tracking(campaign: Campaign) -> list[PaceFact]:
    """What is counted of this campaign's readers, and what is added to its links."""
    facts = [PaceFact("Opens and clicks", *_say(campaign))]
    utm = [f"{name.removeprefix('utm_')} {value}" for name in _UTM if (value := getattr(campaign, name))]
    if utm:
        facts.append(PaceFact("Added to links", ", ".join(utm), "For the statistics of your web site (UTM)"))
    return facts


def _say(campaign: Campaign) -> tuple[str, str]:
    if campaign.account.baa_status != BaaStatus.NONE:
        return "Not counted", "Never under an agreement that protects health information"
    what = [word for word, is_on in (("opens", campaign.track_opens), ("clicks", campaign.track_clicks)) if is_on]
    level = levels.ceiling(levels.campaign_switches(campaign))
    if level == TrackingLevel.OFF or not what:
        return "Not counted", ""
    hint = "" if len(what) == 2 else f"Only {what[0]}"
    if level == TrackingLevel.INDIVIDUAL and campaign.account.tracking_needs_consent:
        hint = f"{hint}. Others are counted without names".removeprefix(". ")
    return say_level(level), hint
