"""Forms about addresses not to write to: one by hand, many from a file, and taking one back."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import models

from campaigns.admin.pages import AccountForm
from campaigns.models import (
    HIPAA_REASONS,
    Account,
    BaaStatus,
    ContactList,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)

SCOPES = (
    (SuppressionScope.MARKETING, "No marketing"),
    (SuppressionScope.EVERYTHING, "Nothing at all, not even mail they asked for"),
    (SuppressionScope.LIST, "Nothing for one list"),
)
_BY_HAND = (
    SuppressionReason.MANUAL,
    SuppressionReason.UNSUBSCRIBED,
    SuppressionReason.COMPLAINT,
    SuppressionReason.BOUNCE,
)
_REASONS = tuple((reason.value, reason.label) for reason in _BY_HAND)
# What a person said themselves; only they may take it back (CAN-SPAM 16 CFR 316, GDPR art. 21).
_HIPAA_REASONS = tuple((reason.value, reason.label) for reason in HIPAA_REASONS)
THEIR_OWN = (SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINT, *HIPAA_REASONS)


class _ScopeForm(AccountForm):
    """What somebody gets, why, and a note; a list where the scope is one."""

    scope = forms.ChoiceField(
        label="They get", choices=SCOPES, initial=SuppressionScope.MARKETING, widget=forms.RadioSelect
    )
    list = forms.ModelChoiceField(
        label="The list", queryset=ContactList.objects.none(), required=False, empty_label="Choose a list"
    )
    reason = forms.ChoiceField(label="Why", choices=_REASONS)
    note = forms.CharField(max_length=200, required=False, help_text="For yourselves. Please no address here.")

    def __init__(self, *args: Any, lists: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["list"].queryset = lists  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        chosen = cleaned.get("list")
        if cleaned.get("scope") != SuppressionScope.LIST:
            cleaned["list"] = None
        elif chosen is None:
            self.add_error("list", "Choose the list.")
        elif cleaned.get("account") and chosen.account_id != cleaned["account"].pk:
            self.add_error("list", "This list belongs to another account.")
        if "@" in cleaned.get("note", ""):
            self.add_error("note", "Please leave addresses out of the note.")
        return cleaned


class NewSuppressionForm(_ScopeForm):
    address = forms.CharField(
        max_length=254,
        widget=forms.EmailInput(),
        help_text="Only a fingerprint is stored, so the entry outlives the contact and names nobody.",
    )
    field_order = ("account", "address", "scope", "list", "reason", "note")

    def __init__(self, *args: Any, accounts: models.QuerySet[Account], **kwargs: Any) -> None:
        super().__init__(*args, accounts=accounts, **kwargs)
        if accounts.exclude(baa_status=BaaStatus.NONE).exists():
            reason = self.fields["reason"]
            assert isinstance(reason, forms.ChoiceField)
            reason.choices = [*_REASONS, *_HIPAA_REASONS]
            reason.help_text = (
                "The last three need a note. Who revoked their authorization gets no marketing; with a restriction, or for"
                " those who want no email, it is nothing at all."
            )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if (reason := cleaned.get("reason")) not in HIPAA_REASONS:
            return cleaned
        account = cleaned.get("account")
        if account is not None and account.baa_status == BaaStatus.NONE:
            self.add_error("reason", "This reason is for accounts under an agreement.")
        wanted = SuppressionScope.MARKETING if reason == SuppressionReason.REVOKED_AUTH else SuppressionScope.EVERYTHING
        if cleaned.get("scope") != wanted:
            self.add_error("scope", f"With this reason they get: {dict(SCOPES)[wanted].lower()}.")
        if not cleaned.get("note"):
            self.add_error("note", "Say where it is on file, such as the number of the request.")
        return cleaned


class SuppressionFileForm(_ScopeForm):
    file = forms.FileField(
        help_text="A CSV file with a column of addresses, or one address on each line; also packed as .gz.",
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.gz,text/csv,text/plain,application/gzip"}),
    )
    field_order = ("account", "file", "scope", "list", "reason", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reason = self.fields["reason"]
        assert isinstance(reason, forms.ChoiceField)
        reason.choices = [(SuppressionReason.IMPORTED.value, "From another system, reason unknown"), *_REASONS]


class LiftForm(forms.Form):
    """Why an entry goes; one that the person made themselves needs a second look."""

    note = forms.CharField(
        label="Why", max_length=200, help_text="Such as “asked by phone on 3 March”. It is kept with your name."
    )
    asked = forms.BooleanField(label="They asked for our mail again themselves")

    def __init__(self, *args: Any, row: Suppression, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if row.reason not in THEIR_OWN:
            del self.fields["asked"]
        elif row.reason in HIPAA_REASONS:
            self.fields["asked"].label = "They asked for it themselves, and that is on file"
            self.fields[
                "note"
            ].help_text = "Where it is on file, such as the number of the request. It is kept with your name."

    def clean_note(self) -> str:
        note: str = self.cleaned_data["note"]
        if "@" in note:
            raise forms.ValidationError("Please leave addresses out of the note.")
        return note
