"""Mail with protected information by SMTP: a listener, a lane and limits of its own (hipaa.md S3, S13, §4.4, D16)."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from campaigns.models import DnsFinding, Lane, Message
from campaigns.outbox.dispatch import dispatch_stream
from campaigns.smtp.protocol import Entrance
from compliance.approvals import stopping
from compliance.models import AuditEvent, Disclosure
from tests.factories import make_domain
from tests.hipaa import Authority, Clinic, attest, make_clinic
from tests.smtp_door import Client, Door, open_door
from tests.smtp_server import RawServer, polite

pytestmark = pytest.mark.django_db(transaction=True)

CANARY = "PHI-5d1f2c"


@pytest.fixture
def door() -> Iterator[Door]:
    with open_door() as running:
        yield running


class Office:
    """A clinic with a domain and a key, and a way to say mails at the HIPAA listener."""

    def __init__(self) -> None:
        self.clinic: Clinic = make_clinic()
        self.sender = f"office@{make_domain(self.clinic.account).name}"
        attest(self.clinic, self.sender)
        self.secret = self.clinic.key()[1]

    def mail(self, **headers: str) -> bytes:
        head = {"From": self.sender, "To": "ann@example.org", "Subject": "A message from your clinic", **headers}
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in head.items())
        return f"{lines}\r\n{CANARY}\r\n".encode()

    def hand_in(self, door: Door, data: bytes, *to: str) -> str:
        with Client(door.hipaa, tls=door.trust) as client:
            assert client.log_in("App", self.secret).startswith("235")
            return client.mail(data, sender=self.sender, to=list(to) or ["ann@example.org"])


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_mail_handed_in_over_tls_is_stored_sealed_and_leaves_over_tls(
    door: Door, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    context = Authority(tmp_path, monkeypatch).server()
    with RawServer(polite, b"STARTTLS", context=context) as relay:
        office.clinic.aim(relay.port)
        assert office.hand_in(door, office.mail()).startswith("250 2.6.0")
        message = Message.objects.get()
        assert (message.recipient, message.submission.lane) == ("", "hipaa")
        assert CANARY.encode() not in bytes(message.submission.payload_sealed or b"")
        dispatch_stream(office.clinic.account.transports.get().pk, linger=timedelta(0))
        ((rcpt, mail),) = relay.mails
    assert rcpt == b"RCPT TO:<ann@example.org>"
    assert CANARY.encode() in mail
    assert Disclosure.objects.get().tls_version == "TLSv1.3"
    assert CANARY not in caplog.text
    assert "ann@example.org" not in caplog.text


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X_IB_callback_data": CANARY}, "hipaa.callback-data"),
        ({"X_IB_bulk_id": CANARY}, "hipaa.id-format"),
        ({"X_IB_campaign_reference_id": CANARY}, "hipaa.campaign-reference"),
        ({"X_IB_notify_url": "https://example.com/x"}, "hipaa.integration-ineligible"),
        ({"X_IB_tracking_url": "https://example.com/x"}, "hipaa.tracking-url"),
        ({"X_IB_track_opens": "true"}, "hipaa.open-tracking-ineligible"),
        ({"Cc": "ben@example.org"}, "hipaa.copies-ineligible"),
        ({"Subject": "Your HIV test results"}, "hipaa.placeholder-scope"),
        ({"X_Patient": "MRN: 12345678"}, "hipaa.placeholder-scope"),
    ],
)
def test_control_headers_and_heads_are_refused_by_the_same_codes_and_nothing_is_stored(
    door: Door, office: Office, headers: dict[str, str], code: str
) -> None:
    reply = office.hand_in(door, office.mail(**headers))
    assert reply.startswith("550 5.7.1")
    assert reply.endswith(f"[{code}]")
    assert CANARY not in reply
    assert not Message.objects.exists()
    event = AuditEvent.objects.get(action="hipaa.blocked")
    assert (event.data["code"], event.thing_id) == (code, "hipaa-smtp")


def test_a_sender_without_a_dmarc_record_is_refused_at_once(door: Door, office: Office) -> None:
    """S25."""
    office.clinic.aim(25)
    DnsFinding.objects.update(ok=False, text="The DMARC record is not published.", fix="v=DMARC1; p=none")
    reply = office.hand_in(door, office.mail())
    assert reply.startswith("550 5.7.1")
    assert "[hipaa.domain-not-verified]" in reply
    assert not Message.objects.exists()


def test_each_recipient_gets_a_mail_of_their_own(door: Door, office: Office) -> None:
    """A client hands the others in by another mail, as after any 452 (RFC 5321 §4.5.3.1.10)."""
    reply = office.hand_in(door, office.mail(), "ann@example.org", "ben@example.org")
    assert reply.startswith("452 4.5.3")


def test_nobody_is_told_by_mail_what_became_of_protected_mail_su_11(door: Door, office: Office) -> None:
    with Client(door.hipaa, tls=door.trust) as client:
        client.log_in("App", office.secret)
        assert "DSN" not in client.say("EHLO client.test")
        assert client.say(f"MAIL FROM:<{office.sender}> ENVID=17").startswith("555 5.5.4")
        client.say(f"MAIL FROM:<{office.sender}>")
        assert client.say("RCPT TO:<ann@example.org> NOTIFY=FAILURE").startswith("555 5.5.4")


def test_while_everything_is_stopped_no_mail_is_taken_and_none_is_lost(door: Door, office: Office) -> None:
    clinic = office.clinic
    stopping.order_stop(clinic.account.pk, owner=clinic.owner, by=clinic.officer, reason="incident", now=timezone.now())
    with Client(door.hipaa, tls=door.trust) as client:
        client.log_in("App", office.secret)
        assert client.say(f"MAIL FROM:<{office.sender}>").startswith("451 4.7.1")
        assert client.say("DATA").startswith("503")


def test_without_tls_nothing_is_taken_before_data(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A HIPAA listener that offers STARTTLS takes neither a key nor a mail before it."""

    def entrance(lane: Lane = Lane.STANDARD, **options: Any) -> Entrance:
        # The HIPAA listener of the tests' door, with STARTTLS instead of TLS from the first byte.
        return Entrance(lane, tls=options["tls"]) if lane == Lane.HIPAA else Entrance(**options)

    monkeypatch.setattr("tests.smtp_door.Entrance", entrance)
    with open_door() as door, Client(door.hipaa) as client:
        client.hear()
        assert "AUTH" not in client.say("EHLO client.test")
        assert client.say("AUTH PLAIN AGEAYg==").startswith("538 5.7.11")
        for line in (f"MAIL FROM:<{office.sender}>", "RCPT TO:<ann@example.org>", "DATA"):
            assert client.say(line).startswith("530 5.7.0")
        assert client.say("STARTTLS").startswith("220")
        client.start_tls(door.trust)
        client.say("EHLO client.test")
        assert client.log_in_again("App", office.secret).startswith("235")


def test_plain_bytes_at_the_tls_listener_get_no_conversation(door: Door) -> None:
    with Client(door.hipaa) as client:
        client.send(b"EHLO client.test\r\n")
        assert client.hear() == ""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_below_1_2_is_refused(door: Door) -> None:
    """SP 800-52r2, RFC 8996."""
    old = door.trust
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Client(door.hipaa, tls=old)
