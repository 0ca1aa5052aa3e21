"""Mailboxes that bounces arrive in: added, tried out, seen. A stored password can be replaced, never read."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns import jobs
from campaigns.admin.bounce_mailbox_forms import WAYS, MailboxForm, NewMailboxForm
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.words import show_time
from campaigns.errors import CampaignError
from campaigns.inbound.mailboxes import read_secrets, seal_secrets, try_mailbox
from campaigns.models import BounceMailbox, MailboxLogin

_FOLDER = "admin/campaigns/bouncemailbox"
_LOOK = "campaigns.tasks.look_into_mailbox"
_ENTERED = ("name", "kind", "host", "port", "starts_tls", "username", "folder", "deletes", "is_active")
# A mailbox somewhere else is read from its beginning.
_PLACE = ("kind", "host", "username", "folder")


@admin.register(BounceMailbox)
class BounceMailboxAdmin(RoomScreen):
    """The bounce mailboxes of one's accounts."""

    list_display = ("name", "username", "state_badge", "looked")
    list_lead: ClassVar[str] = (
        "Mail that comes back to a mailbox of yours is read every five minutes: addresses that do not exist are not"
        " written to again, and campaigns show what came back."
    )
    add_label: ClassVar[str] = "Add a mailbox"

    @admin.display(description="State")
    def state_badge(self, mailbox: BounceMailbox) -> str:
        tone, text = _state(mailbox)
        return format_html('<span class="badge {}">{}</span>', tone, text)

    @admin.display(description="Last looked at", ordering="looked_at")
    def looked(self, mailbox: BounceMailbox) -> str:
        return show_time(mailbox.looked_at)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/try/", self.try_out, name="try"),
            self.page("<uuid:public_id>/look/", self.look_now, name="look"),
            *super().get_urls(),
        ]

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """First the way in, then what it wants to know."""
        login = request.POST.get("login") or request.GET.get("login") or ""
        if login not in WAYS:
            return self.show(request, f"{_FOLDER}/choose.html", title=self.add_label, ways=WAYS.items())
        form = NewMailboxForm(request.POST or None, login=login, accounts=self.accounts_to_change(request))

        def add(given: dict[str, Any]) -> str:
            mailbox = BounceMailbox(account=given["account"], login=login)
            _store(mailbox, form)
            messages.success(request, f"{mailbox} is added. Try whether it lets us in.")
            return self.url_of(mailbox)

        way = WAYS[MailboxLogin(login)]
        return self.show_form(request, form, add, title=f"Add: {way.label}", intro=way.about, button="Add")

    def row_page(self, request: HttpRequest, mailbox: BounceMailbox, /) -> HttpResponse:
        """Change the settings; passwords are written only."""
        if request.method == "POST":
            self.require_change(request, mailbox)
        secrets, is_readable = _read(mailbox)
        given = request.POST if request.method == "POST" else None
        initial = {name: getattr(mailbox, name) for name in _ENTERED} | {
            "starts_tls": "later" if mailbox.starts_tls else "start"
        }
        form = MailboxForm(given, login=mailbox.login, stored=secrets, home=mailbox.host, initial=initial)

        def save(_: dict[str, Any]) -> str:
            _store(mailbox, form)
            messages.success(request, f"{mailbox} is saved.")
            return self.url_of(mailbox)

        return self.show_form(
            request,
            form,
            save,
            title=mailbox.name,
            template=f"{_FOLDER}/page.html",
            mailbox=mailbox,
            way=WAYS[MailboxLogin(mailbox.login)],
            state=_state(mailbox),
            looked=show_time(mailbox.looked_at),
            worked=show_time(mailbox.worked_at),
            read_count=f"{mailbox.read_count:,}",
            recorded_count=f"{mailbox.recorded_count:,}",
            is_readable=is_readable,
            may_change=self.has_change_permission(request, mailbox),
            try_url=self.url_of(mailbox, view="try"),
            look_url=self.url_of(mailbox, view="look"),
            delete_url=self.url_of(mailbox, view="delete"),
        )

    def try_out(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Log in and count what is new, now, in front of the person."""
        mailbox: BounceMailbox = self.find_object(request, public_id)
        self.require_change(request, mailbox)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            count = try_mailbox(mailbox, now=timezone.now())
        except CampaignError as error:
            messages.error(request, f"{error.safe_text} {error.action}".strip())
        else:
            messages.success(request, f"It lets us in. {count:,} {'mail is' if count == 1 else 'mails are'} new.")
        return HttpResponseRedirect(self.url_of(mailbox))

    def look_now(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Read what is new without waiting for the next time."""
        mailbox: BounceMailbox = self.find_object(request, public_id)
        self.require_change(request, mailbox)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        jobs.ring(_LOOK, mailbox.pk)
        messages.success(request, "It is being read now. Look again in a minute.")
        return HttpResponseRedirect(self.url_of(mailbox))


def _state(mailbox: BounceMailbox) -> tuple[str, str]:
    if not mailbox.is_active:
        return "is-muted", "Switched off"
    if mailbox.trouble:
        return "is-warn", "Does not work"
    return ("is-ok", "Works") if mailbox.worked_at else ("is-info", "Not looked at yet")


def _read(mailbox: BounceMailbox) -> tuple[dict[str, Any], bool]:
    """(secrets, whether they could be opened)."""
    try:
        return read_secrets(mailbox), True
    except CampaignError:
        return {}, False


def _store(mailbox: BounceMailbox, form: MailboxForm) -> None:
    """Write the settings into the row; what kept us out may be mended by them."""
    moved = any(getattr(mailbox, name) != form.cleaned_data[name] for name in _PLACE)
    for name in _ENTERED:
        setattr(mailbox, name, form.cleaned_data[name])
    mailbox.secrets_sealed = seal_secrets(mailbox, secrets=form.secrets())
    mailbox.trouble, mailbox.looked_at = "", None
    # Of a row that exists nothing else: a job may be looking into the mailbox.
    changed = [*_ENTERED, "secrets_sealed", "trouble", "looked_at"]
    if moved:
        mailbox.last_uid = mailbox.uid_validity = 0
        changed += ["last_uid", "uid_validity"]
    try:
        with transaction.atomic():
            mailbox.save(update_fields=changed if mailbox.pk else None)
            if moved:
                mailbox.seen.all().delete()
    except IntegrityError as error:
        raise CampaignError(
            "bounce-mailbox.exists", "Another mailbox has this name.", action="Choose another."
        ) from error
