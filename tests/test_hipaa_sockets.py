"""A HIPAA send opens connections to its relay and to nobody else (hipaa.md S6)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from campaigns import tasks
from campaigns.models import HipaaSend, Submission, TlsProbe
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning.hipaa import probing, starting
from campaigns.planning.hipaa.checking import find_submission
from compliance.models import Approval
from tests.dns_server import DnsServer
from tests.hipaa import HOST, Authority
from tests.hipaa_office import HipaaOffice, archive, review, statements, upload, url
from tests.smtp_server import RawServer, polite
from tests.socket_guard import Refused, SocketGuard

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF"


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    authority = Authority(tmp_path, monkeypatch)
    with RawServer(polite, b"STARTTLS", b"PIPELINING", context=authority.server()) as running:
        yield running


def test_from_the_draft_to_the_evidence_a_send_talks_to_its_relay_alone(relay: RawServer) -> None:
    office = HipaaOffice()
    office.clinic.aim(relay.port)
    with SocketGuard([(HOST, relay.port)]) as guard:
        send = office.draft()
        office.declare(send)
        sheet = b"Email,First name,Visit,File\nann@example.org,Ann,1 May 2027,a.pdf\nben@example.org,Ben,2 May 2027,\n"
        files = upload(archive({"a.pdf": PDF}), name="files.zip")
        assert office.upload(send, sheet, archive=files, file_column="file").status_code == 302
        office.author.post(url(send, "confirm"))
        for view in ("change", "preview", "submit"):
            assert office.author.get(url(send, view)).status_code == 200
        assert office.author.post(url(send, "submit"), statements()).status_code == 302
        approval = Approval.objects.get()
        for place in (review(approval), review(approval, "preview") + "?row=longest"):
            assert office.approver.get(place).status_code == 200
        assert office.approve(approval).status_code == 302
        assert starting.start_send(Approval.objects.get(), now=timezone.now())
        dispatch_slice(Submission.objects.get().pk)
        tasks.sweep()
        for view in ("change", "progress", "messages"):
            assert office.author.get(url(send, view)).status_code == 200
        evidence = office.author.get(url(send, "evidence"))
        assert b"".join(evidence.streaming_content).startswith(b"PK")  # type: ignore[attr-defined]
    assert HipaaSend.objects.get().state == "sent"
    assert len(relay.mails) == 2
    assert set(guard.seen) == {(HOST, relay.port)}


def test_the_guard_notices_what_goes_elsewhere_also_where_it_is_caught(relay: RawServer, settings: Settings) -> None:
    """Its control: a bare connection, and the product's own way to other servers, which takes a refusal for silence."""
    with (
        socket.create_server((HOST, 0)) as other,
        pytest.raises(AssertionError, match="opened to"),
        SocketGuard([(HOST, relay.port)]),
        pytest.raises(Refused),
    ):
        socket.create_connection(other.getsockname()[:2])
    submission = find_submission(HipaaOffice().ready())
    assert submission is not None
    settings.NET_ALLOW_PRIVATE = True
    with DnsServer() as dns:
        dns.mail_servers("example.org", "10 mx.example.org")
        dns.address("mx.example.org", HOST)
        resolver = dns.resolver
        allowed = [(HOST, resolver.port)]
        with pytest.raises(AssertionError, match=str(relay.port)), SocketGuard(allowed):
            probing.probe_domains(submission, resolver=resolver, budget=30, port=relay.port)
    assert relay.connections == 0
    assert not TlsProbe.objects.exclude(offer="unreachable").exists()
