"""What is asked about agreements, states, terms and the approval policy."""

from __future__ import annotations

import hashlib
from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from compliance.agreements import replies
from compliance.agreements.recording import Agreement
from compliance.agreements.status import REASONS
from compliance.models import Baa

_DAY = {"type": "date"}
REASON_WORDS = {
    "onboarding": "Setting up",
    "agreement-ended": "The agreement ended",
    "agreement-renewed": "The agreement was renewed",
    "breach": "A security incident",
    "customer-asked": "The customer asked for it",
    "review-overdue": "The weekly review is overdue",
    "mistake": "It was a mistake",
    "other": "Another reason",
}
assert set(REASON_WORDS) == REASONS


def _day(**options: Any) -> forms.DateField:
    return forms.DateField(widget=forms.DateInput(attrs=_DAY, format="%Y-%m-%d"), **options)


class AgreementForm(forms.Form):
    """A signed agreement; the document is read for its fingerprint and kept nowhere."""

    counterparty = forms.CharField(max_length=120, label="Other party", help_text="The organisation, as it signed.")
    signatory = forms.CharField(max_length=120, required=False, label="Signed by", help_text="Name or office.")
    reference = forms.CharField(max_length=80, required=False, help_text="Where you file it, such as 2026-17.")
    signed_on = _day(label="Signed on")
    effective_from = _day(label="In effect from")
    effective_to = _day(required=False, label="Until", help_text="Its last day. Empty: it has no end yet.")
    document = forms.FileField(
        required=False,
        help_text="The signed document. Its fingerprint (SHA-256) is recorded; the file itself is not kept here.",
    )
    document_sha256 = forms.CharField(
        max_length=64, required=False, label="… or its fingerprint", help_text="64 hexadecimal digits, if you have it."
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        given = cleaned.get("document")
        if given:
            cleaned["document_sha256"] = hashlib.sha256(given.read()).hexdigest()
        elif not cleaned.get("document_sha256"):
            raise ValidationError("Choose the signed document, or write down its fingerprint.")
        return cleaned

    def agreement(self) -> Agreement:
        given = self.cleaned_data
        return Agreement(
            counterparty=given["counterparty"], effective_from=given["effective_from"], effective_to=given["effective_to"],
            signed_on=given["signed_on"], signatory=given["signatory"], reference=given["reference"],
            document_sha256=given["document_sha256"].strip().lower(),
        )  # fmt: skip


class SubcontractorForm(AgreementForm):
    """The same for whoever runs a host we send to."""

    host = forms.CharField(max_length=255, help_text="The server's name, such as smtp.example.net.")
    onward = forms.ChoiceField(
        label="How it hands mail on to the servers of recipients",
        choices=[("", "Choose what its operator says"), *Baa.Onward.choices],
        help_text="Protected mail leaves only by a relay that never falls back to unencrypted delivery. Many call the"
        " setting “require TLS”.",
    )
    field_order = ("host", "onward", "counterparty")


class NoDataForm(forms.Form):
    """A host that needs no agreement, because no protected data ever goes there."""

    host = forms.CharField(max_length=255, help_text="The server's name, such as status.example.net.")
    counterparty = forms.CharField(max_length=120, label="Run by")
    because = forms.CharField(
        max_length=200, label="Why it never gets protected data", widget=forms.Textarea(attrs={"rows": 2})
    )


class EndForm(forms.Form):
    on = _day(label="Last day")

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["on"].initial = today


class StatusForm(forms.Form):
    reason = forms.ChoiceField(choices=[("", "Choose a reason"), *REASON_WORDS.items()])


class TermsForm(forms.Form):
    version = forms.IntegerField(widget=forms.HiddenInput)
    agreed = forms.BooleanField(label="I have read these terms and accept them for the account")


class ConfirmForm(forms.Form):
    """Asks nothing but to be sent."""

    confirmed = forms.CharField(widget=forms.HiddenInput, initial="yes")


class ReplyMailboxForm(forms.Form):
    """One mailbox, and the statement about it in the words that are kept."""

    address = forms.CharField(max_length=254, help_text="Where people's answers go, such as care@clinic.example.")
    attested = forms.BooleanField(
        label=replies.WORDING,
        error_messages={"required": "Tick it if all of it is so; otherwise answers may not go there."},
    )


class NewTermsForm(forms.Form):
    text = forms.CharField(
        label="Text",
        widget=forms.Textarea(attrs={"rows": 20}),
        help_text="The next version. Every account must accept it.",
    )


class PolicyForm(forms.Form):
    """How sends are approved."""

    approvals = forms.IntegerField(
        min_value=1, max_value=5, label="People who must approve",
        help_text="At least two are asked by themselves where more is at stake, such as for more than 10,000 recipients.",
    )  # fmt: skip
    valid_days = forms.IntegerField(
        min_value=1, max_value=30, label="Days an approval holds", help_text="After that the send is submitted again."
    )
    allows_importers = forms.BooleanField(
        required=False,
        label="Who only uploaded the recipients may be one of them",
        help_text="For small organisations. A second person is then always asked.",
    )
