"""What one person allows to be known of their opens and clicks, as it is shown and written down on their page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms

from campaigns.admin.tracking_words import LevelField
from campaigns.audiences.choices import choose_tracking, forget_choice
from campaigns.models import Contact, TrackingChoice, TrackingLevel

_WORDS = {
    TrackingLevel.OFF: "Wants nothing of it counted",
    TrackingLevel.AGGREGATE: "May be counted, without a name",
    TrackingLevel.INDIVIDUAL: "Agreed to be known by what they open and click",
}
_UNASKED = "Was not asked: counted without a name, at most"


class ChoiceForm(forms.Form):
    """What the person said, and where; empty as if they had never been asked."""

    level = LevelField(inherit=_UNASKED, label="What they said")
    source = forms.CharField(label="Where", max_length=200, required=False, help_text="Such as “by phone, 3 March”.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["level"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _UNASKED), *_WORDS.items()]


def show_choice(contact: Contact, *, url: str) -> dict[str, Any]:
    """What the person's page needs to show."""
    choice = TrackingChoice.objects.filter(account=contact.account_id, address_key=contact.address_key).first()
    level = "" if choice is None else choice.level
    return {
        "choice": choice,
        "choice_words": _WORDS[TrackingLevel(choice.level)] if choice else _UNASKED,
        "tracking_form": ChoiceForm(initial={"level": level}),
        "tracking_url": url,
    }


def save_choice(contact: Contact, given: Mapping[str, Any], *, by: str, now: datetime) -> bool:
    """Keep what was said; False when it does not say anything."""
    form = ChoiceForm(given)
    if not form.is_valid():
        return False
    level, source = form.cleaned_data["level"], form.cleaned_data["source"] or f"Written down by {by}"
    key = contact.address_key
    if level is None:
        forget_choice(contact.account_id, address_key=key)
    else:
        choose_tracking(contact.account_id, address_key=key, level=level, now=now, source=source)
    return True
