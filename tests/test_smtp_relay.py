"""The relay over real connections: many at once, kept, encrypted, refused, slow and dying."""

from __future__ import annotations

import base64
import logging
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from campaigns.delivery import smtp_pool, smtp_relay
from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, TransportError
from campaigns.delivery.smtp_relay import RelayConfig, SmtpRelayTransport, Tls
from tests.smtp_server import Conversation, RawServer, polite

OpenRelay = Callable[..., SmtpRelayTransport]
ACCEPTED = (Outcome.ACCEPTED, "")
UNKNOWN = (Outcome.UNKNOWN, "smtp.outcome-unknown")
LOST = (Outcome.DEFERRED, "smtp.connection-lost")


def make_email(pk: int, to: str = "", data: bytes = b"Subject: x\r\n\r\nHello\r\n") -> OutgoingEmail:
    return OutgoingEmail(pk, uuid.UUID(int=pk), "b@b.example", to or f"r{pk}@r.example", data)


def make_emails(count: int) -> list[OutgoingEmail]:
    return [make_email(pk) for pk in range(1, count + 1)]


@pytest.fixture
def open_relay() -> Iterator[OpenRelay]:
    """A transport to a server; closed when the test ends."""
    opened: list[SmtpRelayTransport] = []

    def open_(server: RawServer, **config: Any) -> SmtpRelayTransport:
        settings = {"host": "127.0.0.1", "port": server.port, "tls": Tls.NONE, "timeout": 20.0, **config}
        opened.append(SmtpRelayTransport(RelayConfig(**settings)))
        return opened[-1]

    yield open_
    for transport in opened:
        transport.close()


class Authority:
    """A certificate authority that the product trusts for the time of a test."""

    def __init__(self, ca: trustme.CA) -> None:
        self._ca = ca

    def server_context(self, name: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(name).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def authority(ca: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return Authority(ca)


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time limits are looked at more often than once a second, so that tests need not wait."""
    monkeypatch.setattr(smtp_relay, "_LOOK_AROUND", 0.05)


def outcomes(receipts: Iterable[Receipt | None]) -> dict[int, tuple[Outcome, str]]:
    found = [receipt for receipt in receipts if receipt is not None]
    assert len({receipt.id for receipt in found}) == len(found)
    return {receipt.id: (receipt.outcome, receipt.code) for receipt in found}


def first(verb: str, reply: bytes | None, *, hang_up: bool = False) -> Callable[..., bytes | None]:
    """A server whose first connection answers a verb its own way; the others are polite."""

    def answer(peer: Conversation, said: str, what: bytes) -> bytes | None:
        if said != verb or peer.number > 0:
            return polite(peer, said, what)
        return peer.hang_up(reply or b"") if hang_up else reply

    return answer


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# What is on the wire


def test_a_mail_arrives_with_its_envelope_and_its_bytes(open_relay: OpenRelay) -> None:
    """SM-02, DS-01."""
    data = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
    with RawServer(polite, b"PIPELINING", b"SIZE 10240000", b"DSN") as server:
        assert outcomes(open_relay(server).send([make_email(7, data=data)])) == {7: ACCEPTED}
    rcpt = b"RCPT TO:<r7@r.example> NOTIFY=FAILURE,DELAY ORCPT=rfc822;r7@r.example"
    assert server.mails == [(rcpt, data)]
    assert b"MAIL FROM:<b@b.example> SIZE=%d RET=HDRS ENVID=%032x" % (len(data), 7) in server.said


def test_a_notification_leaves_with_the_null_sender(open_relay: OpenRelay) -> None:
    """SM-10."""
    with RawServer() as server:
        email = OutgoingEmail(1, uuid.uuid4(), "", "author@r.example", b"x\r\n")
        assert outcomes(open_relay(server).send([email])) == {1: ACCEPTED}
    assert b"MAIL FROM:<>" in server.said


def test_each_mail_is_a_transaction_of_its_own(open_relay: OpenRelay) -> None:
    """SM-07."""
    with RawServer() as server:
        outcomes(open_relay(server).send([make_email(pk, to="same@r.example") for pk in range(1, 31)]))
    assert [len(peer.bodies) for peer in server.conversations] == [
        sum(line.startswith(b"RCPT") for line in peer.said) for peer in server.conversations
    ]


@pytest.mark.parametrize("offers", [(), (b"PIPELINING",)])
@pytest.mark.parametrize("split", [1, 3, 65536])
def test_it_works_with_and_without_pipelining_however_answers_are_split(
    open_relay: OpenRelay, offers: tuple[bytes, ...], split: int
) -> None:
    """SM-09."""
    with RawServer(polite, *offers, split=split) as server:
        assert outcomes(open_relay(server).send(make_emails(40))) == dict.fromkeys(range(1, 41), ACCEPTED)
    assert sorted(server.mails) == sorted((b"RCPT TO:<r%d@r.example>" % pk, make_email(pk).data) for pk in range(1, 41))


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_mail_larger_than_every_buffer_arrives_whole(
    open_relay: OpenRelay, encrypted: bool, authority: Authority
) -> None:
    data = b"".join(b"%07d.\r\n.\r\n" % n for n in range(400_000))
    with RawServer(context=authority.server_context() if encrypted else None) as server:
        relay = open_relay(server, tls=Tls.IMPLICIT if encrypted else Tls.NONE)
        assert outcomes(relay.send([make_email(1, data=data), make_email(2)])) == {1: ACCEPTED, 2: ACCEPTED}
    assert dict(server.mails)[b"RCPT TO:<r1@r.example>"] == data


# What the consumer may rely on


def test_on_one_connection_a_mail_has_its_receipt_before_the_next_is_told_of(open_relay: OpenRelay) -> None:
    events: list[tuple[str | int, ...]] = []
    with RawServer() as server:
        relay = open_relay(server, connections=1)
        for receipt in relay.send(make_emails(5), leaving=lambda ids: events.append(("leaving", *ids))):
            events.extend([("receipt", receipt.id)] if receipt is not None else [])
    assert events == [(event, pk) for pk in range(1, 6) for event in ("leaving", "receipt")]


def test_no_more_mails_are_uncertain_than_connections_are_open(open_relay: OpenRelay) -> None:
    uncertain: set[int] = set()
    most = 0

    def leaving(ids: Iterable[int]) -> None:
        nonlocal most
        uncertain.update(ids)
        most = max(most, len(uncertain))
        assert len(uncertain) <= server.connections <= 4

    with RawServer(polite, b"PIPELINING") as server:
        for receipt in open_relay(server, connections=4).send(make_emails(300), leaving=leaving):
            if receipt is not None:
                uncertain.remove(receipt.id)
    assert not uncertain
    assert most > 1


def test_no_byte_of_the_next_body_leaves_while_the_consumer_has_not_come_back(open_relay: OpenRelay) -> None:
    with RawServer(polite, b"PIPELINING") as server:
        receipts = open_relay(server, connections=1).send(make_emails(2))
        assert next(receipt for receipt in receipts if receipt is not None).id == 1
        (peer,) = server.conversations
        until(lambda: peer.said[-2:] == [b"RCPT TO:<r2@r.example>", b"DATA"])
        time.sleep(0.1)
        assert peer.said[-1] == b"DATA"
        assert peer.unread == b""
        assert outcomes(receipts) == {2: ACCEPTED}


def test_a_mail_is_told_of_before_its_first_byte_leaves(open_relay: OpenRelay) -> None:
    def leaving(ids: Iterable[int]) -> None:
        time.sleep(0.02)
        assert server.conversations[0].unread == b""
        assert server.conversations[0].said[-1] == b"DATA"

    with RawServer() as server:
        outcomes(open_relay(server, connections=1).send([make_email(1)], leaving=leaving))


def test_while_it_waits_for_an_answer_the_consumer_may_look_around(open_relay: OpenRelay) -> None:
    with RawServer(first("BODY", None)) as server:
        receipts = open_relay(server).send([make_email(1)])
        began = time.monotonic()
        assert [next(receipts), next(receipts)] == [None, None]
        assert time.monotonic() - began > 1.5


def test_while_a_connection_is_being_opened_too(open_relay: OpenRelay, watchful: None) -> None:
    with RawServer(first("CONNECT", None)) as server:
        receipts = open_relay(server).send([make_email(1)])
        assert next(receipts) is None


def test_a_source_that_fails_is_the_callers_and_nothing_more_leaves(open_relay: OpenRelay) -> None:
    def source() -> Iterator[OutgoingEmail]:
        yield make_email(1)
        raise LookupError

    with RawServer() as server:
        relay = open_relay(server)
        with pytest.raises(LookupError):
            list(relay.send(source()))
        assert server.mails == []
        assert outcomes(relay.send([make_email(2)])) == {2: ACCEPTED}


def test_closing_the_iterator_drops_what_is_on_the_wire(open_relay: OpenRelay) -> None:
    with RawServer(first("BODY", None)) as server:
        relay = open_relay(server, connections=1)
        receipts = relay.send(make_emails(3))
        assert next(receipts) is None
        receipts.close()  # type: ignore[attr-defined]
        assert outcomes(relay.send([make_email(9)])) == {9: ACCEPTED}
        assert server.connections == 2


# Connections


def test_one_mail_opens_one_connection(open_relay: OpenRelay) -> None:
    with RawServer() as server:
        outcomes(open_relay(server).send([make_email(1)]))
        assert server.connections == 1


def test_many_mails_open_as_many_connections_as_are_allowed(open_relay: OpenRelay) -> None:
    all_at_work = threading.Barrier(7, timeout=60)

    def together(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        if verb == "BODY" and len(peer.bodies) == 1:
            all_at_work.wait()
        return polite(peer, verb, what)

    with RawServer(together, b"PIPELINING") as server:
        outcomes(open_relay(server, connections=7).send(make_emails(150)))
        assert server.connections == 7


def test_connections_are_kept_for_the_next_send(open_relay: OpenRelay) -> None:
    with RawServer() as server:
        relay = open_relay(server, connections=1)
        for pk in range(1, 6):
            assert outcomes(relay.send([make_email(pk)])) == {pk: ACCEPTED}
        assert server.connections == 1


@pytest.mark.parametrize("last_words", [b"", b"421 4.4.2 Idle too long\r\n"])
def test_kept_connections_that_ended_meanwhile_are_replaced(open_relay: OpenRelay, last_words: bytes) -> None:
    with RawServer() as server:
        relay = open_relay(server, connections=3)
        outcomes(relay.send(make_emails(60)))
        server.hang_up(last_words)
        time.sleep(0.02)
        assert outcomes(relay.send(make_emails(60))) == dict.fromkeys(range(1, 61), ACCEPTED)


def test_a_connection_kept_for_too_long_is_opened_anew(open_relay: OpenRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_pool, "_IDLE_LIMIT", 0.05)
    with RawServer() as server:
        relay = open_relay(server)
        outcomes(relay.send([make_email(1)]))
        time.sleep(0.1)
        outcomes(relay.send([make_email(2)]))
        assert server.connections == 2


def test_a_relay_that_allows_fewer_connections_is_used_with_those(open_relay: OpenRelay) -> None:
    def at_most_two(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        if peer.number >= 2:
            return peer.hang_up(b"421 4.7.0 Too many connections\r\n")
        return polite(peer, verb, what)

    with RawServer(at_most_two) as server:
        assert set(outcomes(open_relay(server).send(make_emails(100))).values()) == {ACCEPTED}


def test_a_relay_that_takes_one_mail_a_connection_gets_them_all(open_relay: OpenRelay) -> None:
    def one_mail(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        reply = polite(peer, verb, what)
        return peer.hang_up(reply or b"") if verb == "BODY" else reply

    with RawServer(one_mail) as server:
        assert set(outcomes(open_relay(server).send(make_emails(30))).values()) == {ACCEPTED}
        assert server.connections == 30


def test_a_connection_that_takes_long_to_greet_holds_nobody_up(open_relay: OpenRelay) -> None:
    greet = threading.Event()

    def slow(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        if peer.number > 0:
            greet.wait(60)
        return polite(peer, verb, what)

    with RawServer(slow) as server:
        relay = open_relay(server)
        assert set(outcomes(relay.send(make_emails(50))).values()) == {ACCEPTED}
        relay.close()
        greet.set()


def test_close_says_quit_and_does_not_wait(open_relay: OpenRelay) -> None:
    with RawServer(lambda *unit: None if unit[1] == "QUIT" else polite(*unit)) as server:
        relay = open_relay(server, connections=1)
        outcomes(relay.send(make_emails(20)))
        began = time.monotonic()
        relay.close()
        assert time.monotonic() - began < 10
        until(lambda: server.said[-1] == b"QUIT")


# Peers that refuse, stall and die


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("last_words", [b"", b"421 4.3.2 Closing\r\n", b"nonsense\r\n", b"25"])
@pytest.mark.parametrize("offers", [(), (b"PIPELINING",)])
def test_a_mail_whose_body_has_not_begun_goes_over_another_connection(
    open_relay: OpenRelay, verb: str, last_words: bytes, offers: tuple[bytes, ...]
) -> None:
    """SM-09."""
    with RawServer(first(verb, last_words, hang_up=True), *offers) as server:
        relay = open_relay(server, connections=1)
        assert outcomes(relay.send(make_emails(3))) == dict.fromkeys((1, 2, 3), ACCEPTED)
        assert len(server.mails) == 3


@pytest.mark.parametrize(
    ("last_words", "expected"),
    [
        (b"", UNKNOWN),
        (b"250-2.0.0 Ok", UNKNOWN),
        (b"ok\r\n", UNKNOWN),
        (b"421 4.3.2 Closing\r\n", (Outcome.DEFERRED, "smtp.421-4.3.2")),
        (b"554 5.6.0 No\r\n", (Outcome.REJECTED, "smtp.554-5.6.0")),
        (b"250 2.0.0 Ok\r\n", ACCEPTED),
    ],
)
def test_the_last_words_after_a_body_decide_about_that_mail_alone(
    open_relay: OpenRelay, last_words: bytes, expected: tuple[Outcome, str]
) -> None:
    """SM-06, SM-09."""
    with RawServer(first("BODY", last_words, hang_up=True), b"PIPELINING") as server:
        found = outcomes(open_relay(server, connections=1).send(make_emails(3)))
    assert found == {1: expected, 2: ACCEPTED, 3: ACCEPTED}


def test_a_refusal_in_the_middle_of_the_data_is_heard_though_the_peer_hung_up(open_relay: OpenRelay) -> None:
    """RFC 1870: a server without SIZE says how much is too much when it has seen it."""

    def too_big(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        return peer.hang_up(b"552 5.3.4 Too big\r\n") if verb == "PART" else polite(peer, verb, what)

    with RawServer(too_big, b"PIPELINING") as server:
        found = outcomes(open_relay(server).send([make_email(1, data=b"x" * 20_000_000)]))
    assert found == {1: (Outcome.REJECTED, "smtp.552-5.3.4")}


def test_a_body_cut_off_in_the_middle_is_put_off(open_relay: OpenRelay) -> None:
    """SM-06: without its final dot nobody accepted it."""

    def cut(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        return peer.hang_up() if verb == "PART" else polite(peer, verb, what)

    with RawServer(cut, b"PIPELINING") as server:
        found = outcomes(open_relay(server).send([make_email(1, data=b"x" * 20_000_000)]))
    assert found == {1: LOST}


@pytest.mark.parametrize(("verb", "expected"), [("MAIL", ACCEPTED), ("DATA", ACCEPTED), ("BODY", UNKNOWN)])
def test_a_peer_that_falls_silent_is_left(
    open_relay: OpenRelay, watchful: None, verb: str, expected: tuple[Outcome, str]
) -> None:
    """SM-06."""
    with RawServer(first(verb, None)) as server:
        assert outcomes(open_relay(server, timeout=1.5).send([make_email(1)])) == {1: expected}


def test_a_mail_that_ends_three_connections_is_put_off(open_relay: OpenRelay) -> None:
    def poisoned(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        return peer.hang_up() if verb == "RCPT" and b"r2@" in what else polite(peer, verb, what)

    with RawServer(poisoned, b"PIPELINING") as server:
        found = outcomes(open_relay(server, connections=1).send(make_emails(4)))
        assert found == {1: ACCEPTED, 2: LOST, 3: ACCEPTED, 4: ACCEPTED}
        assert server.connections == 5


@pytest.mark.parametrize("offers", [(), (b"PIPELINING",)])
def test_such_a_mail_ends_few_connections_that_others_use(open_relay: OpenRelay, offers: tuple[bytes, ...]) -> None:
    def poisoned(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        time.sleep(0.001)
        return peer.hang_up() if verb == "RCPT" and b"<r50@" in what else polite(peer, verb, what)

    with RawServer(poisoned, *offers) as server:
        found = outcomes(open_relay(server, connections=5).send(make_emails(300)))
        assert found.pop(50) == LOST
        assert set(found.values()) == {ACCEPTED}
        killed = [peer for peer in server.conversations if any(b"<r50@" in line for line in peer.said)]
        assert [bool(peer.bodies) for peer in killed] == [True, False, False, False]


def test_a_relay_that_ends_every_connection_is_given_up(open_relay: OpenRelay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_pool, "_BARREN_PAUSE", 0.0)
    found: list[Receipt | None] = []
    with RawServer(lambda *unit: unit[0].hang_up() if unit[1] == "MAIL" else polite(*unit)) as server:
        with pytest.raises(TransportError) as caught:
            found.extend(open_relay(server).send(make_emails(1000)))
        assert caught.value.code == "transport.unreachable"
        assert not caught.value.permanent
        assert server.connections <= 16


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO"])
@pytest.mark.parametrize(
    "reply", [b"", b"421 4.3.2 Not now, ask secret@relay.example\r\n", b"554 5.7.1 No\r\n", b"?\r\n"]
)
def test_a_relay_that_does_not_let_us_in_is_unreachable(open_relay: OpenRelay, verb: str, reply: bytes) -> None:
    with RawServer(lambda *unit: unit[0].hang_up(reply) if unit[1] in {verb, "HELO"} else polite(*unit)) as server:
        error = failure_of(open_relay(server))
    assert (error.code, error.permanent) == ("transport.unreachable", False)
    assert "secret" not in repr(error) + error.safe_text


def test_a_relay_that_is_not_there_is_unreachable(open_relay: OpenRelay) -> None:
    with RawServer() as server:
        pass
    assert failure_of(open_relay(server)).code == "transport.unreachable"


def test_a_relay_that_speaks_before_it_is_asked_is_not_used(open_relay: OpenRelay) -> None:
    def eager(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        return (polite(peer, verb, what) or b"") + (b"250 2.1.0 Ok\r\n" if verb == "EHLO" else b"")

    with RawServer(eager) as server:
        assert failure_of(open_relay(server)).code == "transport.unreachable"
        assert server.mails == []


def failure_of(transport: SmtpRelayTransport) -> TransportError:
    """The error that ends a send which hands over nothing."""
    told: list[int] = []
    with pytest.raises(TransportError) as caught:
        assert [receipt for receipt in transport.send(make_emails(30), leaving=told.extend) if receipt] == []
    assert told == []
    assert caught.value.__suppress_context__
    return caught.value


# Encryption and login


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
@pytest.mark.parametrize("split", [1, 65536])
def test_mail_travels_encrypted(open_relay: OpenRelay, authority: Authority, tls: Tls, split: int) -> None:
    offers = (b"PIPELINING", b"STARTTLS") if tls is Tls.STARTTLS else (b"PIPELINING",)
    with RawServer(polite, *offers, context=authority.server_context(), split=split) as server:
        found = outcomes(open_relay(server, tls=tls, connections=3).send(make_emails(60)))
    assert found == dict.fromkeys(range(1, 61), ACCEPTED)
    assert len(server.mails) == 60


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_a_certificate_for_another_name_needs_a_person(open_relay: OpenRelay, authority: Authority, tls: Tls) -> None:
    context = authority.server_context("relay.other.example")
    with RawServer(polite, *[b"STARTTLS"] * (tls is Tls.STARTTLS), context=context) as server:
        error = failure_of(open_relay(server, tls=tls))
    assert (error.code, error.permanent) == ("transport.certificate-invalid", True)


def test_a_certificate_of_an_unknown_authority_needs_a_person(
    open_relay: OpenRelay, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with RawServer(context=authority.server_context()) as server:
        error = failure_of(open_relay(server, tls=Tls.IMPLICIT))
    assert (error.code, error.permanent) == ("transport.certificate-invalid", True)


def test_encryption_older_than_tls_1_2_is_no_encryption(open_relay: OpenRelay, authority: Authority) -> None:
    """RFC 8996."""
    context = authority.server_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with RawServer(context=context) as server:
        assert failure_of(open_relay(server, tls=Tls.IMPLICIT)).code == "transport.tls-failed"


def test_a_relay_without_encryption_is_not_used_when_its_settings_ask_for_it(open_relay: OpenRelay) -> None:
    with RawServer() as server:
        error = failure_of(open_relay(server, tls=Tls.STARTTLS))
        assert (error.code, error.permanent) == ("transport.tls-not-offered", True)
        assert server.mails == []


def test_words_slipped_in_before_the_encryption_are_forgotten(open_relay: OpenRelay, authority: Authority) -> None:
    def slip(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        smuggled = b"250-evil\r\n250 SIZE 1\r\n" if verb == "STARTTLS" else b""
        return (polite(peer, verb, what) or b"") + smuggled

    with RawServer(slip, b"STARTTLS", context=authority.server_context()) as server:
        assert outcomes(open_relay(server, tls=Tls.STARTTLS).send([make_email(1)])) == {1: ACCEPTED}
        assert not any(b"SIZE=" in line for line in server.said)


def test_the_login_reaches_the_relay_and_no_log(open_relay: OpenRelay, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with RawServer(polite, b"AUTH PLAIN LOGIN") as server:
        relay = open_relay(server, username="post", password="sesame")
        assert outcomes(relay.send([make_email(1)])) == {1: ACCEPTED}
    assert base64.b64encode(b"\0post\0sesame") in b" ".join(server.said)
    assert "sesame" not in caplog.text + repr(relay) + repr(RelayConfig("h", password="sesame"))


@pytest.mark.parametrize(("reply", "permanent"), [(b"535 5.7.8 post, no\r\n", True), (b"454 4.7.0 Later\r\n", False)])
def test_a_refused_login_is_tried_once_for_all_connections(
    open_relay: OpenRelay, reply: bytes, permanent: bool
) -> None:
    def refuse(peer: Conversation, verb: str, what: bytes) -> bytes | None:
        return reply if verb == "AUTH" else polite(peer, verb, what)

    with RawServer(refuse, b"AUTH PLAIN") as server:
        error = failure_of(open_relay(server, username="post", password="sesame"))
        assert (error.code, error.permanent) == ("transport.login-refused", permanent)
        assert "post" not in repr(error) + error.safe_text
        assert server.connections == 1


@pytest.mark.parametrize("offers", [(), (b"AUTH GSSAPI",)])
def test_a_login_that_is_not_offered_needs_a_person(open_relay: OpenRelay, offers: tuple[bytes, ...]) -> None:
    with RawServer(polite, *offers) as server:
        error = failure_of(open_relay(server, username="post", password="sesame"))
    assert (error.code, error.permanent) == ("transport.tls-or-login-not-offered", True)


@pytest.mark.parametrize("config", [{"host": "a..b"}, {"username": "ü", "password": "ü\r\n"}])
def test_settings_that_cannot_be_used_need_a_person(open_relay: OpenRelay, config: dict[str, str]) -> None:
    with RawServer(polite, b"AUTH LOGIN") as server:
        error = failure_of(open_relay(server, **config))
    assert (error.code, error.permanent) == ("transport.misconfigured", True)


@pytest.mark.parametrize("values", [{"connections": 0}, {"connections": 101}, {"tls": "maybe"}, {"timeout": "soon"}])
def test_settings_out_of_bounds_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each has words of its own
        RelayConfig.from_mapping({"host": "relay.example", **values})


def test_settings_have_defaults() -> None:
    """SM-06: a time limit in the settings shortens those of the standard, and lengthens none."""
    config = RelayConfig.from_mapping({"host": "relay.example"})
    assert (config.port, config.tls, config.connections) == (587, Tls.STARTTLS, 10)
    assert config.timeouts.final_dot == 600.0
    capped = RelayConfig.from_mapping({"host": "relay.example", "timeout": 30}).timeouts
    assert (capped.greeting, capped.final_dot) == (30.0, 30.0)
