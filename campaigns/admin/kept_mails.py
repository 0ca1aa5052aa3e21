"""Stored mail: copies of what was sent, found by exact address, id, subject or state, and read as they left."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from campaigns import addresses
from campaigns.admin.paging import read_place, slice_rows
from campaigns.admin.preview import answer_html, answer_note, answer_text
from campaigns.admin.rights import Right, accounts_of, may
from campaigns.admin.room_screens import ReadOnly, RoomScreen
from campaigns.content.mail_reading import ReadMail, read_mail
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Account, BaaStatus, KeptMail, Message, MessageState
from campaigns.storage.finding import Wanted, find_mails, open_copy
from compliance import audit
from compliance.audit import Ref

_FOLDER = "admin/campaigns/keptmail"
_PER_PAGE = 25
# What somebody looks for waits in the session, so that no address is ever part of a web address.
_WANTED = "kept_mails_wanted"
_STATES = [("", "Any"), *((state.value, state.label) for state in MessageState)]


class SearchForm(forms.Form):
    """Every field narrows it down."""

    recipient = forms.CharField(
        required=False, max_length=254, label="To", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    message_id = forms.CharField(required=False, max_length=200, label="Message id")
    subject = forms.CharField(required=False, max_length=100, label="Words of the subject")
    state = forms.ChoiceField(required=False, choices=_STATES, label="State")

    def clean_recipient(self) -> str:
        given = str(self.cleaned_data["recipient"]).strip()
        if given:
            try:
                addresses.parse(given)
            except AddressError as error:
                raise forms.ValidationError(f"{error.safe_text} Write the whole address.", code=error.code) from None
        return given

    def wanted(self) -> Wanted:
        return Wanted(**{name: str(value).strip() for name, value in self.cleaned_data.items()})


@admin.register(KeptMail)
class KeptMailAdmin(ReadOnly, RoomScreen):
    """Newest first, page by page along the key; who opens or downloads a mail stands in the audit trail."""

    list_lead: ClassVar[str] = (
        "Copies of what was sent, as long as the account keeps them. Who opens one is written down."
    )
    right_to_view: ClassVar[Right] = Right.READ_MAIL
    right_to_change: ClassVar[Right] = Right.READ_MAIL

    def get_urls(self) -> list[Any]:
        return [
            self.page("search/", self.search, name="search"),
            self.page("<uuid:public_id>/part/", self.show_part, name="part"),
            self.page("<uuid:public_id>/mail.eml", self.download, name="download"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[KeptMail]:
        return find_mails(self._accounts(request), Wanted())

    def _accounts(self, request: HttpRequest) -> QuerySet[Account]:
        mine = accounts_of(request.user)
        if request.user.is_superuser:
            return mine
        allowed = [pk for pk in mine.values_list("pk", flat=True) if may(request, Right.READ_MAIL, account_id=pk)]
        return mine.filter(pk__in=allowed)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        """What was looked for, or everything, without a mail opened."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._show(request, None)

    def row_page(self, request: HttpRequest, opened: KeptMail, /) -> HttpResponse:
        """The same with one mail opened."""
        return self._show(request, opened)

    def _show(self, request: HttpRequest, opened: KeptMail | None) -> HttpResponse:
        form = SearchForm(request.session.get(_WANTED) or None)
        is_search = form.is_bound and form.is_valid()
        wanted = form.wanted() if is_search else Wanted()
        rows = find_mails(self._accounts(request), wanted)
        page, newer, older = slice_rows(rows, request, per_page=_PER_PAGE)
        mail, trouble = _read(opened)
        keeps = Q(active_storage_days__gt=0) | Q(archive_storage_days__gt=0)
        people = _recipients([*page, *([opened] if opened else [])])
        return self.show(
            request,
            f"{_FOLDER}/page.html",
            title="Stored mail",
            lead=self.list_lead,
            form=form,
            is_search=is_search,
            mails=[(row, people.get(row.public_id, ""), self.url_of(row)) for row in page],
            keep=read_place(request),
            newer=newer,
            older=older,
            is_kept=self._accounts(request).filter(keeps, baa_status=BaaStatus.NONE).exists(),
            search_url=self.url_of(view="search"),
            opened=opened,
            recipient=people.get(opened.public_id, "") if opened else "",
            mail=mail,
            trouble=trouble,
            part_url=self.url_of(opened, view="part") if opened else "",
            download_url=self.url_of(opened, view="download") if opened else "",
        )

    def search(self, request: HttpRequest) -> HttpResponse:
        """Keep what is looked for, or forget it."""
        request.session.pop(_WANTED, None)
        if request.method == "POST" and "clear" not in request.POST:
            form = SearchForm(request.POST)
            if form.is_valid() and any(form.cleaned_data.values()):
                request.session[_WANTED] = form.cleaned_data
            for errors in form.errors.values():
                messages.error(request, " ".join(map(str, errors)))
        return HttpResponseRedirect(self.url_of(view="changelist"))

    def show_part(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail for the frame: its HTML with its own pictures, or its text."""
        kept: KeptMail = self.find_object(request, public_id)
        try:
            mail = read_mail(open_copy(kept))
        except CampaignError as error:
            return answer_note(error.safe_text, [error.action] if error.action else [])
        _note(request, "mail.read", kept)
        if request.GET.get("part") == "text" or not mail.html:
            return answer_text(mail.text) if mail.text else answer_note("This mail has no text part", [])
        return answer_html(mail.html, images=request.GET.get("images") == "on")

    def download(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail exactly as it left; the audit trail says who has it now."""
        kept: KeptMail = self.find_object(request, public_id)
        try:
            data = open_copy(kept)
        except CampaignError as error:
            messages.error(request, f"{error.safe_text} {error.action}".strip())
            return HttpResponseRedirect(self.url_of(kept))
        _note(request, "mail.downloaded", kept)
        response = HttpResponse(data, content_type="message/rfc822", headers={"Cache-Control": "no-store"})
        response["Content-Disposition"] = f'attachment; filename="{str(kept.public_id)[:8]}.eml"'
        return response


def _read(opened: KeptMail | None) -> tuple[ReadMail | None, str]:
    """(the mail, why it cannot be opened)."""
    if opened is None:
        return None, ""
    try:
        return read_mail(open_copy(opened)), ""
    except CampaignError as error:
        return None, f"{error.safe_text} {error.action}".strip()


def _note(request: HttpRequest, action: str, mail: KeptMail) -> None:
    actor, about = Ref("person", str(request.user.pk)), Ref("message", str(mail.public_id))
    audit.note(action, owner=str(mail.account.public_id), actor=actor, about=about)


def _recipients(mails: list[KeptMail]) -> dict[UUID, str]:
    """Whose mails these are, from the ledger: a copy's row names nobody."""
    rows = Message.objects.filter(public_id__in=[mail.public_id for mail in mails])
    return dict(rows.values_list("public_id", "recipient"))
