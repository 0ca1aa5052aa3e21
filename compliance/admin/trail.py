"""The audit trail: who did what, when – filtered by account, area and person – and the bundle for support."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern

from campaigns.admin.pages import AccountForm, refuse
from campaigns.admin.paging import CappedPaginator
from campaigns.admin.words import show_time
from campaigns.errors import CampaignError
from campaigns.models import Account
from compliance.admin.oversight import OversightScreen
from compliance.audit import ACTIONS, Ref
from compliance.models import AuditEvent
from compliance.oversight import support

AREAS = {
    "person": "People and sign-ins",
    "key": "API keys",
    "baa": "Agreements",
    "terms": "Terms",
    "phi": "Protected values",
    "approval": "Approvals",
    "protocol": "Send protocols",
    "detector": "Detectors",
    "stop": "Stops",
    "send": "Sending",
    "hipaa": "Refusals",
    "vault": "Keys and shredding",
    "backup": "Backups",
    "selfcheck": "Self-checks",
    "audit": "Reviews and verification",
    "breakglass": "Emergency access",
    "incident": "Incidents",
    "evidence": "Exports of evidence",
}


class AreaFilter(admin.SimpleListFilter):
    title = "Area"
    parameter_name = "area"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return list(AREAS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        area = self.value()
        return queryset.filter(action__startswith=f"{area}.") if area in AREAS else queryset


class OwnerFilter(admin.SimpleListFilter):
    title = "Account"
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        rows = model_admin.overseen(request).order_by("name").values_list("public_id", "name")
        return [(str(public_id), name) for public_id, name in rows]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(owner=self.value()) if self.value() else queryset


class PersonFilter(admin.SimpleListFilter):
    title = "Person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        people = (
            User.objects.filter(memberships__account__in=model_admin.overseen(request)).distinct().order_by("username")
        )
        return [(str(user.pk), str(user)) for user in people]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002
        return queryset.filter(actor_kind="person", actor_id=self.value()) if self.value() else queryset


class BundleForm(AccountForm):
    """Which thing support asked about."""

    kind = forms.ChoiceField(
        choices=[("message", "A message"), ("submission", "A send"), ("campaign", "A campaign")], label="About"
    )
    public_id = forms.UUIDField(label="Its id", help_text="As it stands in reports and answers of the API.")


@admin.register(AuditEvent)
class AuditEventAdmin(OversightScreen):
    """Events of one's accounts, the newest first. Nothing is searched by text: nothing of people's texts is in there."""

    list_display = ("when", "what", "who", "about", "facts")
    list_display_links = None
    list_filter = (OwnerFilter, AreaFilter, PersonFilter)
    ordering = ("-at", "-pk")
    paginator = CappedPaginator
    change_list_template = "admin/compliance/auditevent/change_list.html"
    list_lead: ClassVar[str] = (
        "Everything that was done, by whom and when. Each event is chained to the one before it, so a change would show."
    )

    _names: Mapping[int, str] = MappingProxyType({})

    def get_urls(self) -> list[URLPattern]:
        return [self.page("support/", self.support_bundle, name="support"), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        owners = self.owners(request)
        return rows if request.user.is_superuser else rows.filter(owner__in=owners)

    def get_list_display(self, request: HttpRequest) -> Any:
        # Names are looked up once for the page, not once a row.
        self._names = dict(User.objects.values_list("pk", "username"))
        return super().get_list_display(request)

    @admin.display(description="When", ordering="at")
    def when(self, event: AuditEvent) -> str:
        return show_time(event.at)

    @admin.display(description="What")
    def what(self, event: AuditEvent) -> str:
        return ACTIONS.get(event.action, event.action)

    @admin.display(description="Who")
    def who(self, event: AuditEvent) -> str:
        return name_of(event.actor_kind, event.actor_id, names=self._names)

    @admin.display(description="About")
    def about(self, event: AuditEvent) -> str:
        if event.thing_kind in {"person", "system"}:
            return name_of(event.thing_kind, event.thing_id, names=self._names)
        return f"{event.thing_kind.replace('-', ' ')} {event.thing_label or event.thing_id[:8]}".strip()

    @admin.display(description="Details")
    def facts(self, event: AuditEvent) -> str:
        return ", ".join(
            self._fact(name, value) for name, value in sorted(event.data.items()) if value not in ("", None)
        )

    def _fact(self, name: str, value: object) -> str:
        shown = name_of("person", str(value), names=self._names) if name == "person" else shorten(value)
        return f"{name.replace('_', ' ')}: {shown}"

    def support_bundle(self, request: HttpRequest) -> HttpResponse:
        """Ids, states and codes as a file; 404 for what belongs to others."""
        if not self.has_view_permission(request):
            raise Http404
        form = BundleForm(request.POST or None, accounts=self.overseen(request))
        if request.method == "POST" and form.is_valid():
            account: Account = form.cleaned_data["account"]
            kind, public_id = form.cleaned_data["kind"], str(form.cleaned_data["public_id"])
            try:
                content = support.make_bundle(
                    account, kind=kind, public_id=public_id, actor=Ref("person", str(request.user.pk))
                )
            except CampaignError as error:
                refuse(form, error)
            else:
                answer = HttpResponse(json.dumps(content, indent=1), content_type="application/json")
                answer.headers["Content-Disposition"] = f'attachment; filename="support-{kind}-{public_id}.json"'
                answer.headers["Cache-Control"] = "no-store"
                return answer
        return self.show(
            request, "admin/_form_page.html", title="Bundle for support", form=form, button="Download",
            intro="A file with ids, states, moments and codes, which you can give away: no address, no name, no content.",
        )  # fmt: skip


def name_of(kind: str, found: str, *, names: Mapping[int, str]) -> str:
    """What the page calls somebody who acted; people by the name they sign in with."""
    if kind == "person":
        return names.get(int(found), f"person {found}") if found.isdigit() else f"person {found}"
    return "Sealpost" if kind == "system" else f"{kind} {found}".strip()


def shorten(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
