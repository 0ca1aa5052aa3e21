"""Forms of HIPAA sends: content and purpose, what each value is, the file of recipients, what is stated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.forms import BoundField

from campaigns.admin.campaign_forms import ScheduleForm
from campaigns.admin.local_time import read_wall_time
from campaigns.content.synthetic import KINDS, ROW_LABELS
from campaigns.models import Account, EmailTemplate, HipaaSend, Sender, TemplateVersion, Transport
from campaigns.planning.hipaa.drafting import Declared, Draft
from campaigns.planning.hipaa.recipients import KEEP_DAYS, Upload
from compliance.admin.uploads import MOST_BYTES
from compliance.admin.words import ANSWER_LABELS, ANSWERS, BASES
from compliance.approvals.attest import ANSWERS_FITTING, STATEMENTS, Statement
from compliance.marketing import QUESTIONS

_YES_NO = (("yes", "Yes"), ("no", "No"))


class DraftForm(forms.Form):
    """What a send is made of; every choice comes from its account."""

    name = forms.CharField(
        max_length=120,
        help_text="For you and your colleagues. Name neither people nor conditions: “November appointments” will do.",
    )
    template = forms.ModelChoiceField(
        EmailTemplate.objects.none(),
        empty_label="Choose a template",
        help_text="Its latest version is kept for this send. Values stand in its body only.",
    )
    sender = forms.ModelChoiceField(Sender.objects.none(), label="From", empty_label="Choose who it comes from")
    transport = forms.ModelChoiceField(Transport.objects.none(), label="Way to send", empty_label=None)
    legal_basis = forms.ChoiceField(label="Why is it permitted?", choices=[("", "Choose the basis"), *BASES.items()])
    reference = forms.RegexField(
        r"^[\w .:/#()§-]*$",
        label="Reference",
        max_length=60,
        required=False,
        help_text="Number of a policy or a ticket, never of a patient. For another permission its paragraph: 45 CFR 164.512(b).",
        error_messages={"invalid": "Use letters, digits, spaces and . : / # ( ) § - only."},
    )
    not_before = forms.CharField(
        label="Not before",
        required=False,
        max_length=30,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty: as soon as it is approved.",
    )

    def __init__(self, data: Any = None, *, account: Account, send: HipaaSend | None = None) -> None:
        super().__init__(data, initial=_initial(send, account))
        self._account, self._send = account, send
        for question in QUESTIONS:
            self.fields[question.name] = forms.ChoiceField(
                label=question.text, help_text=question.hint, choices=_YES_NO, widget=forms.RadioSelect
            )
        self._offer("template", account.templates.filter(versions__isnull=False, deleted_at=None).distinct())
        self._offer("sender", account.senders.all())
        self._offer("transport", account.transports.all())

    def _offer(self, name: str, rows: Any) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = rows

    def questions(self) -> list[BoundField]:
        return [self[question.name] for question in QUESTIONS]

    def clean_not_before(self) -> datetime | None:
        written = self.cleaned_data["not_before"].strip()
        if not written:
            return None
        form = ScheduleForm({"at": written})
        if not form.is_valid():
            raise ValidationError([str(message) for message in form.errors["at"]])
        return read_wall_time(form.cleaned_data["at"], zone=self._account.time_zone).at

    def draft(self) -> Draft:
        """What was said; the version pinned before stays as long as its template does."""
        given = self.cleaned_data
        return Draft(
            name=given["name"],
            content=self._version(given["template"]),
            sender=given["sender"],
            transport=given["transport"],
            answers={question.name: given[question.name] == "yes" for question in QUESTIONS},
            legal_basis=given["legal_basis"],
            reference=given["reference"],
            not_before=given["not_before"],
        )

    def _version(self, template: EmailTemplate) -> TemplateVersion:
        latest = template.latest
        assert latest is not None
        return latest


def _initial(send: HipaaSend | None, account: Account) -> dict[str, Any]:
    if send is None:
        return {"transport": account.transports.filter(is_default=True).first()}
    at = send.send_at.astimezone(ZoneInfo(account.time_zone)) if send.send_at else None
    return {
        "name": send.name,
        "template": send.content.template_id if send.content else None,
        "sender": send.sender_id,
        "transport": send.transport_id,
        "legal_basis": send.terms.legal_basis,
        "reference": send.terms.reference,
        "not_before": f"{at:%Y-%m-%dT%H:%M}" if at else "",
        **{name: "yes" if answer else "no" for name, answer in send.terms.answers.items()},
    }


class ValueForm(forms.Form):
    """What one value of a recipient is."""

    kind = forms.ChoiceField(label="What it is", choices=[(name, kind.label) for name, kind in KINDS.items()])
    phi = forms.BooleanField(label="Protected health information", required=False)
    purpose = forms.CharField(
        label="What it is needed for",
        max_length=120,
        widget=forms.TextInput(attrs={"placeholder": "to find the right room"}),
    )

    def declared(self) -> Declared:
        given = self.cleaned_data
        return Declared(str(self.prefix), given["kind"], given["phi"], given["purpose"])


def value_forms(send: HipaaSend, data: Any = None) -> list[ValueForm]:
    """A form for each value of the template, by its name."""
    return [ValueForm(data, prefix=one["name"], initial=one) for one in send.terms.variables]


class UploadForm(forms.Form):
    """The file of recipients, for this send only."""

    file = forms.FileField(
        label="Recipients (CSV or Excel .xlsx)",
        help_text="One row a person: their address and a column for each value. It is sealed at once and stored nowhere else.",
    )
    archive = forms.FileField(
        label="Files for them (ZIP)",
        required=False,
        help_text="One file for each person at most; they arrive as “document”.",
    )
    file_column = forms.RegexField(
        r"^[a-z][a-z0-9_]*$",
        label="Column that names the file",
        required=False,
        max_length=60,
        help_text="As a template would write it: “File name” is file_name.",
    )
    keep_days = forms.TypedChoiceField(
        label="Keep them for",
        coerce=int,
        choices=[(days, f"{days} days") for days in KEEP_DAYS],
        initial=KEEP_DAYS[-1],
        help_text="Until then it must be approved and sent. Then nobody can open them any more, not even from a backup.",
    )
    accepts_shift = forms.BooleanField(
        label="I looked: names and addresses belong together", required=False, widget=forms.HiddenInput
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        sizes = [file.size or 0 for name in ("file", "archive") if (file := given.get(name))]
        if sum(sizes) > MOST_BYTES:
            raise ValidationError(
                f"The files have more than {MOST_BYTES // (1024 * 1024)} MB together. Make several sends."
            )
        return given

    def show_shift(self) -> None:
        """Ask the question that is asked of suspicious files only."""
        self.fields["accepts_shift"].widget = forms.CheckboxInput()

    def upload(self) -> Upload:
        given = self.cleaned_data
        archive = given["archive"].read() if given["archive"] else b""
        return Upload(
            data=given["file"].read(),
            archive=archive,
            file_column=given["file_column"],
            keep_days=given["keep_days"],
            accepts_shift=given["accepts_shift"],
        )


class TrialForm(forms.Form):
    """Who gets a test mail, and with which made-up values."""

    person = forms.TypedChoiceField(
        label="To", coerce=int, help_text="People with a role in this account, at an address of its own domain."
    )
    row = forms.ChoiceField(label="Values", choices=list(ROW_LABELS.items()))

    def __init__(self, data: Any = None, *, people: Sequence[User]) -> None:
        super().__init__(data)
        field = self.fields["person"]
        assert isinstance(field, forms.TypedChoiceField)
        field.choices = [(one.pk, f"{one.get_full_name() or one.get_username()} ({one.email})") for one in people]


class StatementForm(forms.Form):
    """The seven statements, each to be ticked by itself; `fixed` are answers that follow from the send."""

    def __init__(self, data: Any = None, *, fixed: Mapping[str, str]) -> None:
        super().__init__(data)
        self._fixed = fixed
        for statement in STATEMENTS:
            self.fields[statement.code] = forms.BooleanField(label=statement.text, required=False)
            for name in statement.needs:
                if name not in fixed:
                    choices = [("", f"{ANSWER_LABELS[name]}: choose what fits"), *self._choices(name)]
                    self.fields[f"{statement.code}-{name}"] = forms.ChoiceField(
                        label=ANSWER_LABELS[name], choices=choices, required=False
                    )

    def _choices(self, name: str) -> list[tuple[str, str]]:
        """The answers there are; of those about authorizations only what fits the basis of the send."""
        fitting = ANSWERS_FITTING.get(self._fixed.get("basis", "")) if name == "authorization" else None
        return [(code, words) for code, words in ANSWERS[name].items() if fitting is None or code in fitting]

    def statements(self) -> Iterator[tuple[Statement, BoundField, Sequence[BoundField], Sequence[str]]]:
        """Each with its tick, the answers it asks for, and those that are given already in words."""
        for statement in STATEMENTS:
            asked = [self[f"{statement.code}-{name}"] for name in statement.needs if name not in self._fixed]
            known = [ANSWERS[name][self._fixed[name]] for name in statement.needs if self._fixed.get(name)]
            yield statement, self[statement.code], asked, known

    def attested(self) -> dict[str, dict[str, str]]:
        """What was ticked, with its answers, as approvals take it."""
        given = self.cleaned_data
        return {
            statement.code: {
                name: self._fixed.get(name) or given.get(f"{statement.code}-{name}", "") for name in statement.needs
            }
            for statement in STATEMENTS
            if given.get(statement.code)
        }
