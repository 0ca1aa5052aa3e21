"""The state machine of one connection, byte by byte, without sockets and with a clock of its own."""

from __future__ import annotations

from uuid import UUID

import pytest

from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt
from campaigns.delivery.smtp_envelope import Offers
from campaigns.delivery.smtp_session import Session, Timeouts, stuff_dots

PIPELINING = Offers(pipelining=True)
LOCK_STEP = Offers()
SENT = b"250 2.0.0 Ok\r\n"
GO_AHEAD = SENT + SENT + b"354 Go on\r\n"


def make_email(pk: int, data: bytes = b"Hello\r\n") -> OutgoingEmail:
    return OutgoingEmail(pk, UUID(int=pk), "b@b.example", f"r{pk}@r.example", data)


def envelope(pk: int) -> bytes:
    return b"MAIL FROM:<b@b.example>\r\nRCPT TO:<r%d@r.example>\r\nDATA\r\n" % pk


class Driver:
    """The owner of the socket: sends all at once, hears what the test says."""

    def __init__(self, offers: Offers = PIPELINING, timeouts: Timeouts | None = None) -> None:
        self.session = Session(offers, timeouts=timeouts or Timeouts(), now=0.0)
        self.told: list[int] = []

    def give(self, pk: int, data: bytes = b"Hello\r\n") -> bytes:
        assert self.session.wants_mail
        assert self.session.give(make_email(pk, data)) is None
        return self.send()

    def rest(self) -> bytes:
        self.session.give_nothing()
        return self.send()

    def send(self, count: int | None = None, now: float = 0.0) -> bytes:
        """What leaves: all of it, or count bytes."""
        if self.session.leaving is not None:
            self.told.append(self.session.leaving)
            self.session.leaving = None
        data = bytes(self.session.outgoing)[:count]
        if data:
            self.session.sent(len(data), now=now)
        return data

    def hear(self, data: bytes, now: float = 0.0) -> list[tuple[int, Outcome, str]]:
        return as_tuples(self.session.receive(data, now=now))

    def lose(self) -> tuple[list[tuple[int, Outcome, str]], list[int]]:
        receipts, untouched = self.session.lose()
        return as_tuples(receipts), [email.id for email in untouched]

    def with_body_on_the_wire(self) -> Driver:
        """The body of mail 1 has left, and the envelope of mail 2 behind it."""
        self.give(1)
        self.hear(GO_AHEAD)
        self.give(2)
        return self


def as_tuples(receipts: list[Receipt]) -> list[tuple[int, Outcome, str]]:
    return [(receipt.id, receipt.outcome, receipt.code) for receipt in receipts]


ACCEPTED_1 = (1, Outcome.ACCEPTED, "")


def test_the_next_envelope_travels_behind_the_body_in_one_write() -> None:
    """RFC 2920 §3.1."""
    driver = Driver()
    assert driver.give(1) == envelope(1)
    assert driver.hear(GO_AHEAD) == []
    assert driver.give(2) == b"Hello\r\n.\r\n" + envelope(2)
    assert driver.hear(SENT + GO_AHEAD) == [ACCEPTED_1]
    assert driver.rest() == b"Hello\r\n.\r\n"
    assert driver.hear(SENT) == [(2, Outcome.ACCEPTED, "")]
    assert driver.session.is_idle


def test_without_pipelining_each_command_waits_for_its_answer() -> None:
    driver = Driver(LOCK_STEP)
    assert driver.give(1) == b"MAIL FROM:<b@b.example>\r\n"
    driver.hear(SENT)
    assert driver.send() == b"RCPT TO:<r1@r.example>\r\n"
    driver.hear(SENT)
    assert driver.send() == b"DATA\r\n"
    driver.hear(b"354 Go on\r\n")
    assert not driver.session.wants_mail
    assert driver.send() == b"Hello\r\n.\r\n"
    assert driver.hear(SENT) == [ACCEPTED_1]
    assert driver.session.wants_mail


def test_a_session_never_takes_more_than_the_mail_behind_the_body() -> None:
    driver = Driver().with_body_on_the_wire()
    assert not driver.session.wants_mail


def test_a_mail_is_told_of_when_its_body_leaves_not_its_envelope() -> None:
    driver = Driver()
    driver.give(1)
    assert driver.told == []
    driver.hear(GO_AHEAD)
    driver.give(2)
    assert driver.told == [1]


@pytest.mark.parametrize("offers", [PIPELINING, LOCK_STEP])
def test_dots_at_line_starts_are_doubled(offers: Offers) -> None:
    """SM-02."""
    driver = Driver(offers)
    driver.give(1, b".\r\n..\r\n.x\r\na.b\r\n.")
    sent = b"".join(driver.send() for reply in (SENT, SENT, b"354 Go\r\n") if driver.hear(reply) == [])
    assert (sent + driver.rest()).endswith(b"..\r\n...\r\n..x\r\na.b\r\n..\r\n.\r\n")


def test_a_mail_without_a_last_line_end_gets_one() -> None:
    assert stuff_dots(b"no end") == b"no end\r\n"
    assert stuff_dots(b"") == b"\r\n"


@pytest.mark.parametrize(
    ("reply", "outcome", "code"),
    [
        (b"450 4.2.1 Later\r\n", Outcome.DEFERRED, "smtp.450-4.2.1"),
        (b"550-5.1.1 Who\r\n550 5.1.1 is that?\r\n", Outcome.REJECTED, "smtp.550-5.1.1"),
        (b"554\r\n", Outcome.REJECTED, "smtp.554"),
        (b"251 2.1.5 Somebody else\r\n", Outcome.ACCEPTED, ""),
    ],
)
def test_the_first_digit_of_the_answer_to_the_body_decides(reply: bytes, outcome: Outcome, code: str) -> None:
    """RFC 5321 §4.2.1."""
    driver = Driver().with_body_on_the_wire()
    assert driver.hear(reply) == [(1, outcome, code)]
    assert driver.hear(GO_AHEAD) == []
    assert driver.rest() == b"Hello\r\n.\r\n"


def test_a_refused_recipient_is_followed_by_rset_and_the_next_mail() -> None:
    """SM-07: what is said of one recipient is that recipient's."""
    driver = Driver()
    driver.give(1)
    assert driver.hear(SENT + b"550 5.1.1 No\r\n") == [(1, Outcome.REJECTED, "smtp.550-5.1.1")]
    assert not driver.session.wants_mail  # the answer to DATA is still on its way
    assert driver.hear(b"503 5.5.1 No recipients\r\n") == []
    assert driver.give(2) == b"RSET\r\n" + envelope(2)
    assert driver.hear(SENT + GO_AHEAD) == []
    assert driver.rest() == b"Hello\r\n.\r\n"


def test_a_refused_envelope_behind_a_body_leaves_the_body_its_own_answer() -> None:
    """SM-07."""
    driver = Driver().with_body_on_the_wire()
    assert driver.hear(SENT + b"452 4.3.1 No\r\n503 No\r\n503 No\r\n") == [
        ACCEPTED_1,
        (2, Outcome.DEFERRED, "smtp.452-4.3.1"),
    ]
    assert driver.give(3) == b"RSET\r\n" + envelope(3)


def test_in_lock_step_a_refusal_ends_the_transaction_at_once() -> None:
    """SM-07."""
    driver = Driver(LOCK_STEP)
    driver.give(1)
    driver.hear(SENT)
    driver.send()
    assert driver.hear(b"550 5.1.1 No\r\n") == [(1, Outcome.REJECTED, "smtp.550-5.1.1")]
    assert driver.give(2) == b"RSET\r\n"
    driver.hear(SENT)
    assert driver.send() == b"MAIL FROM:<b@b.example>\r\n"


@pytest.mark.parametrize("offers", [PIPELINING, LOCK_STEP])
def test_a_refusal_of_data_itself_is_the_mails(offers: Offers) -> None:
    driver = Driver(offers)
    driver.give(1)
    for _ in range(2):
        driver.hear(SENT)
        driver.send()
    assert driver.hear(b"451 4.3.5 Not now\r\n") == [(1, Outcome.DEFERRED, "smtp.451-4.3.5")]
    assert driver.session.wants_mail


def test_data_accepted_without_a_recipient_gets_a_lone_dot() -> None:
    """RFC 2920 §3.1: a server that says 354 to nobody hears an end at once."""
    driver = Driver()
    driver.give(1)
    assert len(driver.hear(SENT + b"550 5.1.1 No\r\n354 Go on\r\n")) == 1
    assert driver.send() == b".\r\n"
    assert driver.told == []
    assert driver.hear(b"554 5.5.1 No valid recipients\r\n") == []
    assert driver.give(2).endswith(envelope(2))


def test_a_lone_dot_is_never_sent_where_it_would_be_an_empty_mail_to_somebody() -> None:
    driver = Driver()
    driver.give(1)
    assert driver.hear(b"550 5.7.1 Not you\r\n" + SENT + b"354 Go on\r\n") == [(1, Outcome.REJECTED, "smtp.550-5.7.1")]
    assert driver.session.is_over
    assert driver.send() == b""
    assert driver.lose() == ([], [])


@pytest.mark.parametrize("heard", [b"", SENT, SENT + SENT, GO_AHEAD])
@pytest.mark.parametrize("last_words", [b"421 4.3.2 Closing\r\n", b"nonsense\r\n", b"111 what\r\n", b""])
def test_a_mail_whose_body_has_not_left_is_handed_back(heard: bytes, last_words: bytes) -> None:
    """SM-09: 421, something else or silence at any stage."""
    driver = Driver()
    driver.give(1)
    assert driver.hear(heard + last_words) == []
    assert driver.session.is_over == bool(last_words)
    assert driver.lose() == ([], [1])
    assert driver.told == []


@pytest.mark.parametrize("step", [0, 1, 2])
def test_in_lock_step_it_is_handed_back_too(step: int) -> None:
    """SM-09."""
    driver = Driver(LOCK_STEP)
    driver.give(1)
    for _ in range(step):
        driver.hear(SENT)
        driver.send()
    driver.hear(b"421 4.3.2 Closing\r\n")
    assert driver.lose() == ([], [1])


@pytest.mark.parametrize(
    "last_words", [b"", b"25", b"nonsense\r\n", b"350 what\r\n", b"250-but\r\n550 no\r\n", b"\r\n"]
)
def test_no_answer_to_a_whole_body_is_unknown(last_words: bytes) -> None:
    """SM-06, SM-09."""
    driver = Driver().with_body_on_the_wire()
    assert driver.hear(last_words) == []
    assert driver.lose() == ([(1, Outcome.UNKNOWN, "smtp.outcome-unknown")], [2])


def test_a_closing_answer_to_a_body_is_a_refusal_for_now() -> None:
    """SM-09."""
    driver = Driver().with_body_on_the_wire()
    assert driver.hear(b"421 4.3.2 Closing\r\n") == [(1, Outcome.DEFERRED, "smtp.421-4.3.2")]
    assert driver.session.is_over
    assert driver.lose() == ([], [2])


BODY = b"Hello\r\n.\r\n"


@pytest.mark.parametrize("sent", range(1, len(BODY + envelope(2)) + 1))
def test_only_the_final_dot_makes_an_outcome_unknown(sent: int) -> None:
    """SM-06: a connection that ends after any byte."""
    driver = Driver()
    driver.give(1)
    driver.hear(GO_AHEAD)
    driver.session.give(make_email(2))
    driver.send(sent)
    dot_left = sent >= len(BODY)
    expected = (Outcome.UNKNOWN, "smtp.outcome-unknown") if dot_left else (Outcome.DEFERRED, "smtp.connection-lost")
    assert driver.lose() == ([(1, *expected)], [2])


@pytest.mark.parametrize("size", range(1, 12))
def test_a_write_in_any_number_of_parts_is_the_same_write(size: int) -> None:
    driver = Driver()
    driver.give(1)
    driver.hear(GO_AHEAD)
    driver.session.give(make_email(2))
    parts = []
    while driver.session.outgoing:
        parts.append(driver.send(size))
    assert b"".join(parts) == BODY + envelope(2)
    assert driver.hear(SENT) == [ACCEPTED_1]


def test_a_refusal_in_the_middle_of_the_data_is_the_answer() -> None:
    driver = Driver()
    driver.give(1)
    driver.hear(GO_AHEAD)
    driver.session.give(make_email(2))
    driver.send(3)
    assert driver.hear(b"552 5.3.4 Too big\r\n") == [(1, Outcome.REJECTED, "smtp.552-5.3.4")]
    assert driver.session.is_over  # the rest of the body cannot be taken back
    assert driver.lose() == ([], [2])


def test_a_yes_before_the_final_dot_is_no_yes() -> None:
    driver = Driver()
    driver.give(1)
    driver.hear(GO_AHEAD)
    driver.session.give(make_email(2))
    driver.send(3)
    assert driver.hear(SENT) == []
    assert driver.lose() == ([(1, Outcome.DEFERRED, "smtp.connection-lost")], [2])


@pytest.mark.parametrize("reply", [SENT, b"421 4.4.2 Idle too long\r\n", b"x\r\n"])
def test_a_peer_that_speaks_unasked_is_not_trusted_any_more(reply: bytes) -> None:
    driver = Driver()
    assert driver.hear(reply) == []
    assert driver.session.is_over


def test_an_answer_to_a_command_not_sent_yet_ends_the_session() -> None:
    driver = Driver()
    driver.session.give(make_email(1))
    driver.send(5)
    driver.hear(GO_AHEAD)
    driver.session.give_nothing()
    assert driver.session.is_over
    assert driver.lose() == ([], [1])


def test_a_refused_reset_ends_the_session_and_hands_the_mail_back() -> None:
    driver = Driver()
    driver.give(1)
    driver.hear(SENT + b"550 No\r\n503 No\r\n")
    driver.give(2)
    assert driver.hear(b"500 5.5.2 RSET?\r\n") == []
    assert driver.lose() == ([], [2])


def test_an_odd_answer_to_data_hands_the_mail_back() -> None:
    driver = Driver()
    driver.give(1)
    assert driver.hear(SENT + SENT + SENT) == []
    assert driver.lose() == ([], [1])


def test_a_mail_that_cannot_be_sent_here_is_not_taken() -> None:
    """IN-02."""
    session = Session(PIPELINING, timeouts=Timeouts(), now=0.0)
    receipt = session.give(OutgoingEmail(1, UUID(int=1), "", "ü@r.example", b""))
    assert receipt == Receipt(1, Outcome.REJECTED, "smtp.553-5.6.7")
    assert session.wants_mail
    assert session.outgoing == b""


def test_the_time_limits_are_those_of_the_standard() -> None:
    """SM-06: RFC 5321 §4.5.3.2."""
    limits = Timeouts()
    assert (limits.greeting, limits.mail, limits.rcpt) == (300.0, 300.0, 300.0)
    assert (limits.data, limits.block, limits.final_dot) == (120.0, 180.0, 600.0)
    assert limits.capped(None) == limits
    assert limits.capped(150.0) == Timeouts(150.0, 150.0, 150.0, 120.0, 150.0, 150.0)


@pytest.mark.parametrize(
    ("heard", "limit"), [(b"", 1.0), (SENT, 2.0), (SENT + SENT, 3.0), (SENT + b"550 x\r\n354 x\r\n", 5.0)]
)
def test_each_answer_has_its_own_time_limit(heard: bytes, limit: float) -> None:
    """SM-06."""
    driver = Driver(timeouts=Timeouts(mail=1, rcpt=2, data=3, block=4, final_dot=5))
    driver.give(1)
    driver.hear(heard, now=10.0)
    since = 10.0 if heard else 0.0
    driver.send(now=since)
    assert not driver.session.is_overdue(since + limit)
    assert driver.session.is_overdue(since + limit + 0.1)


def test_the_answer_to_the_body_has_the_longest_limit_and_its_parts_their_own() -> None:
    """SM-06."""
    driver = Driver(timeouts=Timeouts(block=4, final_dot=5))
    driver.give(1)
    driver.hear(GO_AHEAD, now=10.0)
    driver.session.give(make_email(2))
    driver.send(3, now=20.0)
    assert driver.session.is_overdue(24.1)
    driver.send(now=24.0)
    assert not driver.session.is_overdue(29.0)
    assert driver.session.is_overdue(29.1)


def test_half_a_reply_is_no_answer_in_time() -> None:
    """SM-06: a peer that says one byte a minute."""
    driver = Driver(timeouts=Timeouts(mail=10))
    driver.give(1)
    for second in range(1, 10):
        driver.hear(b"250-more\r\n", now=float(second))
    assert driver.session.is_overdue(10.1)


def test_an_idle_session_waits_for_ever() -> None:
    assert not Driver().session.is_overdue(1e9)
