"""The screens of protected mail, and the people before them: each with a second factor of a minute ago."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from campaigns.accounts.second_factor import SESSION_KEY
from campaigns.models import HipaaSend, Role
from compliance.approvals.attest import STATEMENTS
from compliance.models import Approval
from tests.factories import make_sender, make_template, make_user, make_version
from tests.hipaa import Clinic, attest, make_clinic

SOURCE = (
    '<html lang="en"><body><p>Dear {{ first_name }},</p><p>your appointment is on {{ visit }}.</p>'
    '<p>{{ account_name }}, {{ postal_address }} <a href="{{ unsubscribe_url }}">No more mail</a></p></body></html>'
)
VARIABLES = [
    {"name": "first_name", "label": "", "sample": "Ann", "default": None},
    {"name": "visit", "label": "", "sample": "Monday", "default": None},
]
WORKBOOK = Path(__file__).parent / "data" / "recipients.xlsx"
PURPOSE = {"promotes": "no", "paid": "no", "refill": "no", "care": "yes"}


def sheet(count: int) -> bytes:
    """A file of so many recipients, each with a name that fits their address."""
    rows = [f"pat{number}name@example.org,Pat{number}name,{number % 28 + 1} March 2027" for number in range(count)]
    return "\r\n".join(["Email,First name,Visit", *rows]).encode()


def workbook(rows: str, *, sheet: str = "xl/worksheets/sheet1.xml", prolog: str = "", size: int = 0) -> bytes:
    """The workbook of tests/data, which a spreadsheet program wrote, with other rows (`<row>…`); as large as `size`."""
    raw = io.BytesIO()
    with zipfile.ZipFile(WORKBOOK) as source, zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            part = source.read(name)
            if name == sheet:
                start, _, head = part.partition(b"<sheetData")[0].partition(b"<worksheet")
                written = f"<sheetData>{rows}</sheetData></worksheet>"
                part = start + prolog.encode() + b"<worksheet" + head + written.encode()
            copy.writestr(name, part)
        copy.writestr("docProps/picture.bin", bytes(size), zipfile.ZIP_STORED)
    return raw.getvalue()


def cells(*texts: str, number: int, more: str = "") -> str:
    """One row of a sheet, all of it text."""
    inner = "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in texts)
    return f'<row r="{number}"{more}>{inner}</row>'


def upload(data: bytes, *, name: str = "people.csv") -> io.BytesIO:
    file = io.BytesIO(data)
    file.name = name
    return file


def archive(files: Mapping[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return raw.getvalue()


def statements(**changes: str) -> dict[str, str]:
    """All seven, ticked and answered, as a form posts them."""
    ticks = {statement.code: "on" for statement in STATEMENTS}
    other_law = dict.fromkeys(("A4-substance", "A4-psychotherapy", "A4-minors"), "none")
    return {**ticks, **other_law, "A2-authorization": "not-required-treatment", **changes}


@dataclass
class HipaaOffice:
    """A clinic's people, each signed in, and one template with two protected values."""

    clinic: Clinic = field(default_factory=make_clinic)

    def __post_init__(self) -> None:
        account = self.clinic.account
        self.template = make_template(account, name="Appointments")
        self.version = make_version(
            self.template, subject="A message from your clinic", source=SOURCE, variables=VARIABLES
        )
        self.sender = make_sender(account)
        attest(self.clinic, self.sender.email)

    def sign_in(self, role: str | None = None, *, user: User | None = None, factor: bool = True) -> Client:
        """A browser of somebody with this role, or of a given person."""
        client = Client()
        client.force_login(user or make_user(self.clinic.account, role=role or Role.AUTHOR))
        if factor:
            prove(client)
        return client

    def browser_of(self, person_id: int) -> Client:
        return self.sign_in(user=User.objects.get(pk=person_id))

    @cached_property
    def author(self) -> Client:
        return self.browser_of(self.clinic.author.id)

    @cached_property
    def approver(self) -> Client:
        return self.browser_of(self.clinic.approver.id)

    @cached_property
    def officer(self) -> Client:
        return self.browser_of(self.clinic.officer.id)

    def draft(self, **changes: Any) -> HipaaSend:
        """A draft made on the screens."""
        account = self.clinic.account
        given = {
            "name": "November appointments", "template": self.template.pk, "sender": self.sender.pk,
            "transport": account.transports.get().pk, "legal_basis": "treatment", "reference": "P-12", "not_before": "",
            **PURPOSE, **changes,
        }  # fmt: skip
        answer = self.author.post(reverse("admin:campaigns_hipaasend_add"), given)
        assert answer.status_code == 302, answer.content.decode()
        send = HipaaSend.objects.order_by("-pk").first()
        assert send is not None
        return send

    def declare(self, send: HipaaSend) -> None:
        given: dict[str, str] = {}
        for name, kind in (("first_name", "name"), ("visit", "date")):
            given |= {f"{name}-kind": kind, f"{name}-phi": "on", f"{name}-purpose": "to find the way"}
        assert self.author.post(url(send, "values"), given).status_code == 302

    def upload(self, send: HipaaSend, data: bytes, **more: Any) -> HttpResponse:
        given = {"file": upload(data), "keep_days": "30", "file_column": "", **more}
        return self.author.post(url(send, "recipients"), given)  # type: ignore[return-value]

    def ready(self, *, people: int = 3, **changes: Any) -> HipaaSend:
        """A draft that nothing stops any more."""
        send = self.draft(**changes)
        self.declare(send)
        answer = self.upload(send, sheet(people))
        assert answer.status_code == 302, answer.content.decode()
        self.author.post(url(send, "confirm"))
        return HipaaSend.objects.get(pk=send.pk)

    def submitted(self, **changes: Any) -> Approval:
        send = self.ready(**changes)
        answer = self.author.post(url(send, "submit"), statements())
        assert answer.status_code == 302, answer.content.decode()
        return Approval.objects.get(campaign=send.pk)

    def approve(self, approval: Approval, client: Client | None = None, **changes: Any) -> HttpResponse:
        given = {"seen": approval.digest, **statements(), **changes}
        return (client or self.approver).post(review(approval, "approve"), given)  # type: ignore[return-value]


def prove(client: Client, *, minutes: int = 1) -> None:
    """The session's person has entered the code of their second factor, so many minutes ago."""
    session = client.session
    session[SESSION_KEY] = int(time.time()) - 60 * minutes
    session.save()


def url(send: HipaaSend, view: str = "change") -> str:
    return reverse(f"admin:campaigns_hipaasend_{view}", args=[send.public_id])


def review(approval: Approval, view: str = "change") -> str:
    return reverse(f"admin:compliance_approval_{view}", args=[approval.public_id])
