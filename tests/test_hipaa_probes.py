"""Mail servers of recipients' domains are asked for their encryption before anybody approves (hipaa.md D4, §4.3, §4.5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from campaigns.models import Message, Submission, TlsProbe
from campaigns.planning.hipaa import probing, tls
from campaigns.planning.hipaa.checking import find_submission
from compliance.models import Approval
from tests.dns_server import DnsServer
from tests.hipaa import Authority
from tests.hipaa_office import HipaaOffice, review, statements, url
from tests.smtp_server import Conversation, RawServer, polite

pytestmark = pytest.mark.django_db

MX = "mx.provider.example"


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Authority:
    settings.NET_ALLOW_PRIVATE = True
    return Authority(tmp_path, monkeypatch)


@pytest.fixture
def dns() -> Iterator[DnsServer]:
    """Recipients are at example.org, whose mail server is on this machine."""
    with DnsServer() as server:
        server.mail_servers("example.org", f"10 {MX}")
        server.address(MX, "127.0.0.1")
        yield server


@pytest.fixture
def submission() -> Submission:
    found = find_submission(HipaaOffice().ready(people=4))
    assert found is not None
    return found


def silent(peer: Conversation, verb: str, what: bytes) -> bytes | None:
    return peer.hang_up()


def look(submission: Submission, dns: DnsServer, server: RawServer) -> str:
    assert not probing.probe_domains(submission, resolver=dns.resolver, budget=30, port=server.port)
    return TlsProbe.objects.get(domain="example.org").offer


def outlook(submission: Submission) -> tuple[int, int, int]:
    found = tls.look_ahead(submission, now=timezone.now())
    return found.reached, found.refused, found.unknown


@pytest.mark.parametrize(
    ("kind", "offer", "counts"),
    [
        ("good", "verified", (4, 0, 0)),
        ("expired", "invalid", (0, 4, 0)),
        ("wrong name", "invalid", (0, 4, 0)),
        ("strangers", "invalid", (0, 4, 0)),
        ("none", "not-offered", (0, 4, 0)),
        ("454", "failed", (0, 4, 0)),
    ],
)
def test_what_a_mail_server_offers_is_told_before_anything_is_sent(
    submission: Submission, dns: DnsServer, authority: Authority, kind: str, offer: str, counts: tuple[int, int, int]
) -> None:
    contexts = {
        "expired": lambda: authority.server(MX, expired=True),
        "wrong name": lambda: authority.server("mx.other.example"),
        "strangers": lambda: authority.server(MX, stranger=True),
    }
    offers = () if kind == "none" else (b"STARTTLS",)
    with RawServer(polite, *offers, context=contexts.get(kind, lambda: authority.server(MX))()) as server:
        if kind == "none":
            server._context = None
        if kind == "454":
            server.answer = lambda peer, verb, what: (
                b"454 4.7.0 Not now\r\n" if verb == "STARTTLS" else polite(peer, verb, what)
            )
        assert look(submission, dns, server) == offer
        said = {line.split(b" ")[0].upper() for line in server.said}
        assert said <= {b"EHLO", b"STARTTLS", b"QUIT"}
        assert not [line for line in server.said if b"pat" in line or b"example.org" in line]
    assert outlook(submission) == counts


def test_a_server_that_does_not_answer_leaves_the_domain_unknown_and_is_asked_again_later(
    submission: Submission, dns: DnsServer, authority: Authority
) -> None:
    with RawServer(polite, b"STARTTLS", context=authority.server(MX)) as server:
        server.answer = silent
        assert look(submission, dns, server) == "unreachable"
        assert outlook(submission) == (0, 0, 4)
        server.answer = polite
        assert look(submission, dns, server) == "unreachable"
        with time_machine.travel(timezone.now() + timedelta(hours=2), tick=True):
            assert look(submission, dns, server) == "verified"


def test_what_earlier_mail_met_counts_before_what_was_found_by_looking(
    submission: Submission, dns: DnsServer, authority: Authority
) -> None:
    TlsProbe.objects.create(domain="example.org", offer="verified", probed_at=timezone.now())
    assert outlook(submission) == (4, 0, 0)
    first = Message.objects.order_by("pk")[0]
    Message.objects.filter(pk=first.pk).update(error_code="smtp.550-5.7.10", done_at=timezone.now())
    assert outlook(submission) == (0, 4, 0)
    assert probing.find_unknown(submission, now=timezone.now()) == []


def test_nothing_is_asked_twice_within_days_nor_within_our_own_network(
    submission: Submission, dns: DnsServer, authority: Authority, settings: Settings
) -> None:
    with RawServer(polite, b"STARTTLS", context=authority.server(MX)) as server:
        settings.NET_ALLOW_PRIVATE = False
        assert look(submission, dns, server) == "unreachable"
        assert server.connections == 0
        settings.NET_ALLOW_PRIVATE = True
        TlsProbe.objects.all().delete()
        look(submission, dns, server)
        look(submission, dns, server)
        assert server.connections == 1
        with time_machine.travel(timezone.now() + timedelta(days=4), tick=True):
            assert probing.find_unknown(submission, now=timezone.now()) == ["example.org"]


def test_many_domains_are_asked_side_by_side_those_with_most_people_first_and_not_all(
    submission: Submission, dns: DnsServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "MOST_DOMAINS", 2)
    for number, message in enumerate(Message.objects.order_by("pk")):
        Message.objects.filter(pk=message.pk).update(recipient_domain=f"d{number}.example")
        dns.mail_servers(f"d{number}.example", f"10 {MX}")
    Message.objects.filter(recipient_domain="d0.example").update(recipient_domain="d3.example")
    with RawServer(polite, b"STARTTLS", context=authority.server(MX)) as server:
        assert probing.find_unknown(submission, now=timezone.now())[0] == "d3.example"
        assert probing.probe_domains(submission, resolver=dns.resolver, budget=0, port=server.port)
        assert not probing.probe_domains(submission, resolver=dns.resolver, budget=30, port=server.port)
        assert server.connections == 2
    assert TlsProbe.objects.filter(offer="verified").count() == 2
    assert outlook(submission) == (3, 0, 1)


def test_the_review_says_how_many_are_at_domains_with_verified_tls(dns: DnsServer, authority: Authority) -> None:
    office = HipaaOffice()
    send = office.ready(people=12)
    submission = find_submission(send)
    assert submission is not None
    with RawServer(polite, b"STARTTLS", context=authority.server(MX)) as server:
        look(submission, dns, server)
    office.author.post(url(send, "submit"), statements())
    page = " ".join(office.approver.get(review(Approval.objects.get())).content.decode().split())
    assert "<b>12</b><span>at domains with verified TLS</span>" in page
    assert "of 12 people by asking the mail servers of their domains" in page
    assert "1 domain asked" in page
