"""Accounts and the people who work in them."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from campaigns.accounts.branding import MOST_BYTES, check_logo
from campaigns.accounts.creation import create_account
from campaigns.admin.account_limits import LIMIT_FIELDS, DomainLimitInline, LimitsForm
from campaigns.admin.account_reading import READING_FIELDS, ReadingForm
from campaigns.admin.account_storage import STORAGE_FIELDS, StorageForm
from campaigns.admin.account_tracking import TRACKING_FIELDS, TrackingForm
from campaigns.admin.rights import Right
from campaigns.admin.scoping import AccountScopedAdmin, SealpostInline
from campaigns.admin.users import tell_roles
from campaigns.errors import CampaignError
from campaigns.models import Account, Membership
from campaigns.outbox import due


class AccountForm(LimitsForm, TrackingForm, ReadingForm, StorageForm):
    """Zones come as a list; a new account is made by the accounts room, which also gives it the sandbox."""

    time_zone = forms.ChoiceField(
        choices=[(name, name.replace("_", " ")) for name in sorted(zoneinfo.available_timezones())],
        initial="UTC",
        help_text="Times on the screens and of scheduled campaigns are in this zone.",
    )

    logo_file = forms.FileField(
        required=False, label="Picture", help_text="PNG, JPEG or GIF of at most 100 KB, shown above your public pages."
    )
    remove_logo = forms.BooleanField(required=False, label="Show no picture")

    class Meta:
        model = Account
        fields = (
            "name", "slug", "postal_address", "time_zone", "language", "brand_color", *LIMIT_FIELDS,
            *TRACKING_FIELDS, *READING_FIELDS, *STORAGE_FIELDS,
        )  # fmt: skip
        widgets: ClassVar[dict[str, forms.Widget]] = {"postal_address": forms.Textarea(attrs={"rows": 3})}
        labels: ClassVar[dict[str, str]] = {
            "slug": "Short name",
            "language": "Language of pages for readers",
            "brand_color": "Colour",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "slug": "Small letters, digits and hyphens. It appears in technical parts of your mail and never changes.",
            "brand_color": "Of buttons and links on pages for readers, such as #155e5a. It is made darker or lighter where it"
            " could not be read.",
        }

    def clean_logo_file(self) -> bytes | None:
        """The picture, checked by its content."""
        given = self.cleaned_data.get("logo_file")
        if not given:
            return None
        data = bytes(given.read(MOST_BYTES + 1))
        try:
            self.instance.logo_type = check_logo(data)
        except CampaignError as error:
            raise ValidationError(f"{error.safe_text} {error.action}") from error
        return data


class MembershipInline(SealpostInline):
    model = Membership
    verbose_name_plural = "People with access"


@admin.register(Account)
class AccountAdmin(AccountScopedAdmin):
    """One organisation: made by superusers, looked after by its operators."""

    form = AccountForm
    account_path: ClassVar[str] = "pk"
    right_to_change: ClassVar[Right] = Right.MANAGE_DOMAINS
    list_display = ("name", "short_name", "time_zone")
    list_lead: ClassVar[str] = "An organisation with its own people, templates and mail."
    add_label: ClassVar[str] = "Add an account"
    inlines = (DomainLimitInline, MembershipInline)

    @admin.display(description="Short name", ordering="slug")
    def short_name(self, account: Account) -> str:
        return account.slug

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Account | None = None) -> bool:  # noqa: ARG002
        return request.user.is_superuser

    def get_fieldsets(self, request: HttpRequest, obj: Account | None = None) -> Any:  # noqa: ARG002
        basics = ["name", "slug", "postal_address", "time_zone"]
        if obj is None:
            return [(None, {"fields": basics})]
        pages = ["language", "brand_color", "logo_file", "remove_logo", *READING_FIELDS]
        return [
            (None, {"fields": basics}),
            ("Pages for readers", {"fields": pages}),
            ("Speed and safety", {"fields": list(LIMIT_FIELDS)}),
            ("Opens and clicks", {"fields": list(TRACKING_FIELDS)}),
            ("Copies of what was sent", {"fields": list(STORAGE_FIELDS)}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Account | None = None) -> Any:  # noqa: ARG002
        return () if obj is None else ("slug",)

    def get_inline_instances(self, request: HttpRequest, obj: Account | None = None) -> Any:
        return super().get_inline_instances(request, obj) if obj is not None else []

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        tell_roles(request, formset)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if {*LIMIT_FIELDS, "time_zone"} & set(form.changed_data) or any(formset.has_changed() for formset in formsets):
            # What waits by the old limits, or by the old clock, is looked at by the new ones.
            due.wake_submissions(account_id=form.instance.pk)

    def save_model(self, request: HttpRequest, obj: Account, form: Any, change: bool) -> None:
        if change:
            if data := form.cleaned_data.get("logo_file"):
                obj.logo = data
            elif form.cleaned_data.get("remove_logo"):
                obj.logo, obj.logo_type = None, ""
            super().save_model(request, obj, form, change)
            return
        made = create_account(name=obj.name, slug=obj.slug, postal_address=obj.postal_address, time_zone=obj.time_zone)
        obj.pk, obj.public_id, obj.created_at = made.pk, made.public_id, made.created_at
