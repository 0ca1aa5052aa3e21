"""What a mailbox for bounces wants to know, in operators' words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms

from campaigns.addresses import ascii_domain
from campaigns.admin.pages import AccountForm
from campaigns.errors import AddressError
from campaigns.models import MailboxKind, MailboxLogin

_KEPT = "Kept encrypted and never shown again."
_STORED = "Stored, and never shown. Leave empty to keep it."
_FROM_START = "Encrypted from the start (usual on ports 993 and 995)"
_AFTER_GREETING = "Encrypted after greeting (STARTTLS, usual on ports 143 and 110)"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to get in: its name, what it is for, its usual server, and the secrets it needs (True) or may have."""

    label: str
    about: str
    host: str
    secrets: Mapping[str, bool]


WAYS = {
    MailboxLogin.PASSWORD: Way(
        "Any mail server", "With a user name and a password, as for a mail program.", "", {"password": True}
    ),
    MailboxLogin.MICROSOFT: Way(
        "Microsoft 365",
        "With an application you register in Entra; Microsoft takes no passwords here.",
        "outlook.office365.com",
        {"client_secret": False, "refresh_token": False},
    ),
    MailboxLogin.GOOGLE: Way(
        "Google Workspace",
        "With an application you register in Google Cloud.",
        "imap.gmail.com",
        {"client_secret": True, "refresh_token": True},
    ),
}


def _secret(label: str, *, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=4_000,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=f"{help_text} {_KEPT}".strip(),
    )


def _login_fields(login: str) -> dict[str, forms.Field]:
    if login == MailboxLogin.PASSWORD:
        return {"password": _secret("Password", help_text="Some providers want one made for this purpose.")}
    found: dict[str, forms.Field] = {"client_id": forms.CharField(label="Client ID", max_length=200)}
    if login == MailboxLogin.MICROSOFT:
        found["tenant"] = forms.CharField(
            label="Tenant", max_length=100, help_text="Directory ID or domain, such as example.onmicrosoft.com."
        )
    found["client_secret"] = _secret("Client secret")
    found["refresh_token"] = _secret(
        "Refresh token",
        help_text="Empty when the application may open the mailbox on its own."
        if login == MailboxLogin.MICROSOFT
        else "",
    )
    return found


class MailboxForm(forms.Form):
    """Settings of a mailbox. `stored` are the secrets it has; they are never shown."""

    name = forms.CharField(max_length=80, help_text="For yourselves, such as “Bounces at the old provider”.")
    kind = forms.ChoiceField(label="Protocol", choices=MailboxKind.choices, help_text="IMAP, if you have the choice.")
    host = forms.CharField(label="Mail server", max_length=253, help_text="Such as imap.example.org.")
    port = forms.IntegerField(min_value=1, max_value=65535, initial=993)
    starts_tls = forms.ChoiceField(label="Encryption", choices=[("start", _FROM_START), ("later", _AFTER_GREETING)])
    username = forms.CharField(label="User name", max_length=254, help_text="Often the address of the mailbox.")

    def __init__(
        self, *args: Any, login: str, stored: Mapping[str, Any] | None = None, home: str = "", **kwargs: Any
    ) -> None:
        self._secrets, self._stored, self._home = WAYS[MailboxLogin(login)].secrets, stored or {}, home
        plain = {name: value for name, value in self._stored.items() if name not in self._secrets}
        kwargs["initial"] = {"host": WAYS[MailboxLogin(login)].host, **plain, **(kwargs.get("initial") or {})}
        super().__init__(*args, **kwargs)
        self._login_names = list(_login_fields(login))
        self.fields |= _login_fields(login)
        self.fields["folder"] = forms.CharField(
            max_length=120, initial="INBOX", help_text="With POP3 there is one only."
        )
        self.fields["deletes"] = forms.BooleanField(
            label="Delete reports once they are recorded",
            required=False,
            help_text="Only bounces and complaints about your own mail. Everything else stays where it is.",
        )
        self.fields["is_active"] = forms.BooleanField(
            label="Look into it every five minutes", required=False, initial=True
        )
        for name, is_needed in self._secrets.items():
            self.fields[name].required = is_needed and not self._stored.get(name)
            if self._stored.get(name):
                self.fields[name].help_text = _STORED

    def clean_starts_tls(self) -> bool:
        return str(self.cleaned_data["starts_tls"]) == "later"

    def clean_host(self) -> str:
        try:
            return ascii_domain(str(self.cleaned_data["host"]))
        except AddressError as error:
            raise forms.ValidationError("Write the name of the mail server, such as imap.example.org.") from error

    def clean_folder(self) -> str:
        folder = str(self.cleaned_data["folder"])
        if not folder.isascii() or not folder.isprintable():
            raise forms.ValidationError("Use a folder whose name has plain letters only.")
        return folder

    def clean_username(self) -> str:
        username = str(self.cleaned_data["username"])
        if re.search(r"[\x00-\x1f\x7f]", username):
            raise forms.ValidationError("This user name cannot be used.")
        return username

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name, is_needed in self._secrets.items():
            if is_needed and self._stored.get(name) and not cleaned.get(name) and not self._is_kept():
                self.add_error(name, "The mail server has changed: enter it again.")
        return cleaned

    def secrets(self) -> dict[str, Any]:
        """The secrets to store: what was entered, and what was left empty to be kept."""
        entered = {name: self.cleaned_data.get(name) for name in self._login_names}
        kept = {name: self._stored[name] for name in self._secrets if not entered[name] and self._stored.get(name)}
        return {name: value for name, value in entered.items() if value} | (kept if self._is_kept() else {})

    def _is_kept(self) -> bool:
        # A secret does not follow to another server: whoever may edit this form could have it sent to their own.
        return self._home == str(self.cleaned_data.get("host", ""))


class NewMailboxForm(MailboxForm, AccountForm):
    """A mailbox that is not there yet."""

    login = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, login: str, **kwargs: Any) -> None:
        super().__init__(*args, login=login, initial={"login": login}, **kwargs)
        self.order_fields(["account", "name"])
