"""Senders who ask to be told by mail what became of theirs (RFC 3461, 3464), from our SMTP door to the next one."""

from __future__ import annotations

import smtplib
import string
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

import pytest
from django.utils import timezone
from django_q.conf import Conf
from hypothesis import given
from hypothesis import strategies as st

from campaigns import addresses, tokens
from campaigns.audiences import suppression
from campaigns.inbound.reports import read_report
from campaigns.models import Door as WayIn
from campaigns.models import EventKind, Message, MessageState, Submission, Transport
from campaigns.outbox.dispatch import dispatch_stream
from campaigns.outbox.dsn_request import open_request
from campaigns.outbox.finish import finish_submissions
from campaigns.outbox.transports import seal_config
from campaigns.smtp.commands import BadArgument
from campaigns.smtp.dsn import decode_xtext
from campaigns.tracking.record import Report, record_reports
from tests.api import Program
from tests.smtp_door import Client, Door, open_door
from tests.smtp_server import RCPT_REPLIES, ScriptedServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as found:
        yield found


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    # The bell is rung, and nobody hears it: tests hand over themselves.
    monkeypatch.setattr(Conf, "SYNC", False)
    return Program()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def relay(program: Program, server: ScriptedServer) -> Transport:
    """The account's way out: a server that refuses `bounce@` and takes everything else."""
    program.account.transports.all().delete()
    relay = Transport(account=program.account, name="Relay", kind="smtp", is_default=True)
    config = {"host": "127.0.0.1", "port": server.port, "tls": "none", "connections": 1}
    relay.config_sealed = seal_config(relay, config=config)
    relay.save()
    return relay


def hand_in(door: Door, program: Program, *to: str, mail: tuple[str, ...] = (), rcpt: tuple[str, ...] = ()) -> None:
    """A mail as Python's smtplib hands it in."""
    sender = f"shop@{program.domain.name}"
    text = f"From: Shop <{sender}>\r\nTo: ona@example.net\r\nSubject: Order 17\r\n\r\nThank you.\r\n"
    with smtplib.SMTP("localhost", door.starttls) as client:
        client.starttls(context=door.trust)
        client.login("App", program.secret)
        assert client.has_extn("dsn")
        assert client.sendmail(sender, to, text, mail_options=mail, rcpt_options=rcpt) == {}


def hand_over(transport: Transport) -> None:
    """Everything that waits, and the notices about it."""
    for _ in range(2):
        dispatch_stream(transport.pk, linger=timedelta(0))


def notices(server: ScriptedServer) -> list[EmailMessage]:
    mails = [message_from_bytes(data, policy=SMTP) for _, data in server.mails]
    return [mail for mail in mails if mail.get_content_type() == "multipart/report"]


def statuses(notice: EmailMessage) -> list[dict[str, Any]]:
    """The groups of fields of its second part: of the mail, then of each recipient."""
    part = notice.get_payload(1)
    assert isinstance(part, EmailMessage)
    return [{name: str(value) for name, value in group.items()} for group in part.iter_parts()]


def test_a_refused_mail_comes_back_to_the_sender_who_asked_once_su_11(
    door: Door, program: Program, server: ScriptedServer, relay: Transport
) -> None:
    asked = ("NOTIFY=FAILURE,DELAY", "ORCPT=rfc822;ona+2Bshop@example.org")
    hand_in(door, program, "bounce@example.net", mail=("RET=FULL", "ENVID=order+2B17"), rcpt=asked)
    hand_over(relay)
    finish_submissions(now=timezone.now())
    hand_over(relay)
    (notice,) = notices(server)
    assert server.mails[-1][0] == f"shop@{program.domain.name}"
    assert server.paths == ["<>"], "a notice comes from nobody"
    assert (notice["to"], notice["auto-submitted"]) == (f"shop@{program.domain.name}", "auto-replied")
    assert notice.get_param("report-type") == "delivery-status"
    of_mail, of_recipient = statuses(notice)
    assert (of_mail["Original-Envelope-Id"], of_mail["Reporting-MTA"].split(";")[0]) == ("order+17", "dns")
    assert of_recipient == {
        "Original-Recipient": "rfc822;ona+shop@example.org",
        "Final-Recipient": "rfc822; bounce@example.net",
        "Action": "failed",
        "Status": "5.1.1",
        "Diagnostic-Code": "smtp; 550 5.1.1",
    }
    headers = notice.get_payload(2)
    assert isinstance(headers, EmailMessage)
    assert headers.get_content_type() == "text/rfc822-headers"
    assert "Subject: Order 17" in headers.get_content()
    assert "Thank you" not in server.mails[-1][1].decode()


def test_our_own_reader_of_bounces_understands_a_notice_su_11(
    door: Door, program: Program, server: ScriptedServer, relay: Transport
) -> None:
    hand_in(door, program, "bounce@example.net", rcpt=("NOTIFY=FAILURE",))
    hand_over(relay)
    (failure,) = read_report(server.mails[-1][1]).failures
    assert (failure.address, failure.status) == ("bounce@example.net", "5.1.1")


def test_who_did_not_ask_about_failures_hears_of_none_su_11(
    door: Door, program: Program, server: ScriptedServer, relay: Transport
) -> None:
    asked: list[tuple[str, ...]] = [(), ("NOTIFY=NEVER",), ("NOTIFY=DELAY",), ("NOTIFY=SUCCESS",)]
    for number, words in enumerate(asked):
        hand_in(door, program, f"bounce+{number}@example.net", mail=("ENVID=17",), rcpt=words)
    hand_over(relay)
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.BOUNCED}
    assert server.mails == []


def test_success_means_that_the_next_server_has_it_su_11(
    door: Door, program: Program, server: ScriptedServer, relay: Transport
) -> None:
    hand_in(door, program, "ann@example.net", "bounce@example.net", rcpt=("NOTIFY=SUCCESS,FAILURE",))
    hand_over(relay)
    (notice,) = notices(server)
    _, *recipients = statuses(notice)
    found = {(entry["Final-Recipient"], entry["Action"], entry["Status"]) for entry in recipients}
    assert found == {
        ("rfc822; ann@example.net", "relayed", "2.0.0"),
        ("rfc822; bounce@example.net", "failed", "5.1.1"),
    }


def test_a_bounce_that_comes_back_later_is_told_once_su_11(
    door: Door, program: Program, server: ScriptedServer, relay: Transport
) -> None:
    """The return path of the mail was ours: nobody else could tell the sender."""
    hand_in(door, program, "ann@example.net", rcpt=("NOTIFY=FAILURE",))
    hand_over(relay)
    assert notices(server) == []
    message = Message.objects.get()
    for key in ("", "again"):
        news = Report(message.public_id, EventKind.BOUNCED, code="bounce.no-mailbox", key=key)
        record_reports([news], transport=relay, now=timezone.now())
    hand_over(relay)
    (notice,) = notices(server)
    assert statuses(notice)[1]["Diagnostic-Code"] == "x-sealpost; bounce.no-mailbox"


def test_mail_to_somebody_who_wants_none_is_a_failure_su_11(door: Door, program: Program) -> None:
    key = tokens.address_key(addresses.parse("ann@example.net"), account=program.account.public_id)
    suppression.suppress(program.account, address_key=key, scope="everything", reason="bounce")
    hand_in(door, program, "ann@example.net", rcpt=("NOTIFY=FAILURE",))
    assert program.work() == []
    (notice,) = program.work()  # in the sandbox, which is this account's way out
    assert statuses(notice)[1]["Status"] == "5.7.1"


def test_no_notice_goes_to_a_domain_that_is_not_verified_any_more_su_11(
    door: Door, program: Program, server: ScriptedServer, relay: Transport
) -> None:
    hand_in(door, program, "bounce@example.net", rcpt=("NOTIFY=FAILURE",))
    program.domain.verified_at = None
    program.domain.save()
    hand_over(relay)
    assert server.mails == []
    assert not Submission.objects.filter(door=WayIn.NOTICE).exists()


def test_a_notice_that_fails_is_not_told_about_su_11(
    door: Door, program: Program, server: ScriptedServer, relay: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RCPT_REPLIES, "shop", "550 5.1.1 No such user")
    hand_in(door, program, "bounce@example.net", rcpt=("NOTIFY=FAILURE",))
    hand_over(relay)
    hand_over(relay)
    assert Message.objects.count() == 2
    assert {message.state for message in Message.objects.all()} == {MessageState.BOUNCED}


def test_what_was_asked_is_sealed_su_11(door: Door, program: Program) -> None:
    hand_in(door, program, "ann@example.net", mail=("ENVID=pineapple",), rcpt=("NOTIFY=FAILURE",))
    submission = Submission.objects.get()
    assert "pineapple" not in str(submission.options)
    request = open_request(submission)
    assert request is not None
    assert (request.sender, request.envelope_id) == (f"shop@{program.domain.name}", "pineapple")


# --- What is said wrong -----------------------------------------------------------------------------------------------


@pytest.fixture
def client(door: Door, program: Program) -> Iterator[Client]:
    with Client(door.plain) as found:
        assert found.log_in("App", program.secret).startswith("235")
        yield found


MALFORMED_AT_MAIL = [
    "RET=BODY", "RET", "ENVID=a+2", "ENVID=a+0D+0A", "ENVID=" + "x" * 101, "RET=HDRS RET=FULL",
]  # fmt: skip
MALFORMED_AT_RCPT = [
    "NOTIFY=NEVER,FAILURE", "NOTIFY=SOMETIMES", "NOTIFY=FAILURE,", "NOTIFY", "ORCPT=ann@example.net", "ORCPT=rfc822;",
    "ORCPT=;ann@example.net", "ORCPT=rfc822;a+0Ab", "ORCPT=rfc822;" + "x" * 494, "NOTIFY=NEVER NOTIFY=DELAY",
]  # fmt: skip


def test_malformed_wishes_are_refused_su_11(client: Client, program: Program) -> None:
    sender = f"MAIL FROM:<shop@{program.domain.name}>"
    assert {client.say(f"{sender} {words}")[:9] for words in MALFORMED_AT_MAIL} == {"501 5.5.4"}
    assert client.say(f"{sender} RET=hdrs ENVID={'x' * 97}+2B").startswith("250")
    recipient = "RCPT TO:<ann@example.net>"
    assert {client.say(f"{recipient} {words}")[:9] for words in MALFORMED_AT_RCPT} == {"501 5.5.4"}
    assert client.say(f"{recipient} NOTIFY=never").startswith("250")


@given(st.text(alphabet=string.printable.strip() + " ", min_size=1))
def test_xtext_comes_back_as_it_was(text: str) -> None:
    encoded = "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)
    assert decode_xtext(encoded) == text


@given(st.text())
def test_whatever_is_no_xtext_is_refused_and_nothing_else_happens(text: str) -> None:
    try:
        decoded = decode_xtext(text)
    except BadArgument:
        return
    assert decoded.isprintable()
    assert decoded.isascii()
