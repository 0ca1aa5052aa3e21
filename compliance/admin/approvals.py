"""The approver's queue: sends that wait for somebody else's eyes, oldest first; the review page is in review_pages."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.timesince import timesince

from campaigns.admin.words import show_time
from compliance.admin.protected import ProtectedScreen
from compliance.admin.review_pages import ReviewPages
from compliance.admin.words import state_of
from compliance.approvals.quorum import MANY
from compliance.approvals.states import State
from compliance.models import Approval


class WaitingFilter(admin.SimpleListFilter):
    """What waits for a review comes first, because that is what one comes for."""

    title = "show"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        return [("live", "On their way"), ("ended", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Approval]) -> QuerySet[Approval]:  # noqa: ARG002
        live = Q(state__in=[State.APPROVED, State.SENDING, State.STOPPED])
        waiting = Q(state=State.IN_REVIEW)
        chosen = {"live": live, "ended": ~live & ~waiting}.get(self.value() or "", waiting)
        return queryset.filter(chosen)

    def choices(self, changelist: Any) -> Any:
        yield {
            "selected": self.value() is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": "Waiting for a review",
        }
        for value, label in self.lookup_choices:
            query = changelist.get_query_string({self.parameter_name: value})
            yield {"selected": self.value() == value, "query_string": query, "display": label}


@admin.register(Approval)
class ApprovalAdmin(ProtectedScreen):
    """Approvals of one's accounts; rows are made by submitting and changed by voting, never by a form of the table."""

    list_display = ("send", "state_badge", "people_count", "given", "age", "risks")
    list_select_related = ("campaign", "submitted_by")
    list_filter = (WaitingFilter,)
    ordering = ("submitted_at",)
    list_lead: ClassVar[str] = "Nobody approves what they submitted or had a hand in. The oldest comes first."

    def get_urls(self) -> list[URLPattern]:
        return [*ReviewPages(self).urls(), *super().get_urls()]

    # --- Columns ---------------------------------------------------------------------------------

    @admin.display(description="Send")
    def send(self, approval: Approval) -> str:
        return approval.campaign.name

    @admin.display(description="State")
    def state_badge(self, approval: Approval) -> str:
        word, tone = state_of(approval.state)
        return format_html('<span><span class="badge {}">{}</span></span>', tone, word)

    @admin.display(description="People")
    def people_count(self, approval: Approval) -> str:
        return f"{approval.recipients:,}"

    @admin.display(description="Approvals")
    def given(self, approval: Approval) -> str:
        return f"{approval.votes.filter(verdict='approve').count()} of {approval.needed}"

    @admin.display(description="Submitted", ordering="submitted_at")
    def age(self, approval: Approval) -> str:
        waited = timesince(approval.submitted_at, timezone.now(), depth=1)
        return format_html('{}<span class="cell-sub">{}</span>', show_time(approval.submitted_at), f"{waited} ago")

    @admin.display(description="Worth a look")
    def risks(self, approval: Approval) -> str:
        found = list_risks(approval)
        badges = format_html_join(" ", '<span class="badge is-warn">{}</span>', ((word,) for word in found))
        return format_html("<span>{}</span>", badges) if found else "–"

    def name_of(self, obj: Any) -> str:
        return f"{obj.campaign.name}, revision {obj.revision}"

    def row_page(self, request: HttpRequest, approval: Approval, /) -> HttpResponse:
        """The review."""
        return ReviewPages(self).show(request, approval)


def list_risks(approval: Approval) -> list[str]:
    """What makes a send worth a longer look, in a word or two each."""
    manifest = approval.manifest
    earlier = Approval.objects.filter(account=approval.account_id, approved_at__isnull=False, pk__lt=approval.pk)
    found = []
    if any(hit["override_by"] for hit in manifest["scanner"]["hits"]):
        found.append("overridden check")
    if not earlier.filter(manifest__template__id=manifest["template"]["id"]).exists():
        found.append("new template")
    if not earlier.filter(manifest__relay__id=manifest["relay"]["id"]).exists():
        found.append("new way to send")
    if approval.recipients > MANY:
        found.append("many people")
    if manifest["purpose"] == "marketing":
        found.append("marketing")
    return found
