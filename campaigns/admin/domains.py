"""Sending domains with the records to publish, and from-addresses."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html

from campaigns import addresses
from campaigns.admin.domain_more import MorePages
from campaigns.admin.domain_page import SendingForm, show_warmup
from campaigns.admin.domain_records import list_records, list_removable
from campaigns.admin.domain_tracking import show_tracking
from campaigns.admin.pages import AccountForm
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.words import show_time
from campaigns.domains.creation import create_domain
from campaigns.domains.judging import TEMPORARY
from campaigns.domains.lookalike import show_name, warn_of_lookalike
from campaigns.domains.lookup import make_resolver
from campaigns.domains.offers import mta_sts_policy
from campaigns.domains.rotation import KEPT_PUBLISHED, cancel_rotation, start_rotation
from campaigns.domains.senders import change_sender, create_sender
from campaigns.domains.sending import change_names, change_sending
from campaigns.domains.verification import verify_domain
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Account, DkimKey, Domain, Sender
from campaigns.outbox import due

_WANTED = (DkimKey.State.NEW, DkimKey.State.SIGNING)


class NewDomainForm(AccountForm):
    name = forms.CharField(
        label="Domain",
        max_length=253,
        help_text="The part after the @ in your from-address, such as example.org or news.example.org.",
    )


@admin.register(Domain)
class DomainAdmin(MorePages):
    """Domains: added by name, proved by records in DNS, their keys changed one after the other."""

    list_display = ("name", "status", "looked_up")
    list_lead: ClassVar[str] = "Domains you send from. Mailboxes trust mail whose domain says that it is yours."
    add_label: ClassVar[str] = "Add a domain"

    @admin.display(description="Status")
    def status(self, domain: Domain) -> str:
        words, tone = say_status(domain)
        return format_html('<span class="badge {}">{}</span>', tone, words)

    @admin.display(description="Last looked up", ordering="checked_at")
    def looked_up(self, domain: Domain) -> str:
        return show_time(domain.checked_at)

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("<uuid:public_id>/check/", self.check_dns, name="check"),
            self.page("<uuid:public_id>/tracking/", partial(show_tracking, self), name="tracking"),
            self.page("<uuid:public_id>/key/<slug:algorithm>/", self.change_key, name="key"),
            self.page("<uuid:public_id>/cancel-key/<slug:selector>/", self.cancel_key, name="cancel_key"),
            *super().get_urls(),
        ]

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Add a domain by its name."""

        def add(given: dict[str, Any]) -> str:
            domain = create_domain(given["account"], name=given["name"])
            messages.success(
                request, f"The domain {domain} is added. Now publish the records below where it is managed."
            )
            return self.url_of(domain)

        form = NewDomainForm(request.POST or None, accounts=self.accounts_to_change(request))
        return self.show_form(request, form, add, title=self.add_label, button="Add the domain")

    def row_page(self, request: HttpRequest, domain: Domain, /) -> HttpResponse:
        """The records to publish, each with what DNS says about it, and how mail leaves."""
        if request.method == "POST":
            self.require_change(request, domain)

        def save(given: dict[str, Any]) -> str:
            names = {name: given.pop(name) for name in ("tracking_host", "spf_terms", "reports_to")}
            with transaction.atomic():
                change_sending(domain, **given)
                change_names(domain, **names)
            # What waits by the old limits is looked at by the new ones.
            due.wake_submissions(account_id=domain.account_id)
            messages.success(request, "Saved.")
            return self.url_of(domain)

        form = SendingForm(request.POST or None, initial={n: getattr(domain, n) for n in SendingForm.base_fields})
        return self.show_form(
            request,
            form,
            save,
            title=domain.name,
            template="admin/campaigns/domain/page.html",
            obj=domain,
            records=list_records(domain),
            status=say_status(domain),
            shown_name=show_name(domain.name),
            caution=warn_of_lookalike(domain.name),
            policy_file=mta_sts_policy([settings.INBOUND_HOST]) if settings.INBOUND_HOST else "",
            removable=list_removable(domain),
            has_second=domain.dkim_keys.filter(algorithm=DkimKey.Algorithm.ED25519, state__in=_WANTED).exists(),
            warmup=show_warmup(domain, now=timezone.now()),
            senders=domain.senders.all(),
            may_change=self.has_change_permission(request, domain),
            check_url=self.url_of(domain, view="check"),
            delete_url=self.url_of(domain, view="delete"),
        )

    def change_key(self, request: HttpRequest, public_id: UUID, algorithm: str) -> HttpResponse:
        """Say what changing a key, or adding the second signature, means; then make the key."""
        domain: Domain = self.find_object(request, public_id)
        self.require_change(request, domain)
        if algorithm not in DkimKey.Algorithm.values:
            raise Http404

        def make(_: dict[str, Any]) -> str:
            start_rotation(domain, algorithm=algorithm)
            messages.success(request, "The new key is made. Publish its record below; the rest happens by itself.")
            return self.url_of(domain)

        in_use = domain.dkim_keys.filter(algorithm=algorithm, state=DkimKey.State.SIGNING)
        is_second = algorithm == DkimKey.Algorithm.ED25519 and not in_use.exists()
        return self.show_form(
            request,
            forms.Form(request.POST if request.method == "POST" else None),
            make,
            title="Add an Ed25519 signature" if is_second else "Change the signature key",
            template="admin/campaigns/domain/key.html",
            obj=domain,
            is_second=is_second,
            days=KEPT_PUBLISHED.days,
        )

    def cancel_key(self, request: HttpRequest, public_id: UUID, selector: str) -> HttpResponse:
        """Drop a new key before it signs."""
        domain: Domain = self.find_object(request, public_id)
        self.require_change(request, domain)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            cancel_rotation(domain, selector=selector)
        except NotFound:
            messages.warning(request, "This key is in use already, or was cancelled before. Nothing was changed.")
        else:
            messages.success(
                request, "Cancelled: your mail is signed as before. Remove the record if you published it."
            )
        return HttpResponseRedirect(self.url_of(domain))

    def check_dns(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Ask DNS now."""
        domain: Domain = self.find_object(request, public_id)
        self.require_change(request, domain)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        verified = verify_domain(domain, resolver=make_resolver(), now=timezone.now())
        wrong = domain.findings.filter(ok=False).exclude(code=TEMPORARY.code).exists()
        if verified and domain.failed_looks:
            messages.warning(request, "A record this domain needs is missing or wrong. See what is marked below.")
        elif verified and wrong:
            messages.success(request, "You can send from this domain. Some records are not right yet: see below.")
        elif verified:
            messages.success(request, "Everything is in place. You can send from this domain.")
        else:
            messages.warning(
                request, "Not everything is there yet. New records can take from minutes to a day to be seen."
            )
        return HttpResponseRedirect(self.url_of(domain))


def say_status(domain: Domain) -> tuple[str, str]:
    """A badge's words and tone for a domain."""
    if domain.is_verified:
        return ("Verified, but records are wrong", "is-warn") if domain.failed_looks else ("Verified", "is-ok")
    if domain.lost_at:
        return ("Not verified any more", "is-bad")
    return ("Records missing", "is-warn") if domain.checked_at else ("Not checked yet", "")


_BY_MAIL = (
    "Some mail programs unsubscribe by writing a mail. Tick it when bounces of the domain reach us, by its MX records or a"
    " mailbox that takes every address: the mail comes to unsubscribe+… beside the address for bounces."
)


class SenderForm(forms.Form):
    """What can be changed of a sender; the address cannot, campaigns remember it."""

    name = forms.CharField(max_length=120, help_text="Shown before the address, such as “Anna from Example”.")
    reply_to = forms.CharField(
        label="Answers go to", required=False, max_length=254, help_text="Empty: to the from-address."
    )
    unsubscribes_by_mail = forms.BooleanField(required=False, label="Can be left by mail too", help_text=_BY_MAIL)


class NewSenderForm(AccountForm):
    name = forms.CharField(max_length=120, help_text="Shown before the address, such as “Anna from Example”.")
    email = forms.CharField(label="From-address", max_length=254, help_text="An address at one of your domains.")
    reply_to = forms.CharField(
        label="Answers go to", required=False, max_length=254, help_text="Empty: to the from-address."
    )


@admin.register(Sender)
class SenderAdmin(RoomScreen):
    """From-addresses; checked and made by the domains room."""

    list_display = ("name", "email", "domain_status")
    list_select_related = ("domain",)
    list_lead: ClassVar[str] = "The names and addresses your mail comes from."
    add_label: ClassVar[str] = "Add a sender"

    @admin.display(description="Domain")
    def domain_status(self, sender: Sender) -> str:
        return _badge(sender.domain.is_verified, "Verified", "Not verified")

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Add a from-address at one of the account's domains."""

        def add(given: dict[str, Any]) -> str:
            account: Account = given.pop("account")
            domain = _domain_of(account, email=given["email"])
            sender = create_sender(account, domain=domain, **given)
            messages.success(request, f"{sender.name} can be chosen in campaigns now.")
            return self.url_of(view="changelist")

        form = NewSenderForm(request.POST or None, accounts=self.accounts_to_change(request))
        return self.show_form(request, form, add, title=self.add_label, button="Add the sender")

    def row_page(self, request: HttpRequest, sender: Sender, /) -> HttpResponse:
        """Change the name or where answers go."""
        if request.method == "POST":
            self.require_change(request, sender)

        def save(given: dict[str, Any]) -> str:
            change_sender(sender, **given)
            messages.success(request, f"{sender.name} is saved.")
            return self.url_of(view="changelist")

        names = ("name", "reply_to", "unsubscribes_by_mail")
        form = SenderForm(request.POST or None, initial={name: getattr(sender, name) for name in names})
        return self.show_form(
            request,
            form,
            save,
            title=sender.name,
            template="admin/campaigns/sender/page.html",
            sender=sender,
            may_change=self.has_change_permission(request, sender),
            delete_url=self.url_of(sender, view="delete"),
        )


def _domain_of(account: Account, *, email: str) -> Domain:
    """The account's domain of an address; raises CampaignError when it has none."""
    name = addresses.parse(email).domain
    domain = account.domains.filter(name=name).first()
    if domain is None:
        raise CampaignError(
            "domain.unknown",
            f"{name} is not one of your domains yet.",
            action="Add the domain first, under Delivery, Domains.",
        )
    return domain


def _badge(is_good: bool, good: str, bad: str) -> str:
    return format_html('<span class="badge {}">{}</span>', "is-ok" if is_good else "is-warn", good if is_good else bad)
