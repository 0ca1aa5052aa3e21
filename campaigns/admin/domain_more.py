"""The pages beside the records of a domain: its score, the reports about it, the logo, and the zone file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils import timezone

from campaigns.admin.domain_charts import draw_columns, draw_ring
from campaigns.admin.room_screens import RoomScreen
from campaigns.domains import dmarc, report_figures, traffic
from campaigns.domains.bimi import check_logo
from campaigns.domains.health import gather_standing
from campaigns.domains.lookup import Dns, make_resolver
from campaigns.domains.offers import bimi_needs
from campaigns.domains.reports import Taken, take_reports
from campaigns.domains.score import (
    ENOUGH_FOR_COMPLAINTS,
    STOP_COMPLAINTS,
    WARN_BOUNCES,
    WARN_COMPLAINTS,
    Part,
    judge_standing,
)
from campaigns.domains.traffic import Share
from campaigns.domains.unpacking import MOST_PACKED
from campaigns.domains.zonefile import write_zone
from campaigns.errors import CampaignError
from campaigns.models import Domain

_FOLDER = "admin/campaigns/domain"
_MOST_FILES = 50
# Counting a million mails takes a second, and nobody needs them to the second.
_KEPT_SECONDS = 300


class _Files(forms.FileInput):
    allow_multiple_selected = True


class _FilesField(forms.FileField):
    """Several files at once."""

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        given = (data if isinstance(data, list) else [data]) or [None]
        if len(given) > _MOST_FILES:
            raise forms.ValidationError(f"At most {_MOST_FILES} files at once.")
        return [super(_FilesField, self).clean(file, initial) for file in given]


class ReportsForm(forms.Form):
    """Reports as they are attached to mails."""

    reports = _FilesField(
        label="Files",
        widget=_Files(attrs={"accept": ".xml,.json,.gz,.zip", "multiple": True}),
        help_text="Attachments of reports: .xml, .json, .gz or .zip. One you bring twice counts once.",
    )


class LogoForm(forms.Form):
    """A logo to look at; it is not kept."""

    file = forms.FileField(
        label="Logo",
        widget=forms.FileInput(attrs={"accept": ".svg,image/svg+xml"}),
        help_text="An SVG file. It is looked at and not kept.",
    )


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """One provider's line: its figures, a badge, and its complaints as a part of what is allowed (in thousandths)."""

    share: Share
    words: str
    tone: str
    bar: float


class MorePages(RoomScreen):
    """What the screen of domains has beside its records."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/health/", self.show_health, name="health"),
            self.page("<uuid:public_id>/reports/", self.show_reports, name="reports"),
            self.page("<uuid:public_id>/logo/", self.show_logo, name="logo"),
            self.page("<uuid:public_id>/zone.txt", self.download_zone, name="zone"),
            *super().get_urls(),
        ]

    def show_health(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """How well mail can arrive, and what to put right first."""
        domain: Domain = self.find_object(request, public_id)
        now = timezone.now()
        shares = _measure_traffic(domain)
        days = report_figures.count_mail(domain, until=now.date())
        score = judge_standing(gather_standing(domain, shares=shares, days=days))
        return self.show(
            request,
            f"{_FOLDER}/health.html",
            title=domain.name,
            obj=domain,
            score=score,
            ring=draw_ring(score.points),
            to_fix=[(part, self._link(domain, part)) for part in score.to_fix],
            providers=[_describe(share) for share in shares],
            period=traffic.PERIOD.days,
        )

    def show_reports(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """What mailboxes reported, drawn; and a way to bring reports in."""
        domain: Domain = self.find_object(request, public_id)
        if request.method == "POST":
            self.require_change(request, domain)

        def take(given: dict[str, Any]) -> str:
            taken, unread = _take_files(domain, given["reports"])
            messages.success(request, _say_taken(taken))
            if unread:
                messages.warning(request, f"Not read, because they are no reports: {', '.join(unread)}.")
            return self.url_of(domain, view="reports")

        until = timezone.now().date()
        mail = report_figures.count_mail(domain, until=until)
        connections = report_figures.count_connections(domain, until=until)
        sources = report_figures.count_sources(domain, until=until)
        return self.show_form(
            request,
            ReportsForm(*_given(request)),
            take,
            title=domain.name,
            template=f"{_FOLDER}/reports.html",
            obj=domain,
            mail=draw_columns([(d.day, d.passed, d.failed) for d in mail], words=("passed", "failed")),
            has_mail=any(day.passed or day.failed for day in mail),
            sources=sources,
            more_sources=report_figures.count_all_sources(domain, until=until) - len(sources),
            tls=draw_columns([(d.day, d.passed, d.failed) for d in connections], words=("encrypted", "not encrypted")),
            has_tls=any(day.passed or day.failed for day in connections),
            troubles=report_figures.count_troubles(domain, until=until),
            may_change=self.has_change_permission(request, domain),
        )

    def show_logo(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """What a logo beside the mail needs, and whether this file fits (BI-01)."""
        domain: Domain = self.find_object(request, public_id)
        form = LogoForm(*_given(request))
        wants: list[str] | None = None
        needs: list[str] = []
        if request.method == "POST" and form.is_valid():
            file: UploadedFile[Any] = form.cleaned_data["file"]
            wants = check_logo(file.read(MOST_PACKED + 1))
            needs = bimi_needs(dmarc.walk(domain.name, dns=Dns(make_resolver())))
        return self.show(
            request,
            f"{_FOLDER}/logo.html",
            title=domain.name,
            obj=domain,
            form=form,
            wants=wants,
            needs=needs,
            host=f"default._bimi.{domain.name}",
            finding=domain.findings.filter(record="bimi").first(),
        )

    def download_zone(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """All records as a zone file."""
        domain: Domain = self.find_object(request, public_id)
        response = HttpResponse(write_zone(domain), content_type="text/plain; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{domain.name}.zone.txt"'
        return response

    def _link(self, domain: Domain, part: Part) -> str:
        """Where a part of the score is put right."""
        if part.place == "reports":
            return self.url_of(domain, view="reports")
        if part.place == "providers":
            return "#providers"
        return self.url_of(domain) + ("" if part.place == "records" else f"#{part.place}")


def _given(request: HttpRequest) -> tuple[Any, Any]:
    """What a form with files is filled with; nothing while the page is only looked at."""
    return (request.POST, request.FILES) if request.method == "POST" else (None, None)


def _measure_traffic(domain: Domain) -> list[Share]:
    shares: list[Share] = cache.get_or_set(
        f"domain-traffic:{domain.pk}", lambda: traffic.measure_traffic(domain, now=timezone.now()), _KEPT_SECONDS
    )  # type: ignore[assignment]
    return shares


def _describe(share: Share) -> ProviderRow:
    bar = min(share.complaint_percent / STOP_COMPLAINTS, 1.0) * 1000
    if share.arrived >= ENOUGH_FOR_COMPLAINTS and share.complaint_percent >= STOP_COMPLAINTS:
        return ProviderRow(share, "Too many complaints", "is-bad", bar)
    if share.arrived >= ENOUGH_FOR_COMPLAINTS and share.complaint_percent >= WARN_COMPLAINTS:
        return ProviderRow(share, "Many complaints", "is-warn", bar)
    if share.mails >= ENOUGH_FOR_COMPLAINTS // 10 and share.bounce_percent >= WARN_BOUNCES:
        return ProviderRow(share, "Many bounces", "is-warn", bar)
    if share.arrived < ENOUGH_FOR_COMPLAINTS:
        return ProviderRow(share, "Too few to tell", "", bar)
    return ProviderRow(share, "Good", "is-ok", bar)


def _take_files(domain: Domain, files: Sequence[UploadedFile[Any]]) -> tuple[Taken, list[str]]:
    """One file after the other; the names of those that cannot be read, unless it is all of them: then it raises."""
    taken, unread = Taken(), list[str]()
    for file in files:
        try:
            # One byte more shows that it is too much.
            taken += take_reports(file.read(MOST_PACKED + 1), domains=[domain], now=timezone.now())
        except CampaignError:
            unread.append(file.name or "?")
            if len(unread) == len(files):
                raise
    return taken, unread


def _say_taken(taken: Taken) -> str:
    parts = [f"{taken.stored} new"]
    if taken.known:
        parts.append(f"{taken.known} known before")
    if taken.foreign:
        parts.append(f"{taken.foreign} about other domains, left out")
    return f"Reports: {', '.join(parts)}."
