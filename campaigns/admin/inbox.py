"""Mail that came in, read safely: in a frame where nothing acts and nothing is loaded, files only to download."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote, urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse

from campaigns.admin.preview import answer_html, answer_note, answer_text
from campaigns.admin.rights import Right, accounts_of, may
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.scoping import scope_rows
from campaigns.inbound.ending import wipe_raw
from campaigns.inbound.letters import Letter, read_letter
from campaigns.inbound.outcomes import describe
from campaigns.inbound.reception import open_field, open_raw
from campaigns.models import BaaStatus, Campaign, Contact, InboundMail, InboundRoute
from compliance import vault

_FOLDER = "admin/campaigns/inboundmail"
_PER_PAGE = 25


@admin.register(InboundMail)
class InboundMailAdmin(RoomScreen):
    """An inbox: newest first, page by page along the key."""

    list_lead: ClassVar[str] = "What people wrote to your inbound addresses. Reading it tells nobody."
    right_to_view: ClassVar[Right] = Right.READ_INBOUND
    right_to_change: ClassVar[Right] = Right.MANAGE_INBOUND

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/part/", self.show_part, name="part"),
            self.page("<uuid:public_id>/mail.eml", self.download, name="download"),
            self.page("<uuid:public_id>/file/<int:number>/", self.download_file, name="file"),
            *super().get_urls(),
        ]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """Mail of the accounts in which the person may read it: a list asks nobody about single rows."""
        rows = super().get_queryset(request).filter(is_kept=True, account__baa_status=BaaStatus.NONE)
        rows = rows.select_related("account", "route__domain")
        if request.user.is_superuser:
            return rows
        rights = (self.right_to_view, self.right_to_change)
        readable = [pk for pk in accounts_of(request.user).values_list("pk", flat=True)
                    if any(may(request, right, account_id=pk) for right in rights)]  # fmt: skip
        return rows.filter(account__in=readable)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        """The inbox without a mail opened."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._show(request, None)

    def row_page(self, request: HttpRequest, opened: InboundMail, /) -> HttpResponse:
        """The inbox with one mail opened."""
        return self._show(request, opened)

    def delete_model(self, request: HttpRequest, obj: InboundMail) -> None:  # noqa: ARG002
        with transaction.atomic():
            raw_id = obj.raw_id
            obj.delete()
            wipe_raw([raw_id])

    def _show(self, request: HttpRequest, opened: InboundMail | None) -> HttpResponse:
        rows, chosen, keep = self._choose(request)
        page, newer, older = _slice(rows.order_by("-id"), request, keep)
        letter = _open(opened) if opened else None
        return self.show(
            request,
            f"{_FOLDER}/inbox.html",
            title="Inbox",
            lead=self.list_lead,
            chosen=chosen,
            mails=[(mail, _head(mail), f"{self.url_of(mail)}{_query(keep)}") for mail in page],
            newer=newer,
            older=older,
            back=f"{self.url_of(view='changelist')}{_query(keep)}",
            opened=opened,
            head=_head(opened) if opened else {},
            letter=letter,
            outcome=describe(opened.outcome) if opened else None,
            trust=_trust(opened) if opened else None,
            answered=self._answered(opened) if opened else "",
            files=[
                (file, self._file_url(opened, number)) for number, file in enumerate(letter.files if letter else ())
            ],
            part_url=self.url_of(opened, view="part") if opened else "",
            download_url=self.url_of(opened, view="download") if opened else "",
            delete_url=self.url_of(opened, view="delete") if opened else "",
            may_delete=opened is not None and self.has_delete_permission(request, opened),
        )

    def _choose(self, request: HttpRequest) -> tuple[models.QuerySet[InboundMail], str, dict[str, str]]:
        """(the mails to show, what was chosen in words, how it stands in the address)."""
        rows = self.get_queryset(request)
        for name, path, model in (
            ("route", "route", InboundRoute),
            ("campaign", "answers__submission__campaign", Campaign),
        ):
            if not (given := request.GET.get(name)):
                continue
            found = _find(model, given, request)
            if found is None:
                raise Http404
            words = f"Mail to {found}" if name == "route" else f"Answers to the campaign {found}"
            return rows.filter(**{path: found}), words, {name: given}
        return rows, "", {}

    def _answered(self, mail: InboundMail) -> str:
        """Where the campaign is that it answers."""
        submission = mail.answers.submission if mail.answers else None
        if submission is None or submission.campaign is None:
            return ""
        return reverse("admin:campaigns_campaign_page", args=(submission.campaign.public_id,))

    def _file_url(self, mail: InboundMail | None, number: int) -> str:
        assert mail is not None
        return reverse("admin:campaigns_inboundmail_file", args=(mail.public_id, number))

    def show_part(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail for the frame: its HTML with its own pictures, or its text."""
        letter = _open(self.find_object(request, public_id))
        if letter is None:
            return answer_note("This mail cannot be opened with the keys of this installation", [])
        if request.GET.get("part") == "text" or not letter.html:
            return answer_text(letter.text) if letter.text else answer_note("This mail has no text to show", [])
        return answer_html(letter.safe_html())

    def download(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail exactly as it came over the wire."""
        mail: InboundMail = self.find_object(request, public_id)
        try:
            raw = open_raw(mail)
        except (LookupError, vault.SealBroken, vault.Shredded):
            raise Http404 from None
        return _as_file(raw, name=f"{str(mail.public_id)[:8]}.eml", kind="message/rfc822")

    def download_file(self, request: HttpRequest, public_id: UUID, number: int) -> HttpResponse:
        """One file of a mail, to be saved and never shown."""
        letter = _open(self.find_object(request, public_id))
        if letter is None or number >= len(letter.files):
            raise Http404
        file = letter.files[number]
        return _as_file(file.data, name=file.name, kind="application/octet-stream")


def _as_file(data: bytes, *, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(data, content_type=kind)
    plain = "".join(letter if letter.isascii() and letter not in '"\\%;' else "_" for letter in name)
    encoded = quote(name, safe="")
    response["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


def _open(mail: InboundMail) -> Letter | None:
    try:
        return read_letter(open_raw(mail))
    except (LookupError, vault.SealBroken, vault.Shredded):
        return None


def _head(mail: InboundMail) -> dict[str, str]:
    if not mail.head_sealed:
        return {}
    try:
        return open_field(mail, "head", mail.head_sealed)
    except (vault.SealBroken, vault.Shredded):
        return {}


def _trust(mail: InboundMail) -> tuple[str, str]:
    """(tone, words) about whether it is from whom it says."""
    if mail.dmarc == "pass":
        return "is-ok", "Really from this domain"
    if mail.dmarc == "fail":
        return "is-bad", "Probably not from whom it says"
    if "pass" in {mail.spf, mail.dkim}:
        return "is-info", "From the server of some domain; nobody says whether it may speak for this one"
    return "is-warn", "Nobody vouches for who wrote it"


def _find(model: Any, given: str, request: HttpRequest) -> Any:
    """A row by its public id, of an account one knows."""
    try:
        return scope_rows(model, request).filter(public_id=given).first()
    except (ValidationError, ValueError):
        return None


def _query(values: dict[str, str]) -> str:
    return f"?{urlencode(values)}" if values else ""


def _slice(
    rows: models.QuerySet[InboundMail], request: HttpRequest, keep: dict[str, str]
) -> tuple[list[InboundMail], str, str]:
    """(one page, the way to newer, the way to older), without counting anything."""
    before, after = (_number(request.GET.get(name, "")) for name in ("before", "after"))
    if after:
        found = list(rows.filter(id__gt=after).order_by("id")[: _PER_PAGE + 1])
        page, has_newer, has_older = found[:_PER_PAGE][::-1], len(found) > _PER_PAGE, True
    else:
        found = list(rows.filter(id__lt=before)[: _PER_PAGE + 1] if before else rows[: _PER_PAGE + 1])
        page, has_newer, has_older = found[:_PER_PAGE], bool(before), len(found) > _PER_PAGE
    newer = _query({**keep, "after": str(page[0].pk)}) if page and has_newer else ""
    older = _query({**keep, "before": str(page[-1].pk)}) if page and has_older else ""
    return page, newer, older


def _number(text: str) -> int:
    return int(text[:18]) if text.isascii() and text.isdigit() else 0


def recent_answers(request: HttpRequest, contact: Contact) -> list[tuple[InboundMail, dict[str, str], str]]:
    """The last mails in which a person answered, with what to show of them and where to read them; for those who may."""
    if not may(request, Right.READ_INBOUND, account_id=contact.account_id):
        return []
    rows = InboundMail.objects.filter(is_kept=True, account=contact.account_id, answers__contact=contact)
    found = rows.select_related("account").order_by("-id")[:5]
    return [
        (mail, _head(mail), reverse("admin:campaigns_inboundmail_change", args=(mail.public_id,))) for mail in found
    ]
