"""Opens and clicks in a marketer's words: one set of choices for account, domain, campaign, list and person."""

from __future__ import annotations

from typing import Any

from django import forms

from campaigns.models import TrackingLevel

LEVELS = (
    (TrackingLevel.OFF, "Not at all: no picture, links as they are"),
    (TrackingLevel.AGGREGATE, "Counted without names: how many, never who"),
    (TrackingLevel.INDIVIDUAL, "For each reader who allows it"),
)
SHORT = {
    TrackingLevel.OFF: "Not counted",
    TrackingLevel.AGGREGATE: "Counted without names",
    TrackingLevel.INDIVIDUAL: "For each reader who allows it",
}


class LevelField(forms.TypedChoiceField):
    """A level; empty leaves it to what stands above, or as it is where nothing does."""

    def __init__(self, *, inherit: str = "", **kwargs: Any) -> None:
        first = [("", inherit)] if inherit else []
        super().__init__(
            choices=[*first, *LEVELS],
            coerce=lambda value: TrackingLevel(int(value)),
            empty_value=None,
            required=False,
            widget=forms.RadioSelect,
            **kwargs,
        )


def say_level(level: int | None) -> str:
    """A level in short words; a dash for none."""
    return SHORT[TrackingLevel(level)] if level is not None else "–"
