"""Webhooks: programs that want to be told. Secrets are shown once; the log of calls names no person."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns.admin.pages import refuse
from campaigns.admin.paging import CappedPaginator
from campaigns.admin.rights import Right
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.webhook_forms import EndpointForm, NewEndpointForm, ReplayForm, shown_values
from campaigns.admin.words import show_time
from campaigns.errors import CampaignError
from campaigns.inbound import telling
from campaigns.models import (
    DeliveryState,
    EndpointState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookKind,
    WebhookSecurity,
)
from campaigns.tracking.telling import tell_sample
from campaigns.webhooks import bell, claims, endpoints
from campaigns.webhooks.deliver import Verdict, describe

_FOLDER = "admin/campaigns/webhookendpoint"
_TONES = {EndpointState.ACTIVE: "is-ok", EndpointState.OFF: "is-muted", EndpointState.FAILED: "is-bad"}
_LOG_TONES = {DeliveryState.WAITING: "is-info", DeliveryState.DONE: "is-ok", DeliveryState.LOST: "is-bad"}
_SIGNED = {WebhookSecurity.STANDARD, WebhookSecurity.HMAC}
_PER_PAGE = 50


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(RoomScreen):
    """The webhooks of one's accounts; operators make and change them."""

    right_to_change: ClassVar[Right] = Right.MANAGE_WEBHOOKS
    list_display = ("shown_name", "host", "hears", "state_badge", "last_told")
    ordering = ("is_of_requests", "name")
    list_lead: ClassVar[str] = "Programs of yours that want to be told what becomes of your mail, as it happens."
    add_label: ClassVar[str] = "Add a webhook"

    @admin.display(description="Name", ordering="name")
    def shown_name(self, endpoint: WebhookEndpoint) -> str:
        if not endpoint.is_of_requests:
            return endpoint.name
        return format_html('{}<span class="cell-sub">{}</span>', endpoint.host, "Named in requests of your programs")

    @admin.display(description="Hears about")
    def hears(self, endpoint: WebhookEndpoint) -> str:
        if endpoint.is_of_requests:
            return "What each request asks for"
        return ", ".join(str(kind.label) for kind in WebhookKind if endpoint.wants(kind))

    @admin.display(description="State")
    def state_badge(self, endpoint: WebhookEndpoint) -> str:
        if endpoint.state == EndpointState.ACTIVE and endpoint.failures:
            return format_html('<span class="badge is-warn">{}</span>', "Does not answer")
        tone = _TONES[EndpointState(endpoint.state)]
        return format_html('<span class="badge {}">{}</span>', tone, endpoint.get_state_display())

    @admin.display(description="Last told", ordering="last_told_at")
    def last_told(self, endpoint: WebhookEndpoint) -> str:
        return show_time(endpoint.last_told_at) if endpoint.last_told_at else "Never"

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/try/", self.try_now, name="try"),
            self.page("<uuid:public_id>/secret/", self.new_secret, name="secret"),
            self.page("<uuid:public_id>/switch/", self.switch, name="switch"),
            self.page("<uuid:public_id>/log/", self.show_log, name="log"),
            self.page("<uuid:public_id>/replay/", self.replay, name="replay"),
            *super().get_urls(),
        ]

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Make a webhook; the answer itself shows the secret, so that it is in no address, session or cookie."""
        form = NewEndpointForm(request.POST or None, accounts=self.accounts_to_change(request))
        if request.method == "POST" and form.is_valid():
            try:
                endpoint, secret = endpoints.create_endpoint(form.cleaned_data["account"], form.wish())
            except CampaignError as error:
                _refuse(form, error)
            else:
                self.log_addition(request, endpoint, "Added a webhook.")
                return self._answer(request, endpoint, secret, f"“{endpoint.name}” is added. Try it now.")
        return self.show(request, "admin/_form_page.html", title=self.add_label, form=form, button="Add")

    def row_page(self, request: HttpRequest, endpoint: WebhookEndpoint, /) -> HttpResponse:
        """Its state, its settings, and what can be done with it."""
        config = _read(endpoint)
        form = EndpointForm(request.POST or None, initial=shown_values(endpoint, config or endpoints.Config()))
        may_change = self.has_change_permission(request, endpoint) and not endpoint.is_of_requests
        if request.method == "POST":
            self.require_change(request, endpoint)
            if may_change and form.is_valid():
                try:
                    secret = endpoints.change_endpoint(endpoint, form.wish())
                except CampaignError as error:
                    _refuse(form, error)
                else:
                    self.log_change(request, endpoint, "Changed.")
                    return self._answer(request, endpoint, secret, f"“{endpoint.name}” is saved.")
        return self.show(
            request,
            f"{_FOLDER}/page.html",
            title=str(endpoint),
            endpoint=endpoint,
            form=form,
            state=self.state_badge(endpoint),
            last_told=self.last_told(endpoint),
            waiting=_count(endpoint, DeliveryState.WAITING),
            lost=_count(endpoint, DeliveryState.LOST),
            is_readable=config is not None or endpoint.is_of_requests,
            has_secret=endpoint.security in _SIGNED,
            may_change=may_change,
            try_url=self.url_of(endpoint, view="try"),
            secret_url=self.url_of(endpoint, view="secret"),
            switch_url=self.url_of(endpoint, view="switch"),
            log_url=self.url_of(endpoint, view="log"),
            delete_url=self.url_of(endpoint, view="delete"),
        )

    def try_now(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Call it once with something made up, and say what came of it."""
        endpoint = self._find_to_change(request, public_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        now = timezone.now()
        is_for_mail = endpoint.kinds == WebhookKind.INBOUND
        call = telling.sample_call(endpoint, now=now) if is_for_mail else None
        verdict = tell_sample(endpoint, now=now, call=call)
        if verdict.is_told:
            messages.success(request, f"It works. {describe(verdict)}")
        else:
            messages.error(request, f"It does not work yet. {describe(verdict)}")
        return HttpResponseRedirect(self.url_of(endpoint))

    def new_secret(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Ask once, then make another secret and show it."""
        endpoint = self._find_to_change(request, public_id)
        if request.method == "POST":
            secret = endpoints.rotate_secret(endpoint, now=timezone.now())
            self.log_change(request, endpoint, "Made a new secret.")
            return self._answer(request, endpoint, secret, "")
        return self.show(request, f"{_FOLDER}/secret.html", title="Make a new secret", obj=endpoint)

    def switch(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """On when it is off or stopped, off when it works."""
        endpoint = self._find_to_change(request, public_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if request.POST.get("to") == "on":
            endpoints.switch_on(endpoint)
            messages.success(request, f"“{endpoint.name}” is told again, first what has waited.")
        else:
            endpoints.switch_off(endpoint)
            messages.success(request, f"“{endpoint.name}” is off. What happens now is not kept for it.")
        self.log_change(request, endpoint, f"Switched: {endpoint.state}.")
        return HttpResponseRedirect(self.url_of(endpoint))

    def show_log(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Every call, newest first, without anything personal."""
        endpoint: WebhookEndpoint = self.find_object(request, public_id)
        chosen = request.GET.get("state", "")
        rows = WebhookDelivery.objects.filter(endpoint=endpoint).order_by("-pk")
        if chosen in {str(state.value) for state in DeliveryState}:
            rows = rows.filter(state=int(chosen))
        page = CappedPaginator(rows, _PER_PAGE).get_page(request.GET.get("page"))
        return self.show(
            request,
            f"{_FOLDER}/log.html",
            title="Calls",
            obj=endpoint,
            page=page,
            entries=[(row, _LOG_TONES[DeliveryState(row.state)], _outcome(row)) for row in page],
            states=[("", "All"), *((str(state.value), state.label) for state in DeliveryState)],
            chosen=chosen,
            form=ReplayForm(),
            may_change=self.has_change_permission(request, endpoint),
            replay_url=self.url_of(endpoint, view="replay"),
        )

    def replay(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Tell one thing again, or everything that was given up in a period."""
        endpoint: WebhookEndpoint = self.find_object(request, public_id)
        self.require_change(request, endpoint)
        form, only, now = ReplayForm(request.POST), request.POST.get("call", ""), timezone.now()
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if only.isascii() and only.isdigit() and len(only) < 19:
            count = claims.replay(endpoint, now=now, only=int(only))
        else:
            count = claims.replay(endpoint, now=now, since=now - form.length()) if form.is_valid() else 0
        bell.ring()
        self.log_change(request, endpoint, f"Told again: {count}.")
        when = "" if endpoint.state == EndpointState.ACTIVE else " once the webhook is switched on"
        messages.success(
            request, f"{count:,} will be told again{when}." if count else "There was nothing to tell again."
        )
        return HttpResponseRedirect(self.url_of(endpoint, view="log"))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Of a host that requests name there is nothing to delete: the next request would bring it back.
        return (obj is None or not obj.is_of_requests) and super().has_delete_permission(request, obj)

    def _find_to_change(self, request: HttpRequest, public_id: UUID) -> WebhookEndpoint:
        endpoint: WebhookEndpoint = self.find_object(request, public_id)
        self.require_change(request, endpoint)
        if endpoint.is_of_requests:
            raise CampaignError(
                "webhook.of-requests",
                "The requests of your programs name this address.",
                action="Change it there.",
                status=409,
            )
        return endpoint

    def _answer(self, request: HttpRequest, endpoint: WebhookEndpoint, secret: str, words: str) -> HttpResponse:
        bell.forget_listeners()
        if secret:
            return self.show(request, f"{_FOLDER}/made.html", title="Secret", obj=endpoint, text=secret)
        messages.success(request, words)
        return HttpResponseRedirect(self.url_of(endpoint))


def _read(endpoint: WebhookEndpoint) -> endpoints.Config | None:
    try:
        return endpoints.read_config(endpoint)
    except CampaignError:
        return None


def _count(endpoint: WebhookEndpoint, state: DeliveryState) -> str:
    """Up to ten thousand, and no further: a page must not wait for a count."""
    rows = WebhookDelivery.objects.filter(endpoint=endpoint, state=state).order_by("pk")
    count = CappedPaginator(rows, _PER_PAGE).count
    return f"{count:,}{'+' if count >= CappedPaginator.LIMIT else ''}"


def _outcome(row: WebhookDelivery) -> str:
    if row.last_status is None and not row.last_code:
        return "Not called yet"
    return str(row.last_status) if row.last_status is not None else describe(Verdict(code=row.last_code))


# Which field a refusal of the room belongs to.
_PLACES = {
    "net.address-unusable": "url",
    "webhook.kinds-missing": "kinds",
    "webhook.exists": "name",
    "webhook.password-missing": "password",
    "webhook.bucket-invalid": "max_bucket",
    "webhook.unsigned-under-agreement": "security",
}


def _refuse(form: EndpointForm, error: CampaignError) -> None:
    if error.code in _PLACES:
        form.add_error(_PLACES[error.code], f"{error.safe_text} {error.action}".strip())
    else:
        refuse(form, error)
