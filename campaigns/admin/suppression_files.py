"""Addresses not to write to, as files: taken in with progress and what was rejected, and handed out."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern

from campaigns.admin.pages import AccountForm
from campaigns.admin.scoping import scope_rows
from campaigns.admin.suppression_forms import SuppressionFileForm
from campaigns.audiences import suppression_imports, suppression_list
from campaigns.audiences.importing import guard_cell
from campaigns.models import Account, ContactList, ImportState, SuppressionImport
from compliance import audit
from compliance.audit import Ref

if TYPE_CHECKING:
    from campaigns.admin.room_screens import RoomScreen

_FOLDER = "admin/campaigns/suppression"
_SHOWN = 50
_LIVE = {ImportState.QUEUED, ImportState.RUNNING}


class _Line:
    """What csv writes, handed on line by line."""

    def write(self, text: str) -> str:
        return text


class SuppressionFiles:
    """Pages beside the list of entries, for whoever may change it."""

    def __init__(self, admin: RoomScreen) -> None:
        self.admin = admin

    def urls(self) -> list[URLPattern]:
        page = self.admin.page
        return [
            page("import/", self.upload, name="import"),
            page("import/<uuid:public_id>/", self.show_import, name="imported"),
            page("import/<uuid:public_id>/progress/", self.show_progress, name="import_progress"),
            page("import/<uuid:public_id>/errors.csv", self.download_errors, name="import_errors"),
            page("export/", self.export, name="export"),
        ]

    def upload(self, request: HttpRequest) -> HttpResponse:
        """A file, and what its addresses get from now on."""
        accounts = self._accounts(request)

        def start(given: dict[str, Any]) -> str:
            by = request.user if request.user.is_authenticated else None
            job = suppression_imports.start_import(
                given["account"], file=given["file"], filename=given["file"].name, scope=given["scope"],
                reason=given["reason"], list=given["list"], note=given["note"], by=by,
            )  # fmt: skip
            messages.success(request, "The import has started. You can leave this page; it goes on.")
            return self.admin.url_of(job, view="imported")

        lists = scope_rows(ContactList, request)
        form = SuppressionFileForm(request.POST or None, request.FILES or None, accounts=accounts, lists=lists)
        intro = (
            "Every address of the file is written down as not to be written to. Who is there already stays as they are."
        )
        return self.admin.show_form(
            request, form, start, title="Import addresses", intro=intro, button="Do not write to them"
        )

    def show_import(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """How far the file is, and which rows held no address."""
        job = self._find(request, public_id)
        return self.admin.show(
            request,
            f"{_FOLDER}/imported.html",
            title=job.filename,
            job=job,
            is_live=job.state in _LIVE,
            percent=_percent(job),
            errors=job.errors[:_SHOWN],
            progress_url=self.admin.url_of(job, view="import_progress"),
            errors_url=self.admin.url_of(job, view="import_errors"),
        )

    def show_progress(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The progress card alone, for the page that watches."""
        job = self._find(request, public_id)
        context = {"job": job, "is_live": job.state in _LIVE, "percent": _percent(job)}
        response = render(request, f"{_FOLDER}/_progress.html", context)
        response["X-Live"] = "true" if job.state in _LIVE else "false"
        response["X-Spoken"] = f"{_percent(job) // 10 * 10} percent read"
        response["Cache-Control"] = "no-store"
        return response

    def download_errors(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The rejected rows, as far as they are kept: line and reason. What they say is in the file they came from."""
        job = self._find(request, public_id)
        response = HttpResponse(content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="rejected-{str(job.public_id)[:8]}.csv"'
        writer = csv.writer(response)
        writer.writerow(["line", "reason"])
        writer.writerows(job.errors)
        return response

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """Say what the file will hold, then hand it out; who did is kept."""
        accounts = self._accounts(request)
        form = AccountForm(request.POST if request.method == "POST" else None, accounts=accounts)
        if request.method == "POST" and form.is_valid():
            account: Account = form.cleaned_data["account"]
            owner = str(account.public_id)
            audit.note(
                "suppression.exported", owner=owner, actor=Ref("person", str(request.user.pk)),
                about=Ref("account", owner),
            )  # fmt: skip
            response = StreamingHttpResponse(_write(account), content_type="text/csv; charset=utf-8")
            response["Content-Disposition"] = 'attachment; filename="do-not-email.csv"'
            return response
        unnamed = sum(suppression_list.count_unnamed(account) for account in accounts)
        return self.admin.show(request, f"{_FOLDER}/export.html", title="Export addresses", form=form, unnamed=unnamed)

    def _accounts(self, request: HttpRequest) -> QuerySet[Account]:
        accounts = self.admin.accounts_to_change(request)
        if not accounts:
            raise PermissionDenied
        return accounts

    def _find(self, request: HttpRequest, public_id: UUID) -> SuppressionImport:
        mine = SuppressionImport.objects.filter(account__in=self._accounts(request), public_id=public_id)
        found = mine.select_related("list").first()
        if found is None:
            raise Http404
        return found


def _percent(job: SuppressionImport) -> int:
    if job.state == ImportState.DONE:
        return 100
    return min(99, int(100 * job.bytes_read / job.size)) if job.size else 0


def _write(account: Account) -> Iterator[str]:
    writer = csv.writer(_Line())
    for row in suppression_list.export_rows(account):
        yield writer.writerow(map(guard_cell, row))
