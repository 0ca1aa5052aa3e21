"""The door for mail from other servers: what is ours is taken and durable, everything else refused before there is mail."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from campaigns import tasks, tokens
from campaigns.inbound.reception import open_envelope, open_raw
from campaigns.models import BaaStatus, InboundMail, InboundPlace, InboundRaw
from tests.dns_server import DnsServer
from tests.factories import make_account, make_domain
from tests.inbound_mail import WRITER, make_route, send_campaign, write_mail
from tests.reports import make_dsn, return_path
from tests.smtp_door import INBOUND_QUICK, Client, Door, open_door

pytestmark = pytest.mark.django_db(transaction=True)

HERE = "support@shop.example.org"


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as found:
        yield found


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Jobs run at once in tests, and ask a DNS that knows nothing."""
    with DnsServer() as found:
        monkeypatch.setattr(tasks, "make_resolver", lambda: found.resolver)
        yield


@pytest.fixture
def server(door: Door) -> Iterator[Client]:
    """A mail server that has been greeted and has said EHLO."""
    with Client(door.inbound) as client:
        assert client.hear() == "220 mx.test ESMTP"
        client.say("EHLO mx.example.net")
        yield client


def test_nobody_logs_in_and_encryption_is_offered(server: Client) -> None:
    offers = {line[4:] for line in server.say("EHLO mx.example.net").split("\n")}
    assert offers == {
        "mx.test",
        "8BITMIME",
        "SIZE 200000",
        "STARTTLS",
        "ENHANCEDSTATUSCODES",
        "PIPELINING",
        "SMTPUTF8",
        "OK",
    }
    assert server.say("AUTH PLAIN AGEAYg==").startswith("502")


def test_what_came_behind_starttls_is_thrown_away_su_05_evil_31(door: Door, server: Client) -> None:
    server.send(b"STARTTLS\r\nMAIL FROM:<evil@example.net>\r\n")
    assert server.hear().startswith("220 2.0.0")
    server.start_tls(door.trust)
    server.say("EHLO mx.example.net")
    assert server.say(f"RCPT TO:<{HERE}>").startswith("503")


def test_mail_for_an_address_of_ours_is_sealed_and_stored_when_it_is_answered(server: Client) -> None:
    """RFC 5321 §6.1."""
    account = make_account()
    route = make_route(account)
    raw = write_mail(body="Grüße\r\n.\r\nEnd")
    assert server.mail(raw, sender=WRITER, to=[HERE]) == "250 2.6.0 Message accepted"
    mail = InboundMail.objects.get()
    assert (mail.account, mail.place, mail.route) == (account, InboundPlace.ROUTE, route)
    trace, kept = open_raw(mail)[: -len(raw)], open_raw(mail)[-len(raw) :]
    assert kept == raw
    assert trace.startswith(b"Received: from mx.example.net ([127.0.0.1])\r\n by ")
    envelope = open_envelope(mail)
    assert (envelope.mail_from, envelope.rcpt_to, envelope.helo, envelope.remote) == (
        WRITER,
        HERE,
        "mx.example.net",
        "127.0.0.1",
    )
    stored = bytes(mail.envelope_sealed) + bytes(InboundRaw.objects.get().sealed)
    assert b"example" not in stored


def test_no_form_of_an_address_makes_us_pass_mail_on_su_03(server: Client) -> None:
    account = make_account()
    make_route(account, "*")
    forms = [
        "bob@example.net", "bob%example.net@shop.example.org", "@shop.example.org:bob@example.net",
        '"bob@example.net"@shop.example.org', "example.net!bob@shop.example.org", "bob@example.net@shop.example.org",
        "bob@[127.0.0.1]", "bob", "postmaster", "", "support@sub.shop.example.org", "support@shop.example.org.evil.example",
    ]  # fmt: skip
    server.say(f"MAIL FROM:<{HERE}>")
    replies = {form: server.say(f"RCPT TO:<{form}>") for form in forms}
    assert {form: reply for form, reply in replies.items() if not reply.startswith("550 5.7.1")} == {}
    assert server.say("DATA").startswith("503")


def test_addresses_of_others_domains_accounts_and_states_are_refused(server: Client) -> None:
    make_route(make_account(), domain="off.example.org", is_active=False)
    make_domain(make_account(), name="nothing.example.org")
    unproved = make_route(make_account(), domain="unproved.example.org")
    unproved.account.domains.update(verified_at=None)
    covered = make_route(make_account(baa_status=BaaStatus.ACTIVE), domain="covered.example.org")
    server.say(f"MAIL FROM:<{WRITER}>")
    for domain in ("off", "nothing", "unproved", "covered"):
        assert server.say(f"RCPT TO:<support@{domain}.example.org>").startswith("550"), domain
    assert covered.account.baa_status == BaaStatus.ACTIVE


def test_a_return_path_is_taken_only_with_a_token_of_ours_at_its_own_host_ds_06(server: Client) -> None:
    _, message = send_campaign(make_account())
    path = return_path(message)
    local, _, host = path.partition("@")
    forged = local[:-1] + ("a" if local[-1] != "a" else "b")
    server.say("MAIL FROM:<>")
    assert server.say(f"RCPT TO:<{forged}@{host}>").startswith("550")
    assert server.say(f"RCPT TO:<{local}@elsewhere.example.org>").startswith("550")
    assert server.say(f"RCPT TO:<{path.upper()}>").startswith("250")
    assert server.say(f"RCPT TO:<bounces@{host}>").startswith("250")
    assert server.say(f"RCPT TO:<unsubscribe+{tokens.bounce_token(message.public_id)}@{host}>").startswith("250")


def test_an_account_under_an_agreement_gets_bounces_and_nothing_else(server: Client) -> None:
    """hipaa H10."""
    account = make_account()
    _, message = send_campaign(account)
    make_route(account)
    type(account).objects.filter(pk=account.pk).update(baa_status=BaaStatus.ACTIVE)
    assert server.mail(write_mail(), sender=WRITER, to=[HERE]).startswith("550")
    assert server.mail(make_dsn(message.recipient), sender="", to=[return_path(message)]).startswith("250")


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n"])
def test_only_one_sign_ends_a_mail_sm_03_evil_31(server: Client, end: bytes) -> None:
    make_route(make_account())
    for line in (f"MAIL FROM:<{WRITER}>", f"RCPT TO:<{HERE}>", "DATA"):
        server.say(line)
    server.send(
        write_mail()
        + b"x"
        + end
        + b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<%b>\r\nDATA\r\nForged: yes\r\n\r\nx\r\n.\r\n" % HERE.encode()
    )
    assert server.hear().startswith("250")
    assert server.say("NOOP").startswith("250 2.0.0")
    assert InboundMail.objects.count() == 1


def test_the_same_mail_handed_in_again_is_one_mail_su_07(server: Client) -> None:
    make_route(make_account())
    raw = write_mail()
    assert {server.mail(raw, sender=WRITER, to=[HERE]) for _ in range(2)} == {"250 2.6.0 Message accepted"}
    assert (InboundMail.objects.count(), InboundRaw.objects.count()) == (1, 1)


def test_one_mail_to_two_accounts_is_each_accounts_own(server: Client) -> None:
    first, second = make_route(make_account()), make_route(make_account(), domain="other.example.org")
    make_route(first.account, "sales")
    to = [HERE, "sales@shop.example.org", "support@other.example.org"]
    assert server.mail(write_mail(), sender=WRITER, to=to).startswith("250")
    assert [mail.account for mail in InboundMail.objects.order_by("pk")] == [
        first.account,
        first.account,
        second.account,
    ]
    assert InboundRaw.objects.count() == 2


def test_too_large_a_mail_and_one_that_goes_in_circles_are_refused_sm_04_evil_38(server: Client) -> None:
    make_route(make_account())
    server.say(f"MAIL FROM:<{WRITER}>")
    assert server.say("RSET").startswith("250")
    assert server.say(f"MAIL FROM:<{WRITER}> SIZE=200001").startswith("552 5.3.4")
    assert server.mail(write_mail(body="x\r\n" * 80_000), sender=WRITER, to=[HERE]).startswith("552 5.3.4")
    circling = b"Received: from a by b; Mon, 30 Nov 2026 10:00:00 +0000\r\n" * 51 + write_mail()
    assert server.mail(circling, sender=WRITER, to=[HERE]).startswith("554 5.4.6")
    assert server.mail(circling[circling.index(b"\n") + 1 :], sender=WRITER, to=[HERE]).startswith("250")


def test_whoever_goes_through_a_list_of_names_is_sent_away_su_09_evil_32(server: Client) -> None:
    make_route(make_account())
    server.say(f"MAIL FROM:<{WRITER}>")
    replies = [server.say(f"RCPT TO:<name{number}@shop.example.org>")[:3] for number in range(21)]
    assert replies == ["550"] * 20 + ["421"]


def test_a_hundred_recipients_are_taken_at_once_sm_01(door: Door) -> None:
    make_route(make_account(), "*")
    with Client(door.inbound) as client:
        client.hear()
        client.say("EHLO mx.example.net")
        client.say(f"MAIL FROM:<{WRITER}>")
        replies = [client.say(f"RCPT TO:<name{number}@shop.example.org>")[:3] for number in range(101)]
    assert replies == ["250"] * 100 + ["452"]


def test_who_drips_or_floods_is_let_go_and_holds_nothing_su_09_evil_32() -> None:
    make_route(make_account())
    slow = replace(INBOUND_QUICK, data_pause_seconds=1, bytes_in_flight=20_000, connections_per_address=2)
    with open_door(inbound=slow) as door, Client(door.inbound) as client, Client(door.inbound) as second:
        for one in (client, second):
            one.hear()
            one.say("EHLO mx.example.net")
        with Client(door.inbound) as third:
            assert third.hear().startswith("421 4.7.0")
        assert second.mail(write_mail(body="x\r\n" * 20_000), sender=WRITER, to=[HERE]).startswith("452 4.3.1")
        client.start_mail(sender=WRITER, to=HERE)
        client.send(b"From: ")
        assert client.hear().startswith("421 4.4.2")


def test_no_log_names_anybody(server: Client, caplog: pytest.LogCaptureFixture) -> None:
    make_route(make_account())
    with caplog.at_level(logging.DEBUG):
        server.mail(write_mail(body="zqcanary"), sender="zqcanary@example.net", to=[HERE])
        server.mail(write_mail(), sender=WRITER, to=["zqcanary@example.net"])
        server.say("zqcanary zqcanary@example.net")
    assert "zqcanary" not in caplog.text
