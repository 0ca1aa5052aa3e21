"""What each kind of way to send wants to know, in operators' words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms

from campaigns.admin.pages import AccountForm
from campaigns.delivery.anymail_kinds import PROVIDERS, Credential, Provider
from campaigns.delivery.base import MOST_UNANSWERED
from campaigns.delivery.infobip import MAILS_PER_REQUEST, MOST_MAILS_PER_REQUEST
from campaigns.delivery.smtp_relay import Tls
from campaigns.errors import CampaignError
from campaigns.net.destinations import check_base_url

_TLS_WORDS = {
    Tls.STARTTLS: "Encrypted after greeting (STARTTLS, usual on port 587)",
    Tls.IMPLICIT: "Encrypted from the start (usual on port 465)",
    Tls.NONE: "Not encrypted (only on your own machine or network)",
}
_KEPT = "Kept encrypted and never shown again."
_STORED = "Stored, and never shown. Leave empty to keep it."
_TRACKING = "It rewrites the links of your mails and adds a picture nobody sees."


@dataclass(frozen=True, slots=True)
class Spec:
    """The settings of a kind. `secrets` says for each whether it is needed; `home` is the field they belong to."""

    fields: Callable[[], dict[str, forms.Field]]
    secrets: Mapping[str, bool] = field(default_factory=dict)
    home: str = ""


class BaseUrlField(forms.CharField):
    """An address we may send requests to; where it leads is judged again with every request."""

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        try:
            return check_base_url(text) if text else ""
        except CampaignError as error:
            raise forms.ValidationError(f"{error.safe_text} {error.action}") from error


def _secret(label: str, *, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=f"{help_text} {_KEPT}".strip(),
    )


def _connections() -> forms.IntegerField:
    return forms.IntegerField(
        label="Connections",
        min_value=1,
        max_value=100,
        initial=10,
        help_text="How many are open at the same time. More are faster, until the other side minds.",
    )


def _relay_fields() -> dict[str, forms.Field]:
    return {
        "host": forms.CharField(label="Mail server", max_length=253, help_text="Such as smtp.example.org."),
        "port": forms.IntegerField(min_value=1, max_value=65535, initial=587),
        "tls": forms.ChoiceField(label="Encryption", choices=list(_TLS_WORDS.items())),
        "username": forms.CharField(label="User name", max_length=200, required=False),
        "password": _secret("Password"),
        "connections": _connections(),
    }


def _infobip_fields() -> dict[str, forms.Field]:
    return {
        "base_url": BaseUrlField(
            label="Base URL",
            max_length=200,
            help_text="On the home page of your Infobip account, such as https://abc123.api.infobip.com.",
        ),
        "api_key": _secret("API key", help_text="It needs the right to send email."),
        "tracking": forms.BooleanField(label="Let Infobip count opens and clicks", required=False, help_text=_TRACKING),
        "mails_per_request": forms.IntegerField(
            label="Mails in one request",
            min_value=1,
            max_value=MOST_MAILS_PER_REQUEST,
            initial=MAILS_PER_REQUEST,
            help_text="When an answer gets lost, so many mails are asked about again; Infobip recognises them."
            f" With many connections fewer go in each: at most {MOST_UNANSWERED:,} mails are on their way at once.",
        ),
        "connections": _connections(),
    }


def _provider_spec(provider: Provider) -> Spec:
    def make() -> dict[str, forms.Field]:
        found: dict[str, forms.Field] = {entry.name: _credential(entry) for entry in provider.credentials}
        if provider.signing:
            text = "From the provider's page for webhooks. Without it its reports are not taken."
            found[provider.signing] = _secret("Signing key", help_text=text if provider.must_sign else "")
        if provider.tracks:
            found["tracking"] = forms.BooleanField(
                label=f"Let {provider.label} count opens and clicks", required=False, help_text=_TRACKING
            )
        found["api_url"] = BaseUrlField(
            label="Address of the API",
            max_length=200,
            required=False,
            help_text="Only if the provider gave you another than its usual one, as for accounts in the EU.",
        )
        return found | {"connections": _connections()}

    secrets = {entry.name: True for entry in provider.credentials if entry.is_secret}
    return Spec(make, {**secrets, **({provider.signing: False} if provider.signing else {})}, home="api_url")


def _credential(entry: Credential) -> forms.CharField:
    if entry.is_secret:
        return _secret(entry.label, help_text=entry.help)
    return forms.CharField(label=entry.label, max_length=200, help_text=entry.help)


SPECS: dict[str, Spec] = {
    "sandbox": Spec(dict),
    "smtp": Spec(_relay_fields, {"password": False}, home="host"),
    "infobip": Spec(_infobip_fields, {"api_key": True}, home="base_url"),
    **{name: _provider_spec(provider) for name, provider in PROVIDERS.items()},
}


class WayForm(forms.Form):
    """Name, speed and settings of a way to send. `stored` are the settings it has; secrets are never shown."""

    name = forms.CharField(max_length=80, help_text="For yourselves, such as “Office mail server”.")

    def __init__(self, *args: Any, kind: str, stored: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        shown = {name: value for name, value in (stored or {}).items() if name not in SPECS[kind].secrets}
        kwargs["initial"] = {**shown, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        self._spec, self._stored = SPECS[kind], stored or {}
        self.fields |= self._spec.fields()
        self.fields["max_per_second"] = forms.FloatField(
            label="Messages per second",
            min_value=0.01,
            max_value=100_000,
            required=False,
            help_text="What the other side allows. Empty: as fast as it goes.",
        )
        for name, is_needed in self._spec.secrets.items():
            self.fields[name].required = is_needed and not self._stored.get(name)
            if self._stored.get(name):
                self.fields[name].help_text = _STORED

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, is_needed in self._spec.secrets.items():
            if is_needed and self._stored.get(name) and not cleaned.get(name) and not self._is_kept(name):
                self.add_error(name, "The address has changed: enter it again.")
        return cleaned

    def settings(self) -> dict[str, Any]:
        """The settings to store: what was entered, and secrets that were left empty to be kept."""
        entered = {name: self.cleaned_data.get(name) for name in self._spec.fields()}
        kept = {name: self._stored[name] for name in self._spec.secrets if not entered[name] and self._is_kept(name)}
        return {name: value for name, value in entered.items() if value} | kept

    def _is_kept(self, name: str) -> bool:
        # A secret does not follow to another server: whoever may edit this form could have it sent to their own.
        home = self._spec.home
        return bool(self._stored.get(name)) and self._stored.get(home, "") == self.cleaned_data.get(home, "")


class NewWayForm(WayForm, AccountForm):
    """A way to send that is not there yet."""

    kind = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, kind=kind, initial={"kind": kind}, **kwargs)
        self.order_fields(["account", "name"])
