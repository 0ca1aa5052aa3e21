"""Templates: write, see what is wrong, look at it as a reader does, send a test. Every save is a new version."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern

from campaigns.admin.preview import answer_html, answer_note, answer_text
from campaigns.admin.rights import Right
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.template_forms import (
    DraftForm,
    NewTemplateForm,
    RenameForm,
    TestForm,
    group_problems,
    make_draft,
    read_rows,
    rows_of,
    with_blanks,
)
from campaigns.admin.words import show_time
from campaigns.content.compile import CompiledVersion
from campaigns.content.problems import RenderError
from campaigns.content.starters import starter_drafts
from campaigns.content.versions import TemplateError, VersionDraft, check_draft, create_version, draft_of
from campaigns.errors import CampaignError
from campaigns.models import EmailTemplate, TemplateVersion
from campaigns.planning.testsend import send_test

_FOLDER = "admin/campaigns/emailtemplate"
_VERSIONS_SHOWN = 20
_EMPTY_START = ("", "An empty page")


@admin.register(EmailTemplate)
class EmailTemplateAdmin(RoomScreen):
    """Templates of one's accounts and their versions."""

    right_to_change: ClassVar[Right] = Right.COMPOSE
    list_display = ("name", "subject", "version", "changed")
    search_fields = ("name",)
    list_lead: ClassVar[str] = "The words and the look of your mail. Campaigns keep the version they were made with."
    add_label: ClassVar[str] = "New template"

    def get_queryset(self, request: HttpRequest) -> QuerySet[EmailTemplate]:
        newest = TemplateVersion.objects.filter(template=OuterRef("pk")).order_by("-number")
        rows: QuerySet[EmailTemplate] = super().get_queryset(request)
        return rows.annotate(
            last_subject=Subquery(newest.values("subject")[:1]),
            last_number=Max("versions__number"),
            last_at=Max("versions__created_at"),
        )

    @admin.display(description="Subject")
    def subject(self, row: EmailTemplate) -> str:
        return getattr(row, "last_subject", None) or "–"

    @admin.display(description="Version", ordering="last_number")
    def version(self, row: EmailTemplate) -> str:
        return str(getattr(row, "last_number", None) or "–")

    @admin.display(description="Changed", ordering="last_at")
    def changed(self, row: EmailTemplate) -> str:
        return show_time(getattr(row, "last_at", None) or row.created_at)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/preview/", self.preview, name="preview"),
            self.page("<uuid:public_id>/test/", self.send_test, name="test"),
            self.page("<uuid:public_id>/rename/", self.rename, name="rename"),
            *super().get_urls(),
        ]

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """A name and something to start from."""
        starters = starter_drafts()

        def add(given: dict[str, Any]) -> str:
            with transaction.atomic():
                template = _save_name(EmailTemplate(account=given["account"]), given["name"])
                if given["starter"]:
                    chosen = starters[int(given["starter"])].draft
                    create_version(template, draft=chosen, author=_author(request))
            return self.url_of(template)

        choices = [(str(number), starter.name) for number, starter in enumerate(starters)]
        form = NewTemplateForm(
            request.POST or None, accounts=self.accounts_to_change(request), starters=[*choices, _EMPTY_START]
        )
        form.fields["starter"].required = False
        return self.show_form(request, form, add, title=self.add_label, button="Start writing")

    def row_page(self, request: HttpRequest, template: EmailTemplate, /) -> HttpResponse:
        """The editor; saving makes the next version, or says beside each field what is wrong."""
        if request.method != "POST":
            shown = self._find_version(template, request.GET.get("version"))
            draft = draft_of(shown) if shown else VersionDraft("", "html", "")
            return self._edit(request, template, draft=draft, shown=shown)
        self.require_change(request, template)
        draft = make_draft(request.POST)
        try:
            version = create_version(template, draft=draft, author=_author(request))
        except TemplateError:
            return self._edit(request, template, draft=draft, shown=template.latest, failed=True)
        messages.success(request, f"Saved as version {version.number}.")
        return HttpResponseRedirect(self.url_of(template))

    def _edit(
        self,
        request: HttpRequest,
        template: EmailTemplate,
        *,
        draft: VersionDraft,
        shown: TemplateVersion | None,
        failed: bool = False,
        test_form: TestForm | None = None,
    ) -> HttpResponse:
        latest = template.latest
        rows = read_rows(request.POST) if failed else rows_of(draft.variables)
        problems = check_draft(draft) if shown or failed else ()
        return self.show(
            request,
            f"{_FOLDER}/editor.html",
            title=template.name,
            obj=template,
            template=template,
            form=DraftForm(initial={name: getattr(draft, name) for name in DraftForm.base_fields}),
            rows=with_blanks(rows),
            problems=group_problems(problems),
            failed=failed,
            blocking=sum(problem.blocking for problem in problems),
            shown=shown,
            latest=latest,
            is_old=bool(shown and latest and shown.pk != latest.pk),
            versions=template.versions.select_related("created_by")[:_VERSIONS_SHOWN],
            test_form=test_form or self._test_form(request, template),
            may_change=self.has_change_permission(request, template),
            preview_url=self.url_of(template, view="preview"),
            test_url=self.url_of(template, view="test"),
            rename_url=self.url_of(template, view="rename"),
            delete_url=self.url_of(template, view="delete"),
        )

    def _test_form(self, request: HttpRequest, template: EmailTemplate) -> TestForm:
        senders = template.account.senders.all()
        initial = {"to": getattr(request.user, "email", ""), "sender": senders.first()}
        return TestForm(request.POST or None, senders=senders, initial=initial)

    def _find_version(self, template: EmailTemplate, number: str | None) -> TemplateVersion | None:
        """The version asked for by number, or the latest; 404 for a number it does not have."""
        if not number:
            return template.latest
        found = template.versions.filter(number=number).first() if number.isascii() and number.isdigit() else None
        if found is None:
            raise Http404
        return found

    def preview(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail with sample values, for the frame: a stored version, or what is in the editor when posted."""
        template: EmailTemplate = self.find_object(request, public_id)
        asked = request.POST if request.method == "POST" else request.GET
        if request.method == "POST":
            draft = make_draft(request.POST)
        else:
            version = self._find_version(template, request.GET.get("version"))
            if version is None:
                return answer_note("Nothing to show yet", ["Write something, then look at it here."])
            draft = draft_of(version)
        try:
            shown = CompiledVersion(draft, digest=draft.digest()).preview(_own_words(template))
        except TemplateError as error:
            return answer_note("There is something to correct first", [problem.text for problem in error.problems])
        except RenderError as error:
            return answer_note("There is something to correct first", [f"{error.safe_text} {error.action}"])
        if asked.get("part") == "text" or not shown.html:
            return answer_text(shown.text)
        return answer_html(shown.html, images=asked.get("images") == "on")

    def send_test(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """One mail of the latest version with sample values to one address."""
        template: EmailTemplate = self.find_object(request, public_id)
        self.require_change(request, template)
        version = template.latest
        if request.method != "POST" or version is None:
            return HttpResponseNotAllowed(["POST"])
        form = TestForm(request.POST, senders=template.account.senders.all())
        try:
            if form.is_valid():
                send_test(
                    template.account,
                    content=version,
                    sender=form.cleaned_data["sender"],
                    to=form.cleaned_data["to"],
                    by=_author(request),
                )
                messages.success(request, f"Version {version.number} is on its way to that address.")
                return HttpResponseRedirect(self.url_of(template))
        except CampaignError as error:
            messages.error(request, f"{error.safe_text} {error.action}".strip())
        return self._edit(request, template, draft=draft_of(version), shown=version, test_form=form)

    def rename(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Another name for the template."""
        template: EmailTemplate = self.find_object(request, public_id)
        self.require_change(request, template)

        def save(given: dict[str, Any]) -> str:
            _save_name(template, given["name"])
            return self.url_of(template)

        form = RenameForm(request.POST or None, initial={"name": template.name})
        return self.show_form(request, form, save, title=f"Rename {template.name}", obj=template, button="Rename")


def _own_words(template: EmailTemplate) -> dict[str, str]:
    """What the built-in names are in this account, so that the preview looks like the mail."""
    account = template.account
    words = {"account_name": account.name, "postal_address": ", ".join(account.postal_address.splitlines())}
    return {name: value for name, value in words.items() if value}


def _author(request: HttpRequest) -> Any:
    return request.user if request.user.is_authenticated else None


def _save_name(template: EmailTemplate, name: str) -> EmailTemplate:
    template.name = name
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError as error:
        raise CampaignError(
            "template.exists", "Another template has this name.", action="Choose another name."
        ) from error
    return template
