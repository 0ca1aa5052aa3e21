"""Keys of programs: made, shown once, revoked. What a key may do is never changed; another is made instead."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.validators import MaxValueValidator
from django.db.models import F
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.accounts.acting import act_as
from campaigns.accounts.keys import MOST_PER_SECOND, SCOPES, create_key, revoke_key
from campaigns.accounts.scopes import describe_scopes
from campaigns.admin.console import ConsolePages
from campaigns.admin.guard import keep, to_page
from campaigns.admin.pages import AccountForm
from campaigns.admin.rights import Right
from campaigns.admin.room_screens import RoomScreen
from campaigns.admin.words import show_time
from campaigns.errors import CampaignError
from campaigns.models import ApiKey, BaaStatus, Lane, Purpose
from compliance.approvals import quorum
from compliance.approvals.quorum import NotAllowed

_FOLDER = "admin/campaigns/apikey"
_LANES = {Lane.STANDARD: "Ordinary mail", Lane.HIPAA: "Health information (HIPAA)"}
_LANE_GLOSSES = {
    Lane.STANDARD: "Newsletters, receipts, notices: anything without health information.",
    Lane.HIPAA: "Only through the HIPAA address, and only under an agreement (BAA). Ends after a year.",
}
_PURPOSES = {Purpose.TRANSACTIONAL: "Transactional", Purpose.MARKETING: "Marketing"}
_PURPOSE_GLOSSES = {
    Purpose.TRANSACTIONAL: "Mail somebody waits for, such as receipts and passwords.",
    Purpose.MARKETING: "Offers and newsletters. Each mail needs an unsubscribe link and your postal address.",
}
# Which field a refusal of the room belongs to.
_PLACES = {"key.name-invalid": "name", "key.network-invalid": "networks", "key.expiry-invalid": "expires_on"}


def _explained(label: str, gloss: str) -> SafeString:
    return format_html('<span>{}<span class="cell-sub">{}</span></span>', label, gloss)


class NewKeyForm(AccountForm):
    """What a key may do, from where, and how long."""

    name = forms.CharField(max_length=80, help_text="Which program it is for, such as “Web shop”. One key for each.")
    scopes = forms.MultipleChoiceField(
        label="It may",
        widget=forms.CheckboxSelectMultiple,
        choices=[(name, _explained(scope.label, scope.gloss)) for name, scope in SCOPES.items()],
        initial=["email:message:send"],
    )
    purpose = forms.ChoiceField(
        label="Its mail is",
        widget=forms.RadioSelect,
        choices=[(value, _explained(label, _PURPOSE_GLOSSES[value])) for value, label in _PURPOSES.items()],
        initial=Purpose.TRANSACTIONAL,
    )
    lane = forms.ChoiceField(
        label="Lane",
        widget=forms.RadioSelect,
        choices=[(value, _explained(label, _LANE_GLOSSES[value])) for value, label in _LANES.items()],
        initial=Lane.STANDARD,
    )
    networks = forms.CharField(
        label="Only from these addresses",
        required=False,
        max_length=2500,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One address or network on each line, such as 192.0.2.7 or 192.0.2.0/24. Empty: from anywhere.",
    )
    expires_on = forms.DateField(
        label="Last day",
        required=False,
        validators=[MaxValueValidator(date(2099, 12, 31), "Choose an earlier day, or leave it empty.")],
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="The key works until the end of this day. Empty: until you revoke it.",
    )
    max_per_second = forms.FloatField(
        label="Requests per second",
        required=False,
        min_value=0.01,
        max_value=MOST_PER_SECOND,
        help_text="Empty: no limit of its own.",
    )

    def make(self, request: HttpRequest) -> tuple[ApiKey, str]:
        """The key and its text; raises CampaignError."""
        given = {name: value for name, value in self.cleaned_data.items() if name not in {"account", "expires_on"}}
        given["networks"] = given["networks"].split()
        day = self.cleaned_data["expires_on"]
        # On the clock of the page: the account's.
        ends = timezone.make_aware(datetime.combine(day, time.max)) if day else None
        return create_key(self.cleaned_data["account"], expires_at=ends, by=request.user, **given)


def _check_factor(request: HttpRequest, given: dict[str, Any]) -> None:
    """A key that opens the HIPAA door takes a fresh second factor (45 CFR 164.312(d)); raises NotAllowed."""
    account = given["account"]
    if given["lane"] == Lane.HIPAA and account.baa_status != BaaStatus.NONE:
        quorum.check_factor(act_as(request.user, account, session=request.session, now=timezone.now()))


@admin.register(ApiKey)
class ApiKeyAdmin(RoomScreen):
    """The keys of one's accounts; operators make and revoke them."""

    right_to_change: ClassVar[Right] = Right.MANAGE_KEYS
    list_display = ("name", "begins", "may", "lane_words", "last_used", "ends", "state_badge")
    ordering = (F("revoked_at").asc(nulls_first=True), "name")
    list_lead: ClassVar[str] = (
        "Programs send mail through the Email API with these. A key is shown once, when it is made."
    )
    add_label: ClassVar[str] = "Make a key"

    def name_of(self, obj: Any) -> str:
        return str(obj.name)

    @admin.display(description="Begins with")
    def begins(self, key: ApiKey) -> str:
        return format_html("<code>{}…</code>", key.prefix[:6])

    @admin.display(description="May")
    def may(self, key: ApiKey) -> str:
        return describe_scopes(key.scopes)

    @admin.display(description="Lane", ordering="lane")
    def lane_words(self, key: ApiKey) -> str:
        return _LANES[Lane(key.lane)]

    @admin.display(description="Last used", ordering="last_used_at")
    def last_used(self, key: ApiKey) -> str:
        return show_time(key.last_used_at) if key.last_used_at else "Never"

    @admin.display(description="Ends", ordering="expires_at")
    def ends(self, key: ApiKey) -> str:
        return show_time(key.expires_at) if key.expires_at else "When revoked"

    @admin.display(description="State")
    def state_badge(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return format_html('<span class="badge is-muted">{}</span>', "Revoked")
        if key.is_expired(timezone.now()):
            return format_html('<span class="badge is-warn">{}</span>', "Ended")
        return format_html('<span class="badge is-ok">{}</span>', "Works")

    def get_urls(self) -> list[URLPattern]:
        revoke = self.page("<uuid:public_id>/revoke/", self.revoke, name="revoke")
        return [revoke, *ConsolePages(self).urls(), *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        # A revoked key stays, so that one can still see what it was.
        return False

    def add_page(self, request: HttpRequest) -> HttpResponse:
        """Make a key; the answer itself shows it, so that it is in no address, session or cookie."""
        form = NewKeyForm(request.POST or None, accounts=self.accounts_to_change(request))
        if request.method == "POST" and form.is_valid():
            try:
                _check_factor(request, form.cleaned_data)
                key, text = form.make(request)
            except NotAllowed as error:
                # Whoever has typed all of it does not type it again.
                keep(request, path=request.path, now=timezone.now())
                messages.warning(request, f"{error.safe_text} {error.action}")
                return to_page("admin:confirm", request)
            except CampaignError as error:
                form.add_error(_PLACES.get(error.code), f"{error.safe_text} {error.action}")
            else:
                self.log_addition(request, key, "Made an API key.")
                return self.show(request, f"{_FOLDER}/made.html", title="New key", obj=key, text=text)
        return self.show(request, "admin/_form_page.html", title=self.add_label, form=form, button="Make the key")

    def row_page(self, request: HttpRequest, key: ApiKey, /) -> HttpResponse:
        """What the key is, and the way to revoke it."""
        return self.show(
            request,
            f"{_FOLDER}/page.html",
            title=key.name,
            key=key,
            scopes=[SCOPES[name] for name in key.scopes if name in SCOPES],
            lane=self.lane_words(key),
            state=self.state_badge(key),
            last_used=self.last_used(key),
            ends=self.ends(key),
            revoke_url=self.url_of(key, view="revoke") if self._may_revoke(request, key) else "",
        )

    def revoke(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        """Ask once, then revoke."""
        key: ApiKey = self.find_object(request, public_id)
        self.require_change(request, key)
        if request.method == "POST":
            revoke_key(key, by=request.user)
            self.log_change(request, key, "Revoked.")
            messages.success(request, f"“{key.name}” is revoked. Programs that use it are refused from now on.")
            return HttpResponseRedirect(self.url_of(view="changelist"))
        return self.show(
            request,
            f"{_FOLDER}/revoke.html",
            title="Revoke this key",
            obj=key,
            key=key,
            last_used=self.last_used(key),
        )

    def _may_revoke(self, request: HttpRequest, key: ApiKey) -> bool:
        return key.revoked_at is None and self.has_change_permission(request, key)
