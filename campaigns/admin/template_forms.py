"""The template editor's form: texts and the table of variables, as somebody typed them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from campaigns import addresses
from campaigns.admin.pages import AccountForm
from campaigns.content.versions import TemplateProblem, Variable, VersionDraft
from campaigns.models import Sender, SourceKind

_BLANK_ROWS = 2
STOP, FILL = "stop", "fill"


@dataclass(frozen=True, slots=True)
class VariableRow:
    """One row of the table; `missing` says what happens for people without a value."""

    name: str = ""
    label: str = ""
    sample: str = ""
    missing: str = FILL
    default: str = ""

    @property
    def is_blank(self) -> bool:
        return not (self.name or self.label or self.sample or self.default)


class DraftForm(forms.Form):
    """The fields of one version apart from its variables; shown only, the content room says what is wrong."""

    subject = forms.CharField(help_text="Placeholders work here too, such as {{ first_name }}.")
    preheader = forms.CharField(
        label="Preview line",
        required=False,
        help_text="Shown after the subject in most inboxes.",
    )
    source_kind = forms.ChoiceField(label="Written as", choices=SourceKind.choices, initial=SourceKind.HTML)
    source = forms.CharField(
        label="Content",
        widget=forms.Textarea(attrs={"class": "code", "spellcheck": "false", "rows": 28}),
        help_text="Always there: {{ email }}, {{ account_name }}, {{ postal_address }} and {{ unsubscribe_url }}.",
    )
    text_source = forms.CharField(
        label="Plain text",
        required=False,
        widget=forms.Textarea(attrs={"class": "code short", "rows": 8}),
        help_text="For readers without HTML. Leave empty to have it made from the content.",
    )


class NewTemplateForm(AccountForm):
    name = forms.CharField(max_length=120, help_text="For yourselves; readers never see it.")
    starter = forms.ChoiceField(label="Start from", widget=forms.RadioSelect, initial="0")

    def __init__(self, *args: Any, starters: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["starter"].choices = starters  # type: ignore[attr-defined]


class RenameForm(forms.Form):
    name = forms.CharField(max_length=120)


class TestForm(forms.Form):
    """Where a test mail goes; the address stays in the form, never in a web address."""

    to = forms.CharField(label="To", max_length=254, widget=forms.EmailInput())
    sender = forms.ModelChoiceField(label="From", queryset=Sender.objects.none(), empty_label=None)

    def __init__(self, *args: Any, senders: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sender"].queryset = senders  # type: ignore[attr-defined]

    def clean_to(self) -> str:
        return addresses.parse(self.cleaned_data["to"]).mailbox


def read_rows(posted: QueryDict) -> list[VariableRow]:
    """The table as posted, without blank rows."""
    columns = [posted.getlist(f"var_{name}") for name in ("name", "label", "sample", "missing", "default")]
    rows = [VariableRow(*cells) for cells in zip(*columns, strict=False)]
    return [row for row in rows if not row.is_blank]


def rows_of(variables: Iterable[Variable]) -> list[VariableRow]:
    """The table of a stored version."""
    return [
        VariableRow(v.name, v.label, v.sample, STOP if v.default is None else FILL, v.default or "") for v in variables
    ]


def with_blanks(rows: list[VariableRow]) -> list[VariableRow]:
    """The rows with empty ones after them, for browsers without JavaScript."""
    return [*rows, *(VariableRow() for _ in range(_BLANK_ROWS))]


def make_draft(posted: QueryDict) -> VersionDraft:
    """The draft in a posted form; line ends as the web sends them become plain ones."""
    texts = {name: posted.get(name, "").replace("\r\n", "\n") for name in DraftForm.base_fields}
    return VersionDraft(
        **texts,
        variables=tuple(
            Variable(row.name.strip(), row.label.strip(), row.sample, None if row.missing == STOP else row.default)
            for row in read_rows(posted)
        ),
    )


def group_problems(problems: Iterable[TemplateProblem]) -> dict[str, list[TemplateProblem]]:
    """Problems by the field they stand beside."""
    places: dict[str, list[TemplateProblem]] = {}
    for problem in problems:
        field = problem.field if problem.field in DraftForm.base_fields else "variables"
        places.setdefault(field, []).append(problem)
    return places
