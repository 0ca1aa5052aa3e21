"""Protocols of routine sends: which stand, where they come from, and the way to end one."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns.admin.words import show_time
from compliance.admin.acting import person_of
from compliance.admin.protected import ProtectedScreen
from compliance.admin.words import BASES, ENDED
from compliance.approvals import protocols, routine
from compliance.models import SendProtocol


class RoutineForm(forms.Form):
    """The one question when something becomes routine."""

    days = forms.TypedChoiceField(
        label="For how long?",
        choices=[(30, "30 days"), (90, "90 days"), (180, "180 days"), (protocols.MOST_DAYS, "One year")],
        coerce=int,
        initial=90,
        widget=forms.RadioSelect,
    )


@admin.register(SendProtocol)
class SendProtocolAdmin(ProtectedScreen):
    """Protocols of one's accounts; made on the page of an approval, ended here, never edited."""

    list_display = ("like", "state_badge", "most", "since", "until")
    list_select_related = ("approval__campaign", "made_by")
    ordering = ("-pk",)
    list_lead: ClassVar[str] = (
        "What was approved in full once and is sent again and again: the same in everything but its recipients and its time. "
        "Such a send needs one approval (45 CFR 164.514(d)(3)). Make one on the page of an approval."
    )

    def get_urls(self) -> list[URLPattern]:
        return [self.page("<uuid:public_id>/end/", self.end, name="end"), *super().get_urls()]

    # --- Columns ---------------------------------------------------------------------------------

    @admin.display(description="Sends like")
    def like(self, row: SendProtocol) -> str:
        return row.approval.campaign.name

    @admin.display(description="State")
    def state_badge(self, row: SendProtocol) -> str:
        tone, word = _state_of(row)
        return format_html('<span><span class="badge {}">{}</span></span>', tone, word)

    @admin.display(description="People at most")
    def most(self, row: SendProtocol) -> str:
        return f"{row.most_recipients:,}"

    @admin.display(description="Since", ordering="made_at")
    def since(self, row: SendProtocol) -> str:
        who = row.made_by.get_full_name() or row.made_by.get_username()
        return format_html('{}<span class="cell-sub">{}</span>', show_time(row.made_at), who)

    @admin.display(description="Until", ordering="ends_at")
    def until(self, row: SendProtocol) -> str:
        return show_time(row.ended_at or row.ends_at)

    def name_of(self, obj: Any) -> str:
        return f"Sends like {obj.approval.campaign.name}"

    # --- Views -----------------------------------------------------------------------------------

    def row_page(self, request: HttpRequest, row: SendProtocol, /) -> HttpResponse:
        """What is routine, since when and until when, and ending it."""
        manifest = row.approval.manifest
        tone, word = _state_of(row)
        return self.show(
            request, "admin/hipaa/protocol.html", title=self.name_of(row), obj=row, row=row, tone=tone, word=word,
            manifest=manifest, basis=BASES.get(manifest["legal_basis"], ""), ended=ENDED.get(row.ended_because, ""),
            values=[variable["name"] for variable in manifest["template"]["variables"]],
            may_end=row.ended_at is None and protocols.may_end(person_of(request, row.account)),
            waiting=len(routine.list_waiting(row)) if row.ended_at is None else 0,
        )  # fmt: skip

    def end(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """From now on such sends take all approvals again."""
        row: SendProtocol = self.find_object(request, public_id)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        is_mine = protocols.end_protocol(row, by=person_of(request, row.account), now=timezone.now())
        messages.success(
            request, "Ended. Sends like this take all approvals again." if is_mine else "It had ended already."
        )
        return HttpResponseRedirect(self.url_of(row))


def _state_of(row: SendProtocol) -> tuple[str, str]:
    """(tone, word)."""
    if row.ended_at is not None or row.ends_at <= timezone.now():
        return "is-muted", "Ended"
    return ("is-ok", "Stands") if routine.stands(row, now=timezone.now()) else ("is-bad", "Changed by hand")
