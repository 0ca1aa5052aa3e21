"""What every transport promises, asked of each of them over real connections."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator, Sequence

import pytest

from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, Transport
from campaigns.delivery.registry import KINDS, build_transport
from campaigns.delivery.sandbox import SandboxTransport
from campaigns.delivery.smtp_relay import RelayConfig, SmtpRelayTransport, Tls
from tests.smtp_server import ScriptedServer


def make_email(pk: int, to: str = "reader@example.org", data: bytes = b"Subject: x\r\n\r\nHello\r\n") -> OutgoingEmail:
    return OutgoingEmail(pk, uuid.uuid4(), "news@shop.example", to, data)


def receipts(transport: Transport, emails: Iterable[OutgoingEmail]) -> list[Receipt]:
    """All receipts in the order of their mails' ids; they come in any order, with pauses between them."""
    found = [receipt for receipt in transport.send(emails) if receipt is not None]
    return sorted(found, key=lambda receipt: receipt.id)


@pytest.fixture
def smtp_server() -> Iterator[ScriptedServer]:
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


class TransportContract:
    """Cases every transport passes; a subclass gives the transport and what arrived at its other end."""

    transport: Transport

    def arrived(self) -> Sequence[tuple[str, bytes]]:
        raise NotImplementedError

    def test_every_mail_gets_exactly_one_receipt_with_its_id(self) -> None:
        found = receipts(self.transport, (make_email(pk) for pk in range(1, 251)))
        assert [receipt.id for receipt in found] == list(range(1, 251))

    def test_an_accepted_mail_has_arrived_byte_for_byte(self) -> None:
        """SM-02."""
        data = b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n"
        (receipt,) = receipts(self.transport, [make_email(1, data=data)])
        assert receipt.outcome is Outcome.ACCEPTED
        assert self.arrived() == [("reader@example.org", data)]

    def test_a_mail_is_durable_before_its_receipt(self) -> None:
        emails = (make_email(pk, to=f"r{pk}@example.org") for pk in (1, 2))
        next(receipt for receipt in self.transport.send(emails) if receipt is not None)
        assert len(self.arrived()) >= 1

    def test_a_permanent_refusal_is_rejected_and_the_next_mail_still_goes(self) -> None:
        found = receipts(self.transport, [make_email(1, to="bounce@example.org"), make_email(2)])
        assert [(r.id, r.outcome, r.code) for r in found] == [
            (1, Outcome.REJECTED, "smtp.550-5.1.1"),
            (2, Outcome.ACCEPTED, ""),
        ]

    def test_a_transient_refusal_is_deferred(self) -> None:
        (receipt,) = receipts(self.transport, [make_email(1, to="defer+tag@example.org")])
        assert (receipt.outcome, receipt.code) == (Outcome.DEFERRED, "smtp.451-4.3.0")

    def test_a_lost_answer_is_unknown_never_accepted(self) -> None:
        """SM-06."""
        (receipt,) = receipts(self.transport, [make_email(1, to="unknown@example.org")])
        assert (receipt.outcome, receipt.code) == (Outcome.UNKNOWN, "smtp.outcome-unknown")

    def test_nothing_is_pulled_that_gets_no_receipt_when_the_consumer_goes_through(self) -> None:
        pulled: list[int] = []

        def source() -> Iterator[OutgoingEmail]:
            for pk in range(1, 6):
                pulled.append(pk)
                yield make_email(pk)

        assert [receipt.id for receipt in receipts(self.transport, source())] == pulled

    def test_a_mail_is_told_of_before_it_may_be_accepted(self) -> None:
        told: list[int] = []
        emails = [make_email(pk) for pk in range(1, 6)]
        for receipt in self.transport.send(emails, leaving=told.extend):
            assert receipt is None or receipt.id in told

    def test_no_mail_is_no_receipt(self) -> None:
        assert receipts(self.transport, []) == []

    def test_a_receipt_names_nobody(self) -> None:
        emails = [make_email(1, to="bounce@example.org"), make_email(2, to="full@example.org")]
        for receipt in receipts(self.transport, emails):
            assert "example" not in repr(receipt)

    def test_closing_twice_is_fine(self) -> None:
        receipts(self.transport, [make_email(1)])
        self.transport.close()
        self.transport.close()


class TestSandbox(TransportContract):
    @pytest.fixture(autouse=True)
    def _transport(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self.transport = SandboxTransport(lambda emails: self.kept.extend((e.rcpt_to, e.data) for e in emails))

    def arrived(self) -> Sequence[tuple[str, bytes]]:
        return self.kept


class TestSmtpRelay(TransportContract):
    @pytest.fixture(autouse=True)
    def _transport(self, smtp_server: ScriptedServer) -> Iterator[None]:
        self.server = smtp_server
        config = RelayConfig(host="127.0.0.1", port=smtp_server.port, tls=Tls.NONE, timeout=30)
        self.transport = SmtpRelayTransport(config)
        yield
        self.transport.close()

    def arrived(self) -> Sequence[tuple[str, bytes]]:
        return self.server.mails

    def test_many_mails_share_a_few_connections(self) -> None:
        receipts(self.transport, [make_email(pk) for pk in range(1, 51)])
        assert self.server.connections <= 10

    def test_a_mail_that_ends_its_connections_is_put_off_and_the_others_go(self) -> None:
        """SM-09: 421 and disconnects at any stage."""
        found = receipts(self.transport, [make_email(1, to="hangup@example.org"), make_email(2)])
        assert [(r.outcome, r.code) for r in found] == [
            (Outcome.DEFERRED, "smtp.connection-lost"),
            (Outcome.ACCEPTED, ""),
        ]

    def test_an_address_that_needs_smtputf8_is_refused_when_the_relay_lacks_it(self) -> None:
        """IN-02."""
        (receipt,) = receipts(self.transport, [make_email(1, to="üser@example.org")])
        assert (receipt.outcome, receipt.code) == (Outcome.REJECTED, "smtp.553-5.6.7")

    def test_every_kind_of_yes_is_a_yes(self) -> None:
        """RFC 5321 §4.2.1: the first digit says whether the mail was taken."""
        (receipt,) = receipts(self.transport, [make_email(1, to="odd@example.org")])
        assert receipt.outcome is Outcome.ACCEPTED


def test_the_kinds_that_need_nothing_but_a_host_can_be_built() -> None:
    for kind in ("sandbox", "smtp"):
        build_transport(kind, {"host": "127.0.0.1"}, keep=lambda _: None).close()


def test_settings_that_do_not_fit_a_kind_are_a_key_or_value_error() -> None:
    for kind in KINDS:
        with contextlib.suppress(KeyError, ValueError):
            build_transport(kind, {"port": "none"}, keep=lambda _: None).close()
