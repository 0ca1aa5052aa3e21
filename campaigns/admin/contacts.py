"""Contacts: what is known of a person, the lists they are on, and whether they may be written to.

No address goes into a web address: looking one up is a POST that leads to the person's own page.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, reverse
from django.utils import timezone

from campaigns.admin.contact_timeline import show_timeline
from campaigns.admin.contact_tracking import save_choice, show_choice
from campaigns.admin.inbox import recent_answers
from campaigns.admin.lookup import LookupForm, read_keys
from campaigns.admin.pages import AccountForm
from campaigns.admin.paging import CappedPaginator
from campaigns.admin.rights import Right
from campaigns.admin.room_screens import RoomScreen
from campaigns.audiences.consent import subscribe, unsubscribe_lists
from campaigns.audiences.contacts import change_attributes, create_contact
from campaigns.errors import AddressError, CampaignError
from campaigns.inbound.kept_reports import open_report
from campaigns.models import ConsentKind, Contact, ContactList, KeptReport, Subscription, SubscriptionState, Suppression
from campaigns.tracking.timeline import recent_mails

_FOLDER = "admin/campaigns/contact"
_BLANK_ROWS = 2


class NewContactForm(AccountForm):
    email = forms.CharField(label="Address", max_length=254, widget=forms.EmailInput())


class SubscribeForm(forms.Form):
    """Putting somebody on a list by hand needs to say how they agreed."""

    list = forms.ModelChoiceField(queryset=ContactList.objects.none(), empty_label="Choose a list")
    consent_kind = forms.ChoiceField(
        label="How they agreed",
        choices=[
            (ConsentKind.EXPRESS, "They asked for it"),
            (ConsentKind.DOUBLE, "They asked and confirmed by a link"),
            (ConsentKind.IMPLIED, "Customer or member who never said no"),
        ],
    )
    consent_source = forms.CharField(
        label="Where", max_length=200, required=False, help_text="Such as “by phone, 3 March”."
    )


@admin.register(Contact)
class ContactAdmin(RoomScreen):
    """People of one's accounts."""

    right_to_change: ClassVar[Right] = Right.IMPORT
    list_display = ("email", "added")
    ordering = ("-pk",)
    paginator = CappedPaginator
    list_lead: ClassVar[str] = "Everybody you know, on a list or not."
    add_label: ClassVar[str] = "Add a person"
    change_list_template = f"{_FOLDER}/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        return [
            self.page("lookup/", self.look_up, name="lookup"),
            self.page("<uuid:public_id>/subscribe/", self.subscribe, name="subscribe"),
            self.page("<uuid:public_id>/unsubscribe/", self.unsubscribe, name="unsubscribe"),
            self.page("<uuid:public_id>/tracking/", self.note_choice, name="tracking"),
            self.page("<uuid:public_id>/story/", self.show_story, name="story"),
            self.page("<uuid:public_id>/story/<uuid:report_id>/", self.show_report, name="report"),
            *super().get_urls(),
        ]

    def name_of(self, obj: Any) -> str:
        return str(obj.email)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"lookup": LookupForm(), "lookup_url": self.url_of(view="lookup")}
        response: HttpResponse = super().changelist_view(request, context | (extra_context or {}))
        return response

    def look_up(self, request: HttpRequest) -> HttpResponse:
        """The page of the person with this address, in the first of one's accounts that knows it."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            keys = read_keys(request)
        except AddressError as error:
            messages.error(request, error.safe_text)
            return HttpResponseRedirect(self.url_of(view="changelist"))
        found = self.get_queryset(request).filter(address_key__in=keys).first()
        if found is None:
            messages.warning(request, "Nobody here has this address.")
            return HttpResponseRedirect(self.url_of(view="changelist"))
        return HttpResponseRedirect(self.url_of(found))

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """A person with what is known of them."""
        rows = _read_rows(request)

        def add(given: dict[str, Any]) -> str:
            contact = create_contact(given["account"], email=given["email"], attributes=dict(rows))
            messages.success(request, "Added. Now say which lists this person asked to be on.")
            return self.url_of(contact)

        form = NewContactForm(request.POST or None, accounts=self.accounts_to_change(request))
        return self.show_form(
            request, form, add, title=self.add_label, template=f"{_FOLDER}/add.html", rows=_with_blanks(rows)
        )

    def row_page(self, request: HttpRequest, contact: Contact, /) -> HttpResponse:
        """The person: details, lists, and whether they may be written to."""
        rows = _rows_of(contact)
        if request.method == "POST":
            self.require_change(request, contact)
            rows = _read_rows(request)
            try:
                change_attributes(contact, attributes=dict(rows))
            except CampaignError as error:
                messages.error(request, f"{error.safe_text} {error.action}".strip())
            else:
                messages.success(request, "Saved.")
                return HttpResponseRedirect(self.url_of(contact))
        return self._show_person(request, contact, rows=rows)

    def _show_person(self, request: HttpRequest, contact: Contact, *, rows: list[tuple[str, str]]) -> HttpResponse:
        subscriptions = list(contact.subscriptions.select_related("list").order_by("list__name"))
        free = contact.account.lists.exclude(
            pk__in=[row.list_id for row in subscriptions if row.state == SubscriptionState.SUBSCRIBED]
        )
        form = SubscribeForm()
        form.fields["list"].queryset = free  # type: ignore[attr-defined]
        suppressions = Suppression.objects.filter(account=contact.account_id, address_key=contact.address_key)
        return self.show(
            request,
            f"{_FOLDER}/page.html",
            title=contact.email,
            obj=contact,
            contact=contact,
            rows=_with_blanks(rows),
            subscriptions=subscriptions,
            suppressions=suppressions.select_related("list"),
            subscribe_form=form if free else None,
            may_change=self.has_change_permission(request, contact),
            subscribe_url=self.url_of(contact, view="subscribe"),
            unsubscribe_url=self.url_of(contact, view="unsubscribe"),
            mails=recent_mails(contact),
            story_url=self.url_of(contact, view="story"),
            answers=recent_answers(request, contact),
            **show_choice(contact, url=self.url_of(contact, view="tracking")),
            delete_url=self.url_of(contact, view="delete"),
        )

    def subscribe(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Put the person on a list, with how they agreed."""
        contact: Contact = self.find_object(request, public_id)
        self.require_change(request, contact)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form = SubscribeForm(request.POST)
        form.fields["list"].queryset = contact.account.lists.all()  # type: ignore[attr-defined]
        if not form.is_valid():
            messages.error(request, "Choose a list and say how this person agreed.")
            return HttpResponseRedirect(self.url_of(contact))
        given = form.cleaned_data
        source = given["consent_source"] or f"Added by {request.user.get_username()}"
        if subscribe(contact, list=given["list"], now=timezone.now(), source=source, kind=given["consent_kind"]):
            messages.success(request, f"Now on the list {given['list']}.")
        else:
            messages.error(request, "This person left that list themselves. Only they can come back, by signing up.")
        return HttpResponseRedirect(self.url_of(contact))

    def note_choice(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Write down what the person said about their opens and clicks."""
        contact: Contact = self.find_object(request, public_id)
        self.require_change(request, contact)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if save_choice(contact, request.POST, by=request.user.get_username(), now=timezone.now()):
            messages.success(request, "Written down. It holds at once, for mail that has left already too.")
        else:
            messages.error(request, "Choose what this person said.")
        return HttpResponseRedirect(self.url_of(contact))

    def show_story(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """What happened with the person, and why mail to them stopped."""
        contact: Contact = self.find_object(request, public_id)

        def url_of_report(report: KeptReport) -> str:
            return reverse("admin:campaigns_contact_report", args=(contact.public_id, report.public_id))

        timeline = show_timeline(contact, before=request.GET.get("before", ""), report_url=url_of_report)
        return self.show(request, f"{_FOLDER}/timeline.html", title="What happened", obj=contact, **timeline)

    def show_report(self, request: HttpRequest, public_id: UUID, report_id: UUID) -> HttpResponse:
        """What came back, as text: nothing of it is run, loaded or followed."""
        contact: Contact = self.find_object(request, public_id)
        report = get_object_or_404(KeptReport, public_id=report_id, message__contact=contact)
        opened = open_report(report)
        if opened is None:
            raise Http404
        return self.show(
            request, f"{_FOLDER}/report.html", title="What came back", obj=contact, report=report, opened=opened,
            story_url=self.url_of(contact, view="story"),
        )  # fmt: skip

    def unsubscribe(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Take the person off one list; they stay off whatever a later file says."""
        contact: Contact = self.find_object(request, public_id)
        self.require_change(request, contact)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        rows = Subscription.objects.filter(contact=contact).select_related("list")
        row = get_object_or_404(rows, list__public_id=_read_id(request.POST.get("list", "")))
        unsubscribe_lists(
            contact.account_id, address_key=contact.address_key, list_ids=[row.list_id], now=timezone.now()
        )
        messages.success(request, f"No longer on the list {row.list}.")
        return HttpResponseRedirect(self.url_of(contact))


def _rows_of(contact: Contact) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in contact.attributes.items()]


def _read_rows(request: HttpRequest) -> list[tuple[str, str]]:
    pairs = zip(request.POST.getlist("attr_name"), request.POST.getlist("attr_value"), strict=False)
    return [(name.strip(), value.strip()) for name, value in pairs if name.strip() or value.strip()]


def _with_blanks(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [*rows, *[("", "")] * _BLANK_ROWS]


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
