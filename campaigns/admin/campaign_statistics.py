"""Statistics of a campaign: charts, links, domains, readers, comparison, and all of it as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

from django.contrib.admin import AdminSite
from django.db.models import QuerySet
from django.db.models.options import Options
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils import timezone

from campaigns.accounts.tenancy import access_message
from campaigns.admin import campaign_exports
from campaigns.admin.campaign_figures import counts, list_figures, reason_bars, say_percent, uncounted
from campaigns.admin.campaign_heat import draw_heat, show_url
from campaigns.admin.campaign_words import explain
from campaigns.admin.charts import Bar, bars, chart_hours
from campaigns.admin.preview import answer_html, answer_note
from campaigns.audiences import preferences
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Campaign, CampaignState, Submission
from campaigns.tracking import breakdown, stats, timeline
from campaigns.tracking.stats import Funnel

_FOLDER = "admin/campaigns/campaign"
_MOST_COMPARED = 6
_OFFERED = 50
_LINKS_SHOWN = 25


class Screen(Protocol):
    """The admin of campaigns, as far as its statistics need it."""

    opts: Options[Any]
    admin_site: AdminSite

    def find_campaign(self, request: HttpRequest, public_id: UUID) -> Campaign: ...
    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]: ...


class StatisticsPages:
    """Views of what became of campaigns; every one gets its campaign through the admin's own scoped queryset."""

    def __init__(self, admin: Screen) -> None:
        self.admin = admin

    def urls(self) -> list[URLPattern]:
        return [
            self._page("compare/", self.compare, "compare"),
            self._page("<uuid:public_id>/statistics/", self.show, "statistics"),
            self._page("<uuid:public_id>/statistics/mail/", self.show_heat, "heat"),
            self._page("<uuid:public_id>/statistics/<slug:what>.csv", self.export, "export"),
            self._page("<uuid:public_id>/readers/", self.list_readers, "readers"),
            self._page("<uuid:public_id>/readers/<uuid:message_id>/", self.tell_story, "reader"),
        ]

    def _page(self, route: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
        return path(route, self.admin.admin_site.admin_view(view), name=f"campaigns_campaign_{name}")

    def show(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Funnel, time, links, domains and devices."""
        campaign, submission = self._find(request, public_id)
        funnel = stats.read_funnel(campaign)
        opens, clicks = (counts(submission, what, funnel) for what in ("opens", "clicks"))
        details = breakdown.read_details(submission, now=timezone.now())
        links = stats.read_links(submission) if clicks else []
        hours = stats.read_hours(submission, sent=details.sent)
        context = self._context(
            request,
            campaign,
            title=f"Statistics of {campaign.name}",
            figures=list_figures(funnel, opens=opens, clicks=clicks),
            funnel=_funnel_bars(funnel, opens=opens, clicks=clicks),
            machines=funnel.opened.machines + funnel.clicked.machines,
            chart=chart_hours(hours, zone=campaign.account.time_zone),
            links=_link_bars(links[:_LINKS_SHOWN], funnel),
            more_links=max(len(links) - _LINKS_SHOWN, 0),
            domains=details.domains,
            details=details,
            devices=_device_bars(submission),
            reasons=reason_bars(preferences.reasons_of_submission(submission.pk)),
        )
        return render(request, f"{_FOLDER}/statistics.html", context)

    def show_heat(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail with the clicks drawn on its links, for a sandboxed frame."""
        campaign, submission = self._find(request, public_id)
        try:
            return answer_html(draw_heat(campaign, submission))
        except CampaignError as error:
            return answer_note(error.safe_text, [error.action] if error.action else [])

    def export(self, request: HttpRequest, public_id: UUID, what: str) -> HttpResponseBase:
        """One of the tables as a CSV file."""
        campaign, submission = self._find(request, public_id)
        write = campaign_exports.EXPORTS.get(what)
        if write is None:
            raise Http404
        return campaign_exports.answer_csv(write(campaign, submission), name=f"{campaign.public_id}-{what}.csv")

    def list_readers(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Everybody who was written to, a page at a time."""
        campaign, submission = self._find(request, public_id)
        show = request.GET.get("show", "")
        if show not in timeline.FILTERS:
            raise Http404
        page = timeline.list_readers(submission, show=show, after=request.GET.get("after", "")[:43])
        context = self._context(request, campaign, title="Readers", page=page, show=show, filters=_FILTERS)
        return render(request, f"{_FOLDER}/readers.html", context)

    def tell_story(self, request: HttpRequest, public_id: UUID, message_id: UUID) -> HttpResponse:
        """What is known of one person's mail."""
        campaign, submission = self._find(request, public_id)
        try:
            message = access_message(campaign.account, message_id)
        except NotFound as error:
            raise Http404 from error
        if message.submission_id != submission.pk:
            raise Http404
        moments = [
            (moment, show_url(moment.url), explain(moment.code) if moment.code and not moment.device else "")
            for moment in timeline.tell_story(message)
        ]
        context = self._context(request, campaign, title=message.recipient, message=message, moments=moments)
        return render(request, f"{_FOLDER}/reader.html", context)

    def compare(self, request: HttpRequest) -> HttpResponseBase:
        """Some campaigns side by side, chosen from the last ones."""
        sent = self.admin.get_queryset(request).exclude(state__in=[CampaignState.DRAFT, CampaignState.SCHEDULED])
        offered = list(sent.select_related("account").order_by("-send_at", "-pk")[:_OFFERED])
        chosen_ids = set(request.GET.getlist("c")[:_MOST_COMPARED])
        chosen = [campaign for campaign in offered if str(campaign.public_id) in chosen_ids]
        compared = stats.compare_campaigns(chosen)
        missing = {entry.campaign.pk: uncounted(entry) for entry in compared}
        if request.GET.get("format") == "csv":
            rows = campaign_exports.write_comparison(compared, missing)
            return campaign_exports.answer_csv(rows, name="comparison.csv")
        context = {
            **self.admin.admin_site.each_context(request),
            "opts": self.admin.opts,
            "title": "Compare campaigns",
            "offered": offered,
            "chosen": {campaign.pk for campaign in chosen},
            "rows": _comparison(compared, missing),
            "compared": compared,
            "most": _MOST_COMPARED,
            "query": request.GET.urlencode(),
        }
        return render(request, f"{_FOLDER}/compare.html", context)

    def _find(self, request: HttpRequest, public_id: UUID) -> tuple[Campaign, Submission]:
        """The campaign and what was sent of it; 404 for strangers, and before anything was."""
        campaign = self.admin.find_campaign(request, public_id)
        submission = campaign.submissions.select_related("account", "sender__domain", "content").order_by("pk").first()
        if submission is None:
            raise Http404
        return campaign, submission

    def _context(self, request: HttpRequest, campaign: Campaign, **extra: Any) -> dict[str, Any]:
        return {
            **self.admin.admin_site.each_context(request),
            "opts": self.admin.opts,
            "campaign": campaign,
            **extra,
        }


_FILTERS = (
    ("", "All"),
    ("opened", "Opened"),
    ("clicked", "Clicked"),
    ("bounced", "Came back"),
    ("left", "Unsubscribed or called it spam"),
)


def _funnel_bars(funnel: Funnel, *, opens: bool, clicks: bool) -> list[Bar]:
    steps = [("Planned", funnel.planned), ("Sent", funnel.left), ("Arrived", funnel.arrived)]
    steps += [("Opened", funnel.opened.shown)] if opens else []
    steps += [("Clicked", funnel.clicked.shown)] if clicks else []
    first = funnel.planned or 1
    # What is counted without names may be more than the readers there are; no bar is longer than the first.
    return [
        Bar(label, count, round(min(100 * count / first, 100), 2), say_percent(min(100 * count / first, 100)))
        for label, count in steps
    ]


def _link_bars(links: Sequence[stats.LinkFigures], funnel: Funnel) -> list[Bar]:
    total = sum(link.clicks for link in links) or 1
    rows = [
        (
            show_url(link.url) + (f" (place {link.place + 1})" if link.place else ""),
            link.clicks,
            say_percent(100 * link.clicks / total),
            f"{link.machine_clicks:,} by machines" if link.machine_clicks else "",
        )
        for link in links
    ]
    return bars(rows) if funnel.clicked.total or rows else []


def _device_bars(submission: Submission) -> list[Bar]:
    devices = stats.read_devices(submission)
    total = sum(row.opened + row.clicked for row in devices) or 1
    return bars(
        [
            (f"{row.device}, {row.system}", count, say_percent(100 * count / total), "")
            for row in devices
            if (count := row.opened + row.clicked)
        ]
    )


def _comparison(
    compared: Sequence[stats.Compared], missing: Mapping[int, frozenset[str]]
) -> list[tuple[str, list[Bar]]]:
    """Rows of the table of comparison: a figure, and its bar for each campaign."""

    def row(
        label: str, count: Callable[[Funnel], int], *, of_left: bool = False, what: str = ""
    ) -> tuple[str, list[Bar]]:
        shares = []
        for entry in compared:
            base = entry.funnel.left if of_left else entry.funnel.arrived
            shares.append(min(100 * count(entry.funnel) / base, 100.0) if base else 0.0)
        most = max(shares, default=0) or 1
        cells = zip(compared, shares, strict=True)
        return label, [
            Bar("", 0, 0, hint="Not counted")
            if what in missing[entry.campaign.pk]
            else Bar("", count(entry.funnel), round(100 * share / most, 2), say_percent(share))
            for entry, share in cells
        ]

    return [
        row("Arrived", lambda funnel: funnel.arrived, of_left=True),
        row("Opened", lambda funnel: funnel.opened.shown, what="opens"),
        row("Clicked", lambda funnel: funnel.clicked.shown, what="clicks"),
        row("Unsubscribed", lambda funnel: funnel.unsubscribed),
        row("Called it spam", lambda funnel: funnel.complained),
        row("Came back", lambda funnel: funnel.bounced, of_left=True),
    ]
