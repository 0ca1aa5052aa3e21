"""What an operator enters about a webhook; its secret is made by us, and a password is written only."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.admin.pages import AccountForm
from campaigns.models import WebhookEndpoint, WebhookFormat, WebhookKind, WebhookSecurity
from campaigns.webhooks.endpoints import LONGEST_URL, MOST_PER_REQUEST, Config, Wish
from campaigns.webhooks.signing import ALGORITHMS

_KINDS = {
    WebhookKind.DELIVERY: "What became of each mail: arrived, came back, was refused.",
    WebhookKind.INTERMEDIATE: "Also what happens before: handed over, put off.",
    WebhookKind.OPENED: "Somebody opened a mail; machines are left out.",
    WebhookKind.CLICKED: "Somebody followed a link.",
    WebhookKind.UNSUBSCRIBED: "Somebody wants no more mail.",
    WebhookKind.COMPLAINED: "Somebody called a mail spam.",
    WebhookKind.LATE_BOUNCE: "A mail came back after it had arrived.",
    WebhookKind.BOUNCE_RATE_WARNING: "Many mails of a campaign come back.",
    WebhookKind.BOUNCE_RATE_BLOCKED: "So many came back that the campaign stopped.",
    WebhookKind.INBOUND: "Mail to your inbound addresses that hand it to this webhook, with its files.",
}
_SECURITY = {
    WebhookSecurity.STANDARD: "By standardwebhooks.com; there are libraries for most languages.",
    WebhookSecurity.HMAC: "A header that a few lines of code can check.",
    WebhookSecurity.BASIC: "We sign in with what you enter below.",
    WebhookSecurity.NONE: "Anybody who knows the address could pretend to be us.",
}
_PERIODS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=30),
}


def _explained(label: str, gloss: str) -> SafeString:
    return format_html('<span>{}<span class="cell-sub">{}</span></span>', label, gloss)


class EndpointForm(forms.Form):
    """Where to, what about, and how we prove who we are."""

    name = forms.CharField(max_length=80, help_text="For yourselves, such as “Shop backend”.")
    url = forms.CharField(
        label="Address",
        max_length=LONGEST_URL,
        widget=forms.TextInput(attrs={"inputmode": "url", "spellcheck": "false"}),
        help_text="Where your program listens, such as https://hooks.example.com/email.",
    )
    kinds = forms.MultipleChoiceField(
        label="Tell it about",
        widget=forms.CheckboxSelectMultiple,
        choices=[(int(kind), _explained(str(kind.label), gloss)) for kind, gloss in _KINDS.items()],
        initial=[int(WebhookKind.DELIVERY)],
    )
    security = forms.ChoiceField(
        label="How it knows that we are calling",
        widget=forms.RadioSelect,
        choices=[(kind.value, _explained(str(kind.label), gloss)) for kind, gloss in _SECURITY.items()],
        initial=WebhookSecurity.STANDARD,
    )
    algorithm = forms.ChoiceField(
        label="Algorithm of the HMAC", choices=[(name, name.replace("_", "-")) for name in ALGORITHMS], required=False
    )
    username = forms.CharField(max_length=200, required=False, help_text="Only for user name and password.")
    password = forms.CharField(
        max_length=200, required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    form = forms.ChoiceField(
        label="Delivery reports as", choices=WebhookFormat.choices, help_text="Everything else is always JSON."
    )
    max_bucket = forms.IntegerField(
        label="Delivery reports in one call, at most", min_value=1, max_value=MOST_PER_REQUEST, initial=200
    )

    def wish(self) -> Wish:
        """What was entered, for the room."""
        given = self.cleaned_data
        return Wish(
            name=given["name"],
            url=given["url"],
            kinds=[WebhookKind(int(kind)) for kind in given["kinds"]],
            form=WebhookFormat(given["form"]),
            security=WebhookSecurity(given["security"]),
            algorithm=given["algorithm"] or "SHA_256",
            username=given["username"],
            password=given["password"],
            max_bucket=given["max_bucket"],
        )


class NewEndpointForm(EndpointForm, AccountForm):
    """A webhook that is not there yet."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields(["account", "name"])


def shown_values(endpoint: WebhookEndpoint, config: Config) -> dict[str, Any]:
    """What the form of an endpoint begins with: everything but secrets."""
    return {
        "name": endpoint.name,
        "url": config.url,
        "kinds": [int(kind) for kind in WebhookKind if endpoint.wants(kind)],
        "security": endpoint.security,
        "algorithm": config.algorithm,
        "username": config.username,
        "form": endpoint.format,
        "max_bucket": endpoint.max_bucket,
    }


class ReplayForm(forms.Form):
    """How far back."""

    period = forms.ChoiceField(
        label="Given up during",
        choices=[
            ("hour", "the last hour"), ("day", "the last day"), ("week", "the last 7 days"), ("month", "the last 30 days"),
        ],
        initial="day",
    )  # fmt: skip

    def length(self) -> timedelta:
        return _PERIODS[self.cleaned_data["period"]]
