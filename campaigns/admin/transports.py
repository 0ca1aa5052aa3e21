"""Ways to send: the sandbox, relays and providers. A stored password or key can be replaced, never read."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.html import format_html

from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.transport_forms import NewWayForm, WayForm
from campaigns.delivery.anymail_kinds import PROVIDERS
from campaigns.delivery.registry import KINDS
from campaigns.errors import CampaignError
from campaigns.models import Account, Transport
from campaigns.outbox import due
from campaigns.outbox.transports import callback_url, is_stopped, read_config, reopen, seal_config
from compliance.vault import SealBroken


@admin.register(Transport)
class TransportAdmin(RoomScreen):
    """The ways out of an account."""

    list_display = ("name", "kind_words", "state_badge")
    list_lead: ClassVar[str] = "Where your mail leaves: the sandbox keeps it here for trying out, the others send it."
    add_label: ClassVar[str] = "Add a way to send"

    @admin.display(description="Kind")
    def kind_words(self, transport: Transport) -> str:
        kind = KINDS.get(transport.kind)
        return kind.label if kind else "Not available any more"

    @admin.display(description="State")
    def state_badge(self, transport: Transport) -> str:
        if is_stopped(transport):
            return format_html('<span class="badge is-warn">{}</span>', "Stopped")
        return format_html('<span class="badge is-ok">{}</span>', "Default") if transport.is_default else ""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/default/", self.make_default, name="default"),
            self.page("<uuid:public_id>/try-again/", self.try_again, name="try_again"),
            *super().get_urls(),
        ]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # An account always has a default; another is chosen first.
        return (obj is None or not obj.is_default) and super().has_delete_permission(request, obj)

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """First the kind, then what that kind wants to know."""
        kind = request.POST.get("kind") or request.GET.get("kind") or ""
        if kind not in KINDS:
            return self.show(
                request, "admin/campaigns/transport/choose.html", title=self.add_label, kinds=KINDS.items()
            )
        form = NewWayForm(request.POST or None, kind=kind, accounts=self.accounts_to_change(request))

        def add(given: dict[str, Any]) -> str:
            transport = Transport(account=given["account"], kind=kind)
            _store(transport, form)
            messages.success(request, f"{transport} is added. Make it the default when campaigns should use it.")
            return self.url_of(transport)

        title = f"Add: {KINDS[kind].label}"
        return self.show_form(request, form, add, title=title, intro=KINDS[kind].about, button="Add")

    def row_page(self, request: HttpRequest, transport: Transport, /) -> HttpResponse:
        """Change the settings; passwords and keys are written only."""
        if request.method == "POST":
            self.require_change(request, transport)
        config, is_readable = _read(transport)
        kind = transport.kind if transport.kind in KINDS else "sandbox"
        given = request.POST if request.method == "POST" else None
        initial = {"name": transport.name, "max_per_second": transport.max_per_second}
        form = WayForm(given, kind=kind, stored=config, initial=initial)

        def save(_: dict[str, Any]) -> str:
            _store(transport, form)
            messages.success(request, f"{transport} is saved.")
            return self.url_of(view="changelist")

        may_change = self.has_change_permission(request, transport)
        return self.show_form(
            request,
            form,
            save,
            title=transport.name,
            template="admin/campaigns/transport/page.html",
            transport=transport,
            kind=KINDS.get(transport.kind),
            is_readable=is_readable,
            stopped=is_stopped(transport),
            # The address is a secret: whoever has it can tell us that mails bounced.
            callback_url=callback_url(transport) if may_change and _reports(transport.kind) else "",
            may_change=may_change,
            may_delete=self.has_delete_permission(request, transport),
            default_url=self.url_of(transport, view="default"),
            again_url=self.url_of(transport, view="try_again"),
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

    def try_again(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """A way that was stopped is tried at once."""
        transport: Transport = self.find_object(request, public_id)
        self.require_change(request, transport)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        reopen(transport)
        messages.success(request, f"Mail leaves by {transport} again. If it still does not work, it stops again.")
        return HttpResponseRedirect(self.url_of(transport))


def _reports(kind: str) -> bool:
    return kind == "infobip" or kind in PROVIDERS


def _read(transport: Transport) -> tuple[dict[str, Any], bool]:
    """(settings, whether they could be opened)."""
    try:
        return read_config(transport), True
    except (SealBroken, ValueError):
        return {}, False


def _store(transport: Transport, form: WayForm) -> None:
    """Seal the settings into the row; what stopped it may be mended by them."""
    transport.name = form.cleaned_data["name"]
    transport.max_per_second = form.cleaned_data["max_per_second"]
    settings = form.settings()
    transport.config_sealed = seal_config(transport, config=settings) if settings else b""
    # Of a row that exists nothing else: workers and other people change it, too.
    entered = ["name", "max_per_second", "config_sealed"]
    try:
        with transaction.atomic():
            transport.save(update_fields=entered if transport.pk else None)
    except IntegrityError as error:
        raise CampaignError(
            "transport.exists", "Another way to send has this name.", action="Choose another."
        ) from error
    if is_stopped(transport):
        reopen(transport)
    else:
        # What waits by the old speed is looked at by the new one.
        due.wake_submissions(account_id=transport.account_id)
