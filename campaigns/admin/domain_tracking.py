"""Opens and clicks of the mail of one domain: a small page of its own beside the domain's."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from campaigns.admin.tracking_words import LevelField
from campaigns.models import Domain, UnsubscribeLevel


class DomainTrackingForm(forms.Form):
    """The switches of a domain; they can only lower what the account allows."""

    tracking = LevelField(inherit="As the account says", label="Opens and clicks")
    track_opens = forms.BooleanField(required=False, label="Count opens, by a picture of one pixel")
    track_clicks = forms.BooleanField(required=False, label="Count clicks, by links that lead through us")
    unsubscribe_level = forms.ChoiceField(
        choices=UnsubscribeLevel.choices,
        required=False,
        label="Who leaves mail that went to no list, leaves",
        help_text="Mail of programs goes to no list. Who left before stays where they are when you change this.",
    )


class Screen(Protocol):
    """The admin of domains, as far as this page needs it."""

    def find_object(self, request: HttpRequest, object_id: object) -> Any: ...
    def require_change(self, request: HttpRequest, obj: Model) -> None: ...
    def url_of(self, obj: Model | None = None, *, view: str = "change") -> str: ...
    def show_form(self, request: HttpRequest, form: forms.Form, act: Any, *, title: str, **context: Any) -> Any: ...


def show_tracking(screen: Screen, request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Show and change what mail from the domain finds out about its readers."""
    domain: Domain = screen.find_object(request, public_id)
    screen.require_change(request, domain)

    def save(given: dict[str, Any]) -> str:
        given["unsubscribe_level"] = given["unsubscribe_level"] or domain.unsubscribe_level
        Domain.objects.filter(pk=domain.pk).update(**given)
        messages.success(request, "Saved.")
        return screen.url_of(domain)

    initial = {"tracking": "" if domain.tracking is None else domain.tracking}
    initial |= {name: getattr(domain, name) for name in ("track_opens", "track_clicks", "unsubscribe_level")}
    form = DomainTrackingForm(request.POST or None, initial=initial)
    title = "Opens, clicks and leaving"
    response: HttpResponse = screen.show_form(request, form, save, title=title, obj=domain)
    return response
