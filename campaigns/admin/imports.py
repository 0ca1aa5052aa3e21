"""Imports: upload a file, say what its columns are, watch it, and fetch what was rejected."""

from __future__ import annotations

import io
import tempfile
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns.admin.dashboard import IMPORT_TONES
from campaigns.admin.import_columns import read_columns, show_columns
from campaigns.admin.import_progress import measure_import
from campaigns.admin.rights import Right
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.scoping import scope_rows
from campaigns.audiences import importing
from campaigns.audiences.importing import DELIMITERS, ENCODINGS
from campaigns.errors import CampaignError
from campaigns.models import ConsentKind, ContactList, ImportJob, ImportState

_FOLDER = "admin/campaigns/importjob"
_ERRORS_SHOWN = 50
_DELIMITER_WORDS = {",": "Comma ,", ";": "Semicolon ;", "\t": "Tab", "|": "Bar |"}


class UploadForm(forms.Form):
    """The file and where it goes; the rest is found out, unless somebody knows better."""

    list = forms.ModelChoiceField(queryset=ContactList.objects.none(), empty_label="Choose a list")
    file = forms.FileField(
        label="File",
        help_text="A CSV or text file, also packed as .gz. The first row names the columns.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.gz,text/csv,text/plain,application/gzip"}),
    )
    encoding = forms.ChoiceField(
        label="Letters are stored as",
        required=False,
        choices=[("", "Find out"), *((name, name.upper()) for name in ENCODINGS)],
    )
    delimiter = forms.ChoiceField(
        label="Columns are separated by",
        required=False,
        choices=[("", "Find out"), *((sign, _DELIMITER_WORDS.get(sign, sign)) for sign in DELIMITERS)],
    )

    def __init__(self, *args: Any, lists: QuerySet[ContactList], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["list"].queryset = lists  # type: ignore[attr-defined]


class ConsentForm(forms.Form):
    """How these people agreed; kept with every subscription as the proof."""

    consent_kind = forms.ChoiceField(
        label="How did these people agree to hear from you?",
        choices=[
            (ConsentKind.DOUBLE, "They signed up and confirmed by a link in a mail"),
            (ConsentKind.EXPRESS, "They signed up or ticked a box"),
            (ConsentKind.IMPLIED, "They are customers or members who never said no"),
            (ConsentKind.UNKNOWN, "We have no record of it"),
        ],
        widget=forms.RadioSelect,
        error_messages={"required": "Choose what fits best. It is kept with every person in the file."},
    )
    consent_source = forms.CharField(
        label="Where and when",
        required=False,
        max_length=200,
        help_text="Such as “Stand at the spring fair 2026”. Empty: the name of the file.",
    )


@admin.register(ImportJob)
class ImportJobAdmin(RoomScreen):
    """Files of people, from upload to result."""

    right_to_change: ClassVar[Right] = Right.IMPORT
    list_display = ("file", "list", "state_badge", "read", "added")
    list_select_related = ("list",)
    list_filter = ("state",)
    list_lead: ClassVar[str] = "Files of people. Whoever unsubscribed stays unsubscribed, whatever a file says."
    add_label: ClassVar[str] = "Import a file"

    @admin.display(description="File", ordering="filename")
    def file(self, job: ImportJob) -> str:
        return job.filename

    @admin.display(description="State")
    def state_badge(self, job: ImportJob) -> str:
        return format_html('<span class="badge {}">{}</span>', IMPORT_TONES[job.state], job.get_state_display())

    @admin.display(description="Rows")
    def read(self, job: ImportJob) -> str:
        return f"{job.position:,}"

    def name_of(self, obj: Any) -> str:
        return str(obj.filename)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/progress/", self.show_progress, name="progress"),
            self.page("<uuid:public_id>/errors.csv", self.download_errors, name="errors"),
            *super().get_urls(),
        ]

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Step 1: the file and the list it goes into."""

        def start(given: dict[str, Any]) -> str:
            chosen: ContactList = given["list"]
            job = importing.start_import(
                chosen.account,
                list=chosen,
                file=given["file"],
                filename=given["file"].name,
                encoding=given["encoding"],
                delimiter=given["delimiter"],
                by=request.user if request.user.is_authenticated else None,
            )
            return self.url_of(job)

        lists = scope_rows(ContactList, request).filter(account__in=self.accounts_to_change(request))
        chosen = lists.filter(public_id=_read_id(request.GET.get("list", ""))).first()
        form = UploadForm(request.POST or None, request.FILES or None, lists=lists, initial={"list": chosen})
        return self.show_form(
            request, form, start, title=self.add_label, template=f"{_FOLDER}/upload.html", has_lists=lists.exists()
        )

    def row_page(self, request: HttpRequest, job: ImportJob, /) -> HttpResponse:
        """Step 2 while the columns are not known; step 3 after."""
        if job.state == ImportState.WAITING and self.has_change_permission(request, job):
            return self._choose_columns(request, job)
        return self.show(
            request,
            f"{_FOLDER}/page.html",
            title=job.filename,
            obj=job,
            job=job,
            progress=measure_import(job, now=timezone.now()),
            errors=job.row_errors.order_by("line", "id")[:_ERRORS_SHOWN],
            progress_url=self.url_of(job, view="progress"),
            errors_url=self.url_of(job, view="errors"),
        )

    def _choose_columns(self, request: HttpRequest, job: ImportJob) -> HttpResponse:
        mapping = read_columns(request.POST, job) if request.method == "POST" else dict(job.mapping)

        def start(given: dict[str, Any]) -> str:
            job.consent_kind = given["consent_kind"]
            job.consent_source = given["consent_source"] or job.filename[:200]
            job.save(update_fields=["consent_kind", "consent_source"])
            importing.set_mapping(job, mapping)
            importing.queue_import(job)
            messages.success(request, "The import has started. You can leave this page; it goes on.")
            return self.url_of(job)

        form = ConsentForm(request.POST or None)
        try:
            columns = show_columns(job, mapping)
        except CampaignError as error:
            columns = ()
            messages.error(request, f"{error.safe_text} {error.action}")
        return self.show_form(
            request,
            form,
            start,
            title=job.filename,
            template=f"{_FOLDER}/columns.html",
            obj=job,
            job=job,
            columns=columns,
            delete_url=self.url_of(job, view="delete"),
        )

    def show_progress(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The progress card alone, for the page that watches."""
        job: ImportJob = self.find_object(request, public_id)
        progress = measure_import(job, now=timezone.now())
        response = render(request, f"{_FOLDER}/_progress.html", {"job": job, "progress": progress})
        response["X-Live"] = "true" if progress.is_live else "false"
        response["X-Spoken"] = progress.spoken
        response["Cache-Control"] = "no-store"
        return response

    def download_errors(self, request: HttpRequest, public_id: UUID) -> FileResponse:
        """Every rejected row with its line and reason, as CSV."""
        job: ImportJob = self.find_object(request, public_id)
        raw = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        importing.write_errors(job, text)
        text.flush()
        text.detach()
        raw.seek(0)
        name = f"rejected-{str(job.public_id)[:8]}.csv"
        return FileResponse(raw, as_attachment=True, filename=name, content_type="text/csv; charset=utf-8")

    def delete_model(self, request: HttpRequest, obj: ImportJob) -> None:  # noqa: ARG002
        importing.discard_import(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What ran is the record of where people came from.
        return (
            obj is None or obj.state in {ImportState.WAITING, ImportState.FAILED}
        ) and super().has_delete_permission(request, obj)


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
