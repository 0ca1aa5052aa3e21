"""One table of mails, two doors: what SMTP takes, POST /email/4/mime takes, and what one refuses, both refuse (SU-08)."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django_q.conf import Conf

from campaigns import addresses, tokens
from campaigns.audiences import suppression
from campaigns.models import Message, SandboxMail, Submission, Transport
from campaigns.outbox.payload import open_webhook
from tests.api import Program
from tests.factories import make_domain
from tests.smtp_door import Client, Door, open_door

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as found:
        yield found


@dataclass(frozen=True)
class Case:
    """A mail with {domain} for the account's, {unverified} for one more of its own and {other} for a stranger's."""

    name: str
    mail: str
    accepted: bool = True
    to: tuple[str, ...] = ("bob@example.net",)
    leaves: bool = True
    kind: str = "sandbox"
    purpose: str = "transactional"


def letter(*lines: str, sender: str = "shop@{domain}", body: str = "Hello\r\n") -> str:
    head = [f"From: {sender}", "To: Bob <bob@example.net>", "Subject: Hi", "Date: Mon, 30 Nov 2026 09:00:00 +0200",
            "Message-ID: <1@{domain}>", "MIME-Version: 1.0", *lines]  # fmt: skip
    return "\r\n".join(head) + "\r\n\r\n" + body


EXE = "TVqQAAMAAAAEAAAA//8AALgAAAA=\r\n"
CASES = [
    Case("plain", letter()),
    Case("display name", letter(sender='"Shop, Inc." <shop@{domain}>')),
    Case("eight bits", letter(body="Ąžuolas\r\n")),
    Case("bare line ends", letter(body="a\nb\rc\r\n").replace("\r\nSubject", "\nSubject")),
    Case("dots", letter(body=".\r\n..\r\n")),
    Case("controls", letter("X-IB-bulk-id: b", "X-IB-message-id: m", "X-IB-callback-data: c", "X-IB-entity-id: e")),
    Case("trace and bcc", letter("Received: from x", "Return-Path: <x@y.z>", "Bcc: eve@example.net", "DKIM-Signature: v=1")),
    Case("several people", letter(), to=("bob@example.net", "ann@example.net", "bob@example.net")),
    Case("suppressed", letter(), to=("gone@example.net",), leaves=False),
    Case("unverified domain in the sandbox", letter(sender="a@{unverified}")),
    Case("unverified domain", letter(sender="a@{unverified}"), accepted=False, kind="smtp"),
    Case("a stranger's domain", letter(sender="a@{other}"), accepted=False),
    Case("a subdomain nobody added", letter(sender="a@sub.{domain}"), accepted=False),
    Case("two mailboxes", letter(sender="a@{domain}, b@{domain}"), accepted=False),
    Case("two From", letter("From: b@{domain}"), accepted=False),
    Case("a group", letter(sender="Us: a@{domain};"), accepted=False),
    Case("another Sender", letter("Sender: x@evil.example.org"), accepted=False),
    Case("an encoded address", letter(sender="=?utf-8?q?a=40{domain}?="), accepted=False),
    Case("a name like an address", letter(sender='"ceo@bank.example.org" <a@{domain}>'), accepted=False),
    Case("long line", letter(body="x" * 999 + "\r\n"), accepted=False),
    Case("NUL", letter(body="a\0b\r\n"), accepted=False),
    Case("a header twice", letter("Subject: again"), accepted=False),
    Case("a control nobody understands", letter("X-IB-notify-url: file:///x"), accepted=False),
    Case("a broken multipart", letter("Content-Type: multipart/mixed; boundary=a"), accepted=False),
    Case("a program as a document", letter("Content-Type: application/pdf; name=a.pdf",
         "Content-Transfer-Encoding: base64", body=EXE), accepted=False),
    Case("marketing", letter(), accepted=False, purpose="marketing"),
    Case("a routed recipient", letter(), accepted=False, to=("bob%example.org@example.net",)),
]  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """Everything the two doors must agree on."""

    accepted: bool
    rows: tuple[tuple[str, str, str], ...]
    told: tuple[str, ...]
    left: tuple[tuple[str, bytes], ...]


def by_smtp(door: Door, program: Program, mail: bytes, to: list[str]) -> bool:
    with Client(door.plain) as client:
        client.log_in("App", program.secret)
        return client.mail(mail, sender=f"shop@{program.domain.name}", to=to).startswith("250")


def by_http(program: Program, mail: bytes, to: list[str]) -> bool:
    body = {"mimeMessage": base64.b64encode(mail).decode(), "destinations": to}
    status = program.post("/email/4/mime", body).status_code
    assert status in {200, 400, 413}
    return bool(status == 200)


def run(case: Case, program: Program, accepted: bool) -> Outcome:
    program.work()
    account = program.account
    rows = Message.objects.filter(submission__account=account).order_by("recipient")
    submissions = Submission.objects.filter(account=account)
    told = [text for row in submissions for text in (row.entity_id, open_webhook(row).callback_data)]
    mails = SandboxMail.objects.filter(account=account).order_by("recipient")
    return Outcome(
        accepted,
        tuple((row.recipient, row.state, row.error_code) for row in rows),
        tuple(told),
        tuple((mail.recipient, zlib.decompress(bytes(mail.raw))) for mail in mails),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_doors_come_to_the_same_verdict_su_08(case: Case, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)
    other = Program().domain.name
    outcomes = []
    for take in ("smtp", "http"):
        program = Program(purpose=case.purpose)
        type(program.domain).objects.filter(pk=program.domain.pk).update(name="shop.example.com")
        program.domain.name = "shop.example.com"
        make_domain(program.account, name="new.example.com", verified_at=None)
        Transport.objects.filter(account=program.account).update(kind=case.kind)
        key = tokens.address_key(addresses.parse("gone@example.net"), account=program.account.public_id)
        suppression.suppress(program.account, address_key=key, scope="everything", reason="bounce")
        names = {"{domain}": "shop.example.com", "{unverified}": "new.example.com", "{other}": other}
        text = case.mail
        for mark, name in names.items():
            text = text.replace(mark, name)
        mail, to = text.encode(), list(case.to)
        accepted = by_smtp(door, program, mail, to) if take == "smtp" else by_http(program, mail, to)
        outcomes.append(run(case, program, accepted))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0].accepted is case.accepted
    assert bool(outcomes[0].left) is (case.accepted and case.leaves)
