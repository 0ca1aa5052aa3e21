"""What an account lets its mail find out about readers: fields of its page."""

from __future__ import annotations

from typing import Any

from django import forms

from campaigns.admin.scoping import AccountScopedForm
from campaigns.admin.tracking_words import LevelField

TRACKING_FIELDS = ("tracking", "tracking_transactional", "tracking_needs_consent")


class TrackingForm(AccountScopedForm):
    """The most that any mail of the account does; domains, campaigns, lists and people can only lower it."""

    tracking = LevelField(
        label="Marketing",
        help_text="The most that any mail does. Domains, campaigns, lists and readers can only lower it.",
    )
    tracking_transactional = LevelField(
        label="Transactional mail", help_text="Such mail often holds links for signing in, which are best left alone."
    )
    tracking_needs_consent = forms.BooleanField(
        required=False,
        label="Know only readers who agreed",
        help_text="In the European Union, following what a person opens needs their agreement first; everybody else is"
        " counted without a name. Untick it only where the law of your readers allows that.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A new account starts careful.
        if self.instance.pk is None:
            for name in TRACKING_FIELDS:
                del self.fields[name]

    def clean_tracking(self) -> int:
        return self._or_as_it_is("tracking")

    def clean_tracking_transactional(self) -> int:
        return self._or_as_it_is("tracking_transactional")

    def _or_as_it_is(self, name: str) -> int:
        given: int | None = self.cleaned_data[name]
        kept: int = getattr(self.instance, name)
        return kept if given is None else given
