"""Ways to send: the sandbox and relays. A stored password can be replaced, never read."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.html import format_html

from campaigns.admin.pages import AccountForm
from campaigns.admin.scoping import RoomScreen
from campaigns.delivery.registry import KINDS
from campaigns.delivery.smtp_relay import Tls
from campaigns.errors import CampaignError
from campaigns.models import Account, Transport
from campaigns.outbox.transports import read_config, seal_config
from compliance.vault import SealBroken

_TLS_WORDS = {
    Tls.STARTTLS: "Encrypted after greeting (STARTTLS, usual on port 587)",
    Tls.IMPLICIT: "Encrypted from the start (usual on port 465)",
    Tls.NONE: "Not encrypted (only on your own machine or network)",
}


class RelayFields(forms.Form):
    """Name and settings of a way to send."""

    name = forms.CharField(max_length=80, help_text="For yourselves, such as “Office mail server”.")
    host = forms.CharField(label="Mail server", max_length=253, help_text="Such as smtp.example.org.")
    port = forms.IntegerField(min_value=1, max_value=65535, initial=587)
    tls = forms.ChoiceField(label="Encryption", choices=list(_TLS_WORDS.items()))
    username = forms.CharField(label="User name", max_length=200, required=False)
    password = forms.CharField(
        max_length=500,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Kept encrypted and never shown again. Leave empty to keep the one that is stored.",
    )

    def __init__(self, *args: Any, kind: str = "smtp", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The sandbox needs a name only.
        for name in ("host", "port", "tls"):
            self.fields[name].required = self.data.get("kind", kind) != "sandbox"


class NewTransportForm(RelayFields, AccountForm):
    kind = forms.ChoiceField(
        choices=[(name, kind.label) for name, kind in KINDS.items()],
        initial="smtp",
        label="Kind",
        widget=forms.RadioSelect,
    )
    field_order = ("account", "name", "kind", "host", "port", "tls", "username", "password")


@admin.register(Transport)
class TransportAdmin(RoomScreen):
    """The ways out of an account."""

    list_display = ("name", "kind_words", "default_badge")
    list_lead: ClassVar[str] = "Where your mail leaves: the sandbox keeps it here for trying out, a relay sends it."
    add_label: ClassVar[str] = "Add a way to send"

    @admin.display(description="Kind")
    def kind_words(self, transport: Transport) -> str:
        kind = KINDS.get(transport.kind)
        return kind.label if kind else "Not available any more"

    @admin.display(description="Used for")
    def default_badge(self, transport: Transport) -> str:
        return format_html('<span class="badge is-ok">{}</span>', "Default") if transport.is_default else ""

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<uuid:public_id>/default/", self.make_default, name="default"), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # An account always has a default; another is chosen first.
        return (obj is None or not obj.is_default) and super().has_delete_permission(request, obj)

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Add a sandbox or a relay."""

        def add(given: dict[str, Any]) -> str:
            transport = Transport(account=given["account"], name=given["name"], kind=given["kind"])
            _store(transport, given, previous={})
            messages.success(request, f"{transport} is added. Make it the default when campaigns should use it.")
            return self.url_of(transport)

        form = NewTransportForm(request.POST or None, accounts=self.accounts_to_change(request))
        return self.show_form(request, form, add, title=self.add_label, button="Add")

    def row_page(self, request: HttpRequest, transport: Transport, /) -> HttpResponse:
        """Change the settings; the password is written only."""
        if request.method == "POST":
            self.require_change(request, transport)
        config, is_readable = _read(transport)

        def save(given: dict[str, Any]) -> str:
            transport.name = given["name"]
            _store(transport, given, previous=config)
            messages.success(request, f"{transport} is saved.")
            return self.url_of(view="changelist")

        shown = {name: value for name, value in config.items() if name != "password"}
        given = request.POST if request.method == "POST" else None
        form = RelayFields(given, kind=transport.kind, initial={"name": transport.name, **shown})
        return self.show_form(
            request,
            form,
            save,
            title=transport.name,
            template="admin/campaigns/transport/page.html",
            transport=transport,
            kind=KINDS.get(transport.kind),
            has_password=bool(config.get("password")),
            is_readable=is_readable,
            may_change=self.has_change_permission(request, transport),
            may_delete=self.has_delete_permission(request, transport),
            default_url=self.url_of(transport, view="default"),
            delete_url=self.url_of(transport, view="delete"),
        )

    def make_default(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Campaigns and test mails of the account leave this way from now on."""
        transport: Transport = self.find_object(request, public_id)
        self.require_change(request, transport)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        with transaction.atomic():
            # The account's row is the lock: two people choosing at once must not leave two defaults or none.
            Account.objects.select_for_update().get(pk=transport.account_id)
            Transport.objects.filter(account=transport.account_id, is_default=True).update(is_default=False)
            Transport.objects.filter(pk=transport.pk).update(is_default=True)
        messages.success(request, f"Mail now leaves by {transport}, unless a campaign says otherwise.")
        return HttpResponseRedirect(self.url_of(transport))


def _read(transport: Transport) -> tuple[dict[str, Any], bool]:
    """(settings, whether they could be opened)."""
    try:
        return read_config(transport), True
    except (SealBroken, ValueError):
        return {}, False


def _store(transport: Transport, given: dict[str, Any], *, previous: dict[str, Any]) -> None:
    """Seal the settings into the row; an empty password keeps the previous one."""
    if transport.kind != "sandbox":
        config = {name: given[name] for name in ("host", "port", "tls", "username", "password") if given[name]}
        moved = previous.get("host") != given["host"]
        if "password" in previous and not given["password"] and not moved:
            config["password"] = previous["password"]
        transport.config_sealed = seal_config(transport, config=config)
    try:
        with transaction.atomic():
            transport.save()
    except IntegrityError as error:
        raise CampaignError(
            "transport.exists", "Another way to send has this name.", action="Choose another."
        ) from error
