"""HIPAA sends: the list, and who sees and writes them; the pages of one are in send_pages and send_outcomes."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html

from campaigns.admin.campaign_words import TONES
from campaigns.admin.scoping import SealpostChangeList
from campaigns.admin.words import show_time
from campaigns.models import CampaignState, HipaaSend
from compliance.admin.acting import person_of
from compliance.admin.protected import ProtectedScreen
from compliance.admin.send_outcomes import SendOutcomes
from compliance.admin.send_pages import SendPages
from compliance.admin.words import state_of
from compliance.approvals.quorum import SUBMITTING_ROLES, Person
from compliance.approvals.states import ENDED
from compliance.models import Approval


@admin.register(HipaaSend)
class HipaaSendAdmin(ProtectedScreen):
    """HIPAA sends of one's accounts."""

    list_display = ("title", "state_badge", "people_count", "when")
    list_select_related = ("account", "terms")
    list_lead: ClassVar[str] = (
        "Mail with protected health information, to a file of recipients that is sealed for this send only. "
        "Somebody else approves it before anything leaves."
    )
    add_label: ClassVar[str] = "New HIPAA send"
    adding_roles: ClassVar[frozenset[str]] = SUBMITTING_ROLES
    change_list_template = "admin/hipaa/sends.html"

    def get_urls(self) -> list[URLPattern]:
        return [*SendPages(self).urls(), *SendOutcomes(self).urls(), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return SealpostChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        newest = Approval.objects.filter(campaign=OuterRef("pk")).order_by("-revision").values("state")[:1]
        rows: QuerySet[Any] = super().get_queryset(request)
        annotated: QuerySet[Any] = rows.annotate(approval_state=Subquery(newest))
        return annotated

    # --- Columns ---------------------------------------------------------------------------------

    @admin.display(description="Send", ordering="name")
    def title(self, send: HipaaSend) -> str:
        return send.name

    @admin.display(description="State")
    def state_badge(self, send: Any) -> str:
        word, tone = badge_of(send, approval_state=send.approval_state)
        return format_html('<span><span class="badge {}">{}</span></span>', tone, word)

    @admin.display(description="People")
    def people_count(self, send: HipaaSend) -> str:
        count = send.terms.recipients.get("count")
        return f"{count:,}" if count else "–"

    @admin.display(description="Not before", ordering="send_at")
    def when(self, send: HipaaSend) -> str:
        return show_time(send.send_at)

    def find_send(self, request: HttpRequest, public_id: UUID) -> tuple[HipaaSend, Person]:
        """The send and who asks, or 404 when it does not exist for this person."""
        send: HipaaSend = self.find_object(request, public_id)
        return send, person_of(request, send.account)

    # --- Views -----------------------------------------------------------------------------------

    def name_of(self, obj: Any) -> str:
        return str(obj.name)

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """A new draft, in the account named in the address or the only one there is."""
        accounts = list(self.accounts_to_change(request).order_by("name"))
        chosen = request.GET.get("account", "")
        found = [account for account in accounts if account.slug == chosen] if chosen else accounts
        if len(found) == 1:
            return SendPages(self).add(request, found[0])
        if chosen:
            raise Http404
        return self.show(request, "admin/hipaa/choose_account.html", title=self.add_label, accounts=accounts)

    def row_page(self, request: HttpRequest, send: HipaaSend, /) -> HttpResponse:
        """Where the send stands and what can be done next."""
        return SendPages(self).show(request, send)


def badge_of(send: HipaaSend, *, approval_state: str | None) -> tuple[str, str]:
    """(word, tone): how the send stands, by its newest approval while that decides, else by itself."""
    if approval_state and (approval_state not in ENDED or send.state == CampaignState.DRAFT):
        return state_of(approval_state)
    state = CampaignState(send.state)
    return state.label, TONES[state]
