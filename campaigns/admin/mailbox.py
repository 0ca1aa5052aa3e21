"""The sandbox mailbox: what was kept instead of sent, read as its reader would see it."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern

from campaigns import addresses
from campaigns.admin.paging import read_place, slice_rows
from campaigns.admin.preview import answer_html, answer_note, answer_text
from campaigns.admin.room_screens import ReadOnly, RoomScreen
from campaigns.content.mail_reading import inflate, read_mail
from campaigns.errors import AddressError
from campaigns.models import SandboxMail

_FOLDER = "admin/campaigns/sandboxmail"
_PER_PAGE = 25
# The chosen recipient waits in the session, so that no address is ever part of a web address.
_FILTER = "sandbox_recipient"


@admin.register(SandboxMail)
class SandboxMailAdmin(ReadOnly, RoomScreen):
    """An inbox: newest first, page by page along the key, so that a hundred thousand mails are no slower than ten."""

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("filter/", self.filter_recipient, name="filter"),
            self.page("<uuid:public_id>/part/", self.show_part, name="part"),
            self.page("<uuid:public_id>/mail.eml", self.download, name="download"),
            *super().get_urls(),
        ]

    list_lead: ClassVar[str] = "Mail the sandbox kept. Nobody outside has received any of it."

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # noqa: ARG002
        """The inbox without a mail opened."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._show(request, None)

    def row_page(self, request: HttpRequest, opened: SandboxMail, /) -> HttpResponse:
        """The inbox with one mail opened."""
        return self._show(request, opened)

    def _show(self, request: HttpRequest, opened: SandboxMail | None) -> HttpResponse:
        recipient = request.session.get(_FILTER, "")
        rows = self.get_queryset(request).defer("raw").order_by("-id")
        if recipient:
            rows = rows.filter(recipient__iexact=recipient)
        page, newer, older = slice_rows(rows, request, per_page=_PER_PAGE)
        mail = read_mail(inflate(bytes(opened.raw))) if opened else None
        to = mail.to.replace(opened.recipient, _readable(opened.recipient)) if opened and mail else ""
        return self.show(
            request,
            f"{_FOLDER}/mailbox.html",
            title="Sandbox mailbox",
            lead=self.list_lead,
            mails=[(mail, _readable(mail.recipient), self.url_of(mail)) for mail in page],
            keep=read_place(request),
            newer=newer,
            older=older,
            recipient=_readable(recipient),
            filter_url=self.url_of(view="filter"),
            opened=opened,
            mail=mail,
            to=to,
            part_url=self.url_of(opened, view="part") if opened else "",
            download_url=self.url_of(opened, view="download") if opened else "",
        )

    def filter_recipient(self, request: HttpRequest) -> HttpResponse:
        """Show only mail to one address, or to everybody again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        given = request.POST.get("address", "").strip()
        request.session.pop(_FILTER, None)
        if given:
            try:
                request.session[_FILTER] = addresses.parse(given).mailbox
            except AddressError as error:
                messages.error(request, error.safe_text)
        return HttpResponseRedirect(self.url_of(view="changelist"))

    def show_part(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail for the frame: its HTML with its own pictures, or its text."""
        mail = read_mail(inflate(bytes(self.find_object(request, public_id).raw)))
        if request.GET.get("part") == "text" or not mail.html:
            return answer_text(mail.text) if mail.text else answer_note("This mail has no text part", [])
        return answer_html(mail.html, images=request.GET.get("images") == "on")

    def download(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """The mail exactly as it would have gone over the wire."""
        mail: SandboxMail = self.find_object(request, public_id)
        response = HttpResponse(inflate(bytes(mail.raw)), content_type="message/rfc822")
        response["Content-Disposition"] = f'attachment; filename="{str(mail.public_id)[:8]}.eml"'
        return response


def _readable(recipient: str) -> str:
    """The address as its owner writes it: bücher.example, not xn--bcher-kva.example."""
    try:
        return addresses.parse(recipient).normalized
    except AddressError:
        return recipient
