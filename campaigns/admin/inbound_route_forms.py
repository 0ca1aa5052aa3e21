"""What a person enters about an inbound address."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.inbound.routes import Wish
from campaigns.models import Account, Domain, InboundRoute, RouteAction, WebhookEndpoint, WebhookKind

_ACTIONS = {
    RouteAction.STORE: "It waits in the inbox, for you and your colleagues.",
    RouteAction.WEBHOOK: "One of your webhooks gets it, with its texts and files, in a signed call.",
    RouteAction.FORWARD: "It goes on to a mailbox of yours. Answers go to whoever wrote it.",
}


def _explained(label: str, gloss: str) -> SafeString:
    return format_html('<span>{}<span class="cell-sub">{}</span></span>', label, gloss)


class _DomainField(forms.ModelChoiceField):  # type: ignore[type-arg]
    def label_from_instance(self, obj: Any) -> str:
        return f"@{obj.name}"


class RouteForm(forms.Form):
    """Which addresses, and what happens with their mail; domains and webhooks of these accounts."""

    pattern = forms.CharField(
        label="Before the @",
        max_length=64,
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
        help_text="A name such as support; a beginning such as sales-*; or * for every address nobody else takes.",
    )
    domain = _DomainField(queryset=Domain.objects.none(), empty_label="Choose a domain")
    action = forms.ChoiceField(
        label="What happens with the mail",
        widget=forms.RadioSelect,
        choices=[(action.value, _explained(str(action.label), gloss)) for action, gloss in _ACTIONS.items()],
        initial=RouteAction.STORE,
    )
    endpoint = forms.ModelChoiceField(
        label="Webhook",
        queryset=WebhookEndpoint.objects.none(),
        required=False,
        empty_label="Choose a webhook",
        help_text="Those that are ticked for “Mail that arrives”.",
    )
    forward_to = forms.CharField(
        label="Forward to",
        max_length=254,
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="It comes from the address above, because otherwise receivers would take it for a forgery.",
    )
    keeps = forms.BooleanField(
        label="Keep a copy in the inbox",
        required=False,
        initial=True,
        help_text="For mail that is handed on or forwarded.",
    )
    is_active = forms.BooleanField(label="Take mail", required=False, initial=True)

    def __init__(self, *args: Any, accounts: QuerySet[Account], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        domains = Domain.objects.filter(account__in=accounts, verified_at__isnull=False).order_by("name")
        endpoints = WebhookEndpoint.objects.filter(account__in=accounts, is_of_requests=False)
        wanting = [endpoint.pk for endpoint in endpoints if endpoint.wants(WebhookKind.INBOUND)]
        self.fields["domain"].queryset = domains  # type: ignore[attr-defined]
        self.fields["endpoint"].queryset = endpoints.filter(pk__in=wanting)  # type: ignore[attr-defined]

    def wish(self) -> Wish:
        """What was entered, for the room."""
        given = self.cleaned_data
        return Wish(
            domain=given["domain"],
            pattern=given["pattern"],
            action=RouteAction(given["action"]),
            endpoint=given["endpoint"],
            forward_to=given["forward_to"],
            keeps=given["keeps"],
            is_active=given["is_active"],
        )


def shown_values(route: InboundRoute) -> dict[str, Any]:
    """What the form of a route begins with."""
    names = ("domain", "pattern", "action", "endpoint", "forward_to", "keeps", "is_active")
    return {name: getattr(route, name) for name in names}


class TryForm(forms.Form):
    """An address somebody wonders about."""

    address = forms.CharField(
        label="Who gets mail to", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
