"""The form of the test console: fields a body is written from, or the body by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms

from campaigns.admin.console_bodies import ENDPOINTS, Draft, read_people, read_values, write_body
from campaigns.admin.pages import AccountForm
from campaigns.models import Account, EmailTemplate, Purpose
from campaigns.numbers import number_of

_LINE_END = re.compile(r"\r\n|\r|\n")
_LARGEST = 2_000_000  # characters of a body; the API's own limits come before
_FROM_FIELDS, _BY_HAND = "fields", "hand"

# What people try first; every one works with every operation.
SAMPLES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "simple": (
        "One mail",
        {"to": "ann@example.com", "subject": "Your order", "html": "<p>It is on its way.</p>"},
    ),
    "values": (
        "Values for each person",
        {
            "to": "ann@example.com, name=Ann, order=4711\nbob@example.com, name=Bob, order=4712",
            "subject": "Your order {{order}}",
            "html": "<p>Dear {{name}}, your order {{order}} is on its way.</p>",
            "defaults": "name=friend",
        },
    ),
    "file": (
        "With a file",
        {"to": "ann@example.com", "subject": "Your invoice", "text": "It is attached.", "attach": True},
    ),
    "bounce": (
        "A mail that bounces",
        {"to": "bounce@example.com", "subject": "Nobody is there", "text": "The sandbox plays a dead address."},
    ),
    "fault": (
        "A mistake",
        {"to": "ann@example.com", "subject": "", "text": "It has no subject.", "reply_to": "not an address"},
    ),
}


def _mono(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows, "spellcheck": "false", "class": "code short"})


class ConsoleForm(AccountForm):
    """A request to be tried. Nothing is required here: what is missing, the API says."""

    endpoint = forms.ChoiceField(
        label="Operation",
        widget=forms.RadioSelect,
        choices=[(name, f"{entry.label}: {entry.gloss}") for name, entry in ENDPOINTS.items()],
        initial="messages",
    )
    purpose = forms.ChoiceField(
        label="As with a key for",
        choices=[(Purpose.TRANSACTIONAL, "Transactional mail"), (Purpose.MARKETING, "Marketing")],
        required=False,
    )
    sender = forms.CharField(required=False, max_length=1000)
    reply_to = forms.CharField(required=False, max_length=1000)
    to = forms.CharField(
        label="To",
        required=False,
        widget=_mono(3),
        help_text="One person on each line, with values after a comma: <code>ann@example.com, name=Ann</code>",
    )
    cc = forms.CharField(label="Cc", required=False, help_text="Several with commas between them.")
    bcc = forms.CharField(label="Bcc", required=False, help_text="Several with commas between them.")
    subject = forms.CharField(required=False, max_length=2000)
    template = forms.ModelChoiceField(
        queryset=EmailTemplate.objects.none(), required=False, empty_label="None: the texts below"
    )
    html = forms.CharField(label="HTML", required=False, widget=_mono(6))
    text = forms.CharField(required=False, widget=_mono(4), help_text="HTML wins over text.")
    defaults = forms.CharField(
        label="Values for everybody",
        required=False,
        widget=_mono(3),
        help_text="One on each line, such as <code>name=friend</code>; a person's own win.",
    )
    attach = forms.BooleanField(label="With a small file", required=False)
    source = forms.ChoiceField(
        label="The body",
        required=False,
        widget=forms.RadioSelect,
        choices=[(_FROM_FIELDS, "Write it from the fields above"), (_BY_HAND, "Send it as it stands below")],
        initial=_FROM_FIELDS,
    )
    body = forms.CharField(
        label="Body", required=False, strip=False, max_length=_LARGEST, widget=forms.Textarea(attrs={"class": "code", "rows": 16, "spellcheck": "false"})
    )  # fmt: skip

    def __init__(self, *args: Any, accounts: Any, **kwargs: Any) -> None:
        super().__init__(*args, accounts=accounts, **kwargs)
        templates = EmailTemplate.objects.filter(account__in=accounts, deleted_at=None, versions__isnull=False)
        self.fields["template"].queryset = templates.distinct().order_by("name")  # type: ignore[attr-defined]

    @property
    def chosen_account(self) -> Account:
        chosen: Account = self.cleaned_data["account"]
        return chosen

    def written(self) -> str:
        """The body: from the fields, or as it was written by hand; lines of a form end in CR LF."""
        given = self.cleaned_data
        if given["source"] != _BY_HAND:
            return self.from_fields()
        return _LINE_END.sub("\r\n" if given["endpoint"] == "form" else "\n", given["body"])

    def from_fields(self) -> str:
        """The body as the fields say it."""
        return write_body(self.cleaned_data["endpoint"], self._draft())

    def shown_written(self) -> dict[str, Any]:
        """The form with the body written out, to be sent as it stands unless the person changes it."""
        return self.again() | {"body": self.from_fields(), "source": _BY_HAND}

    def again(self) -> dict[str, Any]:
        """What the form is filled with to change the request and send it again."""
        kept = {name: value for name, value in self.cleaned_data.items() if name not in {"account", "template", "body"}}
        template = self.cleaned_data["template"]
        return kept | {"account": self.chosen_account.pk, "template": template.pk if template else None}

    def _draft(self) -> Draft:
        given = self.cleaned_data
        return Draft(
            sender=given["sender"],
            to=read_people(given["to"]),
            cc=_split(given["cc"]),
            bcc=_split(given["bcc"]),
            reply_to=given["reply_to"],
            subject=given["subject"],
            text=given["text"],
            html=given["html"],
            template=str(number_of(given["template"].public_id)) if given["template"] else "",
            defaults=read_values(given["defaults"]),
            attach=given["attach"],
        )


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
