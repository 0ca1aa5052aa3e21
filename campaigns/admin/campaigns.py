"""Campaigns: the list, and who may do what; the pages of one campaign are in campaign_pages."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import URLPattern, reverse
from django.utils.html import format_html

from campaigns.admin.campaign_pages import CampaignPages
from campaigns.admin.campaign_statistics import StatisticsPages
from campaigns.admin.campaign_words import TONES
from campaigns.admin.local_time import WallTime
from campaigns.admin.pages import id_of
from campaigns.admin.rights import Right, may
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.scoping import SealpostChangeList
from campaigns.models import Account, Campaign, CampaignKind, CampaignState
from campaigns.outbox.overview import Overview, overview_campaigns


class CampaignList(SealpostChangeList):
    """The list with the figures of its campaigns, fetched for the whole page at once."""

    def url_for_result(self, result: Model) -> str:
        return reverse("admin:campaigns_campaign_page", args=[id_of(result)])

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        overviews = overview_campaigns([row.pk for row in self.result_list])
        for row in self.result_list:
            row.overview = overviews.get(row.pk)


@admin.register(Campaign)
class CampaignAdmin(RoomScreen):
    """Campaigns of one's accounts."""

    right_to_change: ClassVar[Right] = Right.COMPOSE
    list_display = ("title", "state_badge", "people_count", "outcome", "when")
    list_filter = ("state",)
    search_fields = ("name",)
    list_select_related = ("account",)
    list_lead: ClassVar[str] = "One mail to the people on your lists: write, check, send, watch."
    add_label: ClassVar[str] = "New campaign"
    change_list_template = "admin/campaigns/campaign/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        return [*StatisticsPages(self).urls(), *CampaignPages(self).urls(), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # HIPAA sends have screens of their own; nothing of these pages may act on one.
        return super().get_queryset(request).filter(kind=CampaignKind.BROADCAST)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:  # noqa: ARG002
        return CampaignList

    # --- Columns ---------------------------------------------------------------------------------

    @admin.display(description="Campaign", ordering="name")
    def title(self, campaign: Campaign) -> str:
        return campaign.name

    @admin.display(description="State", ordering="state")
    def state_badge(self, campaign: Campaign) -> str:
        state = CampaignState(campaign.state)
        return format_html('<span><span class="badge {}">{}</span></span>', TONES[state], state.label)

    @admin.display(description="People")
    def people_count(self, campaign: Campaign) -> str:
        overview = _overview(campaign)
        return f"{overview.planned:,}" if overview else "–"

    @admin.display(description="Sent / not sent")
    def outcome(self, campaign: Campaign) -> str:
        overview = _overview(campaign)
        if overview is None:
            return "–"
        return render_to_string("admin/campaigns/campaign/_outcome.html", {"overview": overview})

    @admin.display(description="When", ordering="send_at")
    def when(self, campaign: Campaign) -> str:
        if campaign.send_at is None:
            return "Not scheduled"
        time = WallTime(campaign.send_at, campaign.account.time_zone)
        return format_html('<time datetime="{}">{}</time>', campaign.send_at.isoformat(), time.short)

    # --- Rights ----------------------------------------------------------------------------------

    def may_compose(self, request: HttpRequest, owned: Campaign | Account) -> bool:
        """Whether the person may write campaigns in the account."""
        return may(request, Right.COMPOSE, account_id=_account_id(owned))

    def may_send(self, request: HttpRequest, owned: Campaign | Account) -> bool:
        """Whether the person may send, schedule, pause, resume and cancel in the account."""
        return may(request, Right.SEND, account_id=_account_id(owned))

    def require_compose(self, request: HttpRequest, owned: Campaign | Account) -> None:
        if not self.may_compose(request, owned):
            raise PermissionDenied

    def require_send(self, request: HttpRequest, owned: Campaign | Account) -> None:
        if not self.may_send(request, owned):
            raise PermissionDenied

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What was sent is a record; only a draft may disappear.
        is_draft = obj is None or obj.state == CampaignState.DRAFT
        return is_draft and super().has_delete_permission(request, obj)

    # --- Views -----------------------------------------------------------------------------------

    def find_campaign(self, request: HttpRequest, public_id: UUID) -> Campaign:
        """The campaign when the person's accounts hold it; else 404, for strangers and wrong ids alike."""
        parts = ("account", "content__template", "sender__domain", "transport", "landing_page")
        rows = self.get_queryset(request).select_related(*parts)
        campaign: Campaign | None = rows.filter(public_id=public_id).first()
        if campaign is None or not self.has_view_permission(request, campaign):
            raise Http404
        return campaign

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """A new draft, in the account named in the address or the only one there is."""
        accounts = list(self.accounts_to_change(request).order_by("name"))
        chosen = request.GET.get("account", "")
        found = [account for account in accounts if account.slug == chosen] if chosen else accounts
        if len(found) == 1:
            return CampaignPages(self).add(request, found[0])
        if chosen:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": "New campaign",
            "opts": self.opts,
            "accounts": accounts,
        }
        return render(request, "admin/campaigns/campaign/choose_account.html", context)

    def row_page(self, request: HttpRequest, campaign: Campaign, /) -> HttpResponse:  # noqa: ARG002
        """Django's own address of a row leads to its page."""
        return HttpResponseRedirect(reverse("admin:campaigns_campaign_page", args=[campaign.public_id]))


def _overview(campaign: Campaign) -> Overview | None:
    return getattr(campaign, "overview", None)


def _account_id(owned: Campaign | Account) -> int:
    return owned.pk if isinstance(owned, Account) else owned.account_id
