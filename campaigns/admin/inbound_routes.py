"""Inbound addresses: made, changed, tried out."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils.html import format_html

from campaigns.admin.inbound_route_forms import RouteForm, TryForm, shown_values
from campaigns.admin.rights import Right
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.words import show_time
from campaigns.domains import expected
from campaigns.errors import AddressError
from campaigns.inbound.routes import change_route, create_route, find_route
from campaigns.models import Account, InboundRoute, RouteAction

_FOLDER = "admin/campaigns/inboundroute"


@admin.register(InboundRoute)
class InboundRouteAdmin(RoomScreen):
    """The inbound addresses of one's accounts."""

    list_display = ("address", "what_happens", "state_badge", "received")
    list_select_related = ("domain", "endpoint")
    list_lead: ClassVar[str] = (
        "Mail to these addresses of your domains is taken in: kept to read here, handed to a program, or forwarded."
        " Answers to your campaigns are seen on the campaign and on the person."
    )
    add_label: ClassVar[str] = "Add an address"
    right_to_change: ClassVar[Right] = Right.MANAGE_INBOUND

    @admin.display(description="Address", ordering="pattern")
    def address(self, route: InboundRoute) -> str:
        return str(route)

    @admin.display(description="What happens")
    def what_happens(self, route: InboundRoute) -> str:
        if route.action == RouteAction.FORWARD:
            return f"Forwarded to {route.forward_to}"
        if route.action == RouteAction.WEBHOOK:
            return f"Handed to the webhook {route.endpoint}"
        return "Kept to read here"

    @admin.display(description="State")
    def state_badge(self, route: InboundRoute) -> str:
        tone, text = _state(route)
        return format_html('<span class="badge {}">{}</span>', tone, text)

    @admin.display(description="Received", ordering="received_count")
    def received(self, route: InboundRoute) -> str:
        if not route.received_count:
            return "Nothing yet"
        return f"{route.received_count:,}, last {show_time(route.last_received_at)}"

    def get_urls(self) -> list[URLPattern]:
        return [self.page("try/", self.try_address, name="try"), *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"try_url": self.url_of(view="try"), "inbound_host": settings.INBOUND_HOST}
        return super().changelist_view(request, {**(extra_context or {}), **extra})

    change_list_template = f"{_FOLDER}/change_list.html"

    def add_page(self, request: HttpRequest) -> HttpResponse:
        form = RouteForm(request.POST or None, accounts=self.accounts_to_change(request))

        def add(given: dict[str, Any]) -> str:
            account: Account = given["domain"].account
            route = create_route(account, form.wish())
            messages.success(request, f"Mail to {route} is taken, as soon as the MX record of the domain leads here.")
            return self.url_of(route)

        return self.show_form(
            request, form, add, title=self.add_label, template=f"{_FOLDER}/add.html", button="Add",
            has_domains=form.fields["domain"].queryset.exists(),  # type: ignore[attr-defined]
        )  # fmt: skip

    def row_page(self, request: HttpRequest, route: InboundRoute, /) -> HttpResponse:
        if request.method == "POST":
            self.require_change(request, route)
        account = Account.objects.filter(pk=route.account_id)
        given = request.POST if request.method == "POST" else None
        form = RouteForm(given, accounts=account, initial=shown_values(route))

        def save(_: dict[str, Any]) -> str:
            change_route(route, form.wish())
            messages.success(request, f"Saved: {route}")
            return self.url_of(route)

        return self.show_form(
            request,
            form,
            save,
            title=str(route),
            template=f"{_FOLDER}/page.html",
            route=route,
            state=_state(route),
            what_happens=self.what_happens(route),
            received=self.received(route),
            mx=settings.INBOUND_HOST,
            finding=route.domain.findings.filter(record=expected.INBOUND_MX).first(),
            may_change=self.has_change_permission(request, route),
            delete_url=self.url_of(route, view="delete"),
        )

    def try_address(self, request: HttpRequest) -> HttpResponse:
        """Which of them would take a mail to an address."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = TryForm(request.POST)
        if form.is_valid():
            self._say_who_takes(request, form.cleaned_data["address"])
        else:
            messages.error(request, "Write a whole address, such as support@example.com.")
        return HttpResponseRedirect(self.url_of(view="changelist"))

    def _say_who_takes(self, request: HttpRequest, address: str) -> None:
        accounts = Account.objects.filter(pk__in=self.get_queryset(request).values("account"))
        try:
            found = [route for account in accounts if (route := find_route(account, address))]
        except AddressError as error:
            messages.error(request, error.safe_text)
            return
        if found:
            messages.success(request, f"Taken by {found[0]}. {self.what_happens(found[0])}.")
        else:
            messages.warning(request, "None of them takes it: mail to this address is refused.")


def _state(route: InboundRoute) -> tuple[str, str]:
    if not route.is_active:
        return "is-muted", "Switched off"
    if not settings.INBOUND_HOST:
        return "is-warn", "No server for it"
    return ("is-ok", "Takes mail") if route.received_count else ("is-info", "Waits for the first mail")
