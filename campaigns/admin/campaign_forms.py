"""Forms of the campaign screens: every choice comes from the campaign's own account."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet

from campaigns import addresses
from campaigns.admin.campaign_pace import PaceFields, initial_pace
from campaigns.admin.campaign_tracking import TrackingFields, initial_tracking
from campaigns.admin.campaign_words import PURPOSES, people
from campaigns.errors import AddressError
from campaigns.models import (
    Account,
    BaaStatus,
    Campaign,
    ContactList,
    EmailTemplate,
    LandingPage,
    Purpose,
    Sender,
    SubscriptionState,
    TemplateVersion,
    Transport,
)

if TYPE_CHECKING:
    _ListField = forms.ModelMultipleChoiceField[ContactList]
else:
    _ListField = forms.ModelMultipleChoiceField


class ListChoice(_ListField):
    """Lists as checkboxes, each with its number of subscribed people."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} · {people(obj.people)}"


class CampaignForm(PaceFields, TrackingFields):
    """What a draft is made of; `cleaned_data["content"]` is the version to pin."""

    name = forms.CharField(max_length=120, help_text="For you and your colleagues; nobody outside sees it.")
    template = forms.ModelChoiceField(
        EmailTemplate.objects.none(),
        empty_label="Choose a template",
        help_text="Its latest version is kept for this campaign: a later change of the template changes nothing here.",
    )
    use_latest = forms.BooleanField(
        required=False, help_text="The template was changed after its version was chosen for this campaign."
    )
    purpose = forms.ChoiceField(choices=PURPOSES, widget=forms.RadioSelect, initial=Purpose.MARKETING)
    lists = ListChoice(ContactList.objects.none(), required=False, label="Send to")
    excluded_lists = ListChoice(
        ContactList.objects.none(),
        required=False,
        label="But not to people on",
        help_text="People on these lists get nothing, even when they are on a list above.",
    )
    sender = forms.ModelChoiceField(Sender.objects.none(), label="From", empty_label="Choose who it comes from")
    transport = forms.ModelChoiceField(
        Transport.objects.none(), required=False, label="Way out", empty_label="The account's default"
    )

    landing_page = forms.ModelChoiceField(
        LandingPage.objects.none(),
        required=False,
        label="Unsubscribe page",
        empty_label="The usual one",
        help_text="What the unsubscribe link opens. Where its words hold {{ names }}, nothing stands there: only programs fill them.",
    )
    in_archive = forms.BooleanField(
        required=False,
        label="Show it in the public archive",
        help_text="Once it is sent, everybody can read it there, without anybody's values. You can change this later.",
    )

    def __init__(self, data: Any = None, *, account: Account, campaign: Campaign | None = None) -> None:
        self.pinned = campaign.content if campaign else None
        super().__init__(data, initial=_initial(campaign) if campaign else None)
        self.offer_clocks(account)
        self.offer_levels(account)
        lists = _count_lists(account)
        self._choose("template", account.templates.filter(versions__isnull=False).distinct())
        self._choose("lists", lists)
        self._choose("excluded_lists", lists)
        self._choose("sender", account.senders.all())
        self._choose("transport", account.transports.all())
        self._choose("landing_page", account.landing_pages.all())
        if account.baa_status != BaaStatus.NONE or not account.landing_pages.exists():
            del self.fields["landing_page"]
        if account.transports.count() < 2:
            del self.fields["transport"]
        if not account.has_public_archive:
            del self.fields["in_archive"]
        newer = newer_version(self.pinned)
        if newer and self.pinned:
            self.fields["use_latest"].label = f"Use version {newer.number} (now: version {self.pinned.number})"
        else:
            del self.fields["use_latest"]

    def _choose(self, name: str, rows: QuerySet[Any]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        both = set(data.get("lists", ())) & set(data.get("excluded_lists", ()))
        if both:
            names = ", ".join(sorted(entry.name for entry in both))
            raise ValidationError(
                {"excluded_lists": f"{names}: choose it above or here, not in both places."}, code="both"
            )
        if template := data.get("template"):
            data["content"] = self._version(template)
        return data

    def _version(self, template: EmailTemplate) -> TemplateVersion | None:
        """The pinned version stays until somebody asks for the newer one or for another template."""
        if self.pinned and self.pinned.template_id == template.pk and not self.cleaned_data.get("use_latest"):
            return self.pinned
        return template.latest

    def parts(self) -> dict[str, Any]:
        """The keyword arguments of planning's create and change functions."""
        names = ("name", "content", "sender", "purpose")
        return {
            **{name: self.cleaned_data[name] for name in names},
            "lists": list(self.cleaned_data["lists"]),
            "excluded_lists": list(self.cleaned_data["excluded_lists"]),
            "transport": self.cleaned_data.get("transport"),
            "landing_page": self.cleaned_data.get("landing_page"),
            "pace": self.pace(),
            "tracking": self.chosen_tracking(),
            "in_archive": bool(self.cleaned_data.get("in_archive")),
        }


# A slip of the finger, and the far ends of the calendar that no zone can turn into UTC.
_FIRST_YEAR, _LAST_YEAR = 2020, 2099


class ScheduleForm(forms.Form):
    """A wall-clock time in the account's zone."""

    # Not a DateTimeField: Django refuses the two odd hours of a year, and we have an answer for them.
    at = forms.CharField(
        label="Date and time", max_length=30, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )

    def clean_at(self) -> datetime:
        try:
            at = datetime.fromisoformat(str(self.cleaned_data["at"]).strip())
        except ValueError:
            raise ValidationError("Write the date and time like this: 2027-03-28 09:30.", code="invalid") from None
        if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
            raise ValidationError("Look at the year again.", code="year")
        return at.replace(second=0, microsecond=0, tzinfo=None)


class TestSendForm(forms.Form):
    """Where a test of the mail goes."""

    to = forms.CharField(
        max_length=254, label="Send a test to", widget=forms.EmailInput(attrs={"autocomplete": "email"})
    )

    def clean_to(self) -> str:
        try:
            return addresses.parse(str(self.cleaned_data["to"])).normalized
        except AddressError as error:
            raise ValidationError(error.safe_text, code=error.code) from None


def newer_version(pinned: TemplateVersion | None) -> TemplateVersion | None:
    """The template's latest version when it is newer than the pinned one."""
    latest = pinned.template.latest if pinned else None
    return latest if latest and pinned and latest.number > pinned.number else None


def _count_lists(account: Account) -> QuerySet[ContactList]:
    subscribed = Count("subscriptions", filter=Q(subscriptions__state=SubscriptionState.SUBSCRIBED))
    return account.lists.annotate(people=subscribed)


def _initial(campaign: Campaign) -> dict[str, Any]:
    return {
        "name": campaign.name,
        "template": campaign.content.template_id if campaign.content else None,
        "purpose": campaign.purpose,
        "lists": [entry.pk for entry in campaign.lists.all()],
        "excluded_lists": [entry.pk for entry in campaign.excluded_lists.all()],
        "sender": campaign.sender_id,
        "transport": campaign.transport_id,
        "landing_page": campaign.landing_page_id,
        "in_archive": campaign.in_archive,
        **initial_pace(campaign),
        **initial_tracking(campaign),
    }
