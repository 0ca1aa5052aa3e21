"""Senders of protected mail have a DMARC record, when it is written, handed in and handed over (hipaa.md S25)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns.domains.creation import create_domain
from campaigns.domains.expected import DMARC, expected_records
from campaigns.domains.verification import verify_domain
from campaigns.models import Domain, HipaaSend, Message, Sender, Submission
from campaigns.outbox.dispatch import dispatch_slice, dispatch_stream
from campaigns.planning.hipaa import checking, starting
from campaigns.planning.hipaa.scan import scan_send
from compliance.models import Approval, AuditEvent
from tests.dns_server import DnsServer
from tests.factories import make_sender
from tests.hipaa import Authority, attest
from tests.hipaa_office import HipaaOffice, statements, url
from tests.smtp_server import RawServer, polite

pytestmark = pytest.mark.django_db

HOST = "hipaa.test"
PLACE = "_dmarc.clinic.example.com"


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    authority = Authority(tmp_path, monkeypatch)
    with RawServer(polite, b"STARTTLS", b"PIPELINING", context=authority.server()) as running:
        yield running


@pytest.fixture
def office(dns: DnsServer, relay: RawServer) -> HipaaOffice:
    """A clinic whose domain DNS proves, with everything published."""
    office = HipaaOffice()
    office.clinic.aim(relay.port)
    domain = create_domain(office.clinic.account, name="clinic.example.com")
    dns.publish_all(expected_records(domain))
    look(dns)
    office.sender = make_sender(office.clinic.account, domain=domain)
    attest(office.clinic, office.sender.email)
    return office


def look(dns: DnsServer) -> None:
    domain = Domain.objects.get(name="clinic.example.com")
    assert verify_domain(domain, resolver=dns.resolver, now=timezone.now())


def lose_dmarc(dns: DnsServer) -> None:
    """The record is gone; the domain itself stays verified for some looks more."""
    del dns.records[PLACE, "TXT"]
    look(dns)


def text(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def codes(send: HipaaSend) -> set[str]:
    return {finding.code for finding in checking.check_send(send, now=timezone.now())}


def test_without_a_dmarc_record_a_send_is_not_submitted_and_its_page_shows_the_right_one(
    office: HipaaOffice, dns: DnsServer
) -> None:
    assert "sender.dmarc-missing" not in codes(office.draft())
    lose_dmarc(dns)
    assert "sender.dmarc-missing" in codes(office.draft())
    send = office.ready()
    page = text(office.author.get(url(send)))
    assert "The DMARC record is not published" in page
    assert f"Publish “v=DMARC1; p=none” at {PLACE}." in page
    office.author.post(url(send, "submit"), statements())
    assert not Approval.objects.exists()


@pytest.mark.parametrize(
    ("published", "says"),
    [
        ("v=DMARC1; p=maybe; rua=mailto:d@x.example", "p=maybe is no policy"),
        ('"v=DMARC1; p=none"', "Paste it again"),
    ],
)
def test_a_record_that_says_nothing_is_named_with_the_value_that_would(
    office: HipaaOffice, dns: DnsServer, published: str, says: str
) -> None:
    dns.publish(PLACE, [published])
    look(dns)
    (found,) = (
        one for one in checking.check_send(office.draft(), now=timezone.now()) if one.code == "sender.dmarc-missing"
    )
    assert says in found.text
    assert "“v=DMARC1; p=none”" in found.text
    assert "@" not in found.text


def test_what_was_approved_before_the_record_was_lost_waits_for_a_person(
    office: HipaaOffice, dns: DnsServer, relay: RawServer
) -> None:
    office.approve(office.submitted())
    starting.start_send(Approval.objects.get(), now=timezone.now())
    lose_dmarc(dns)
    dispatch_slice(Submission.objects.get().pk)
    assert relay.mails == []
    assert HipaaSend.objects.get().state == "paused"
    assert "DMARC" in text(office.author.get(url(HipaaSend.objects.get())))


def test_a_hiccup_of_dns_stops_nothing(office: HipaaOffice, dns: DnsServer) -> None:
    """SP-04."""
    dns.broken.add(PLACE)
    look(dns)
    assert Domain.objects.get(name="clinic.example.com").findings.get(record=DMARC).code == "dns.temporary-error"
    assert "sender.dmarc-missing" not in codes(office.draft())


class Program:
    """A program at the HIPAA endpoint."""

    def __init__(self, office: HipaaOffice, settings: Settings) -> None:
        settings.HIPAA_HOSTS = [HOST]
        settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, HOST]
        self.office, self.secret = office, office.clinic.key()[1]

    def send(self, sender: str = "") -> Any:
        message = {
            "sender": sender or self.office.sender.email,
            "destinations": [{"to": [{"destination": "ann@example.org"}]}],
            "content": {"subject": "A message from your clinic", "text": "Hello"},
        }
        headers = {"host": HOST, "authorization": f"App {self.secret}"}
        body = {"messages": [message]}
        return Client().post("/email/4/messages", body, "application/json", headers=headers, secure=True)


def test_the_endpoint_takes_nothing_in_that_could_not_leave(
    office: HipaaOffice, dns: DnsServer, settings: Settings, relay: RawServer
) -> None:
    program = Program(office, settings)
    assert program.send().status_code == 200
    lose_dmarc(dns)
    answer = program.send()
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "hipaa.domain-not-verified")
    assert PLACE in answer.content.decode()
    attest(office.clinic, "office@elsewhere.example")
    assert program.send("office@elsewhere.example").json()["errorCode"] == "hipaa.domain-not-verified"
    assert [event.data["code"] for event in AuditEvent.objects.filter(action="hipaa.blocked").order_by("pk")] == [
        "hipaa.domain-not-verified"
    ] * 2
    # What had been taken in before is asked again as it would leave.
    dispatch_stream(office.clinic.account.transports.get(is_default=True).pk, linger=timedelta(0))
    assert list(Message.objects.values_list("state", "error_code")) == [("refused", "sender.dmarc-missing")]
    assert relay.mails == []


@pytest.mark.parametrize(
    ("email", "is_told"),
    [
        ("dermatology@clinic.example.com", True),
        ("office@sexual-health.clinic.example.com", True),
        ("news@urology.example", True),
        ("office@clinic.example.com", False),
        ("care@mail.clinic.example.com", False),
    ],
)
def test_an_address_that_names_a_specialty_is_a_warning(office: HipaaOffice, email: str, is_told: bool) -> None:
    send = office.draft()
    Sender.objects.filter(pk=office.sender.pk).update(email=email)
    hits = scan_send(HipaaSend.objects.get(pk=send.pk), now=timezone.now()).hits
    assert [(hit.found.rule, hit.found.level) for hit in hits] == [("phi.specialty", "warn")] * is_told
