"""One SMTP connection, from its greeting and login on, as a state machine without sockets (RFC 5321, RFC 2920).

The owner of the socket feeds it what arrived and what was sent, gives it mails while it `wants_mail`, and sends its
`outgoing`. With PIPELINING the envelope of the next mail travels behind the body of this one:

    → body 1 . MAIL 2 RCPT 2 DATA 2        one write
    ← 250 (body 1) 250 250 354             one round trip for each mail

One body is on the wire at a time, never more: whatever happens to the process or the connection, at most one mail of a
session has an unknown outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum, auto

from campaigns.delivery.base import Outcome, OutgoingEmail, Receipt, TlsProof
from campaigns.delivery.smtp_envelope import Offers, Unsendable, write_envelope
from campaigns.delivery.smtp_replies import Reply, ReplyParser, reply_code
from campaigns.replies.classify import classify_reply

_RSET, _GO, _DOT = b"RSET\r\n", b"DATA\r\n", b".\r\n"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds each answer may take, and each part of a body to go out (RFC 5321 §4.5.3.2)."""

    greeting: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    final_dot: float = 600.0

    def capped(self, limit: float | None) -> Timeouts:
        """The same, none longer than limit."""
        if limit is None:
            return self
        return Timeouts(**{field.name: min(limit, getattr(self, field.name)) for field in fields(self)})


class Step(Enum):
    """Which reply a session waits for; READY and IDLE wait for their owner."""

    IDLE = auto()  # between mails
    RESET = auto()
    MAIL = auto()
    RCPT = auto()
    DATA = auto()
    READY = auto()  # the peer said 354; the body leaves when it is known what travels behind it
    BODY = auto()
    EMPTY = auto()  # the lone dot after a 354 that no recipient earned


# Speed: looking a member up on its class takes longer than everything done with it here.
IDLE, RESET, MAIL, RCPT, DATA, READY, BODY, EMPTY = Step


class Session:
    """See the module. `outgoing` is what to send now; `leaving` the mail whose body begins in it, to be told first."""

    def __init__(self, offers: Offers, *, timeouts: Timeouts, now: float, tls: TlsProof | None = None) -> None:
        self.outgoing: bytes | memoryview = b""
        self.leaving: int | None = None
        self.is_over = False  # nothing more can be said here: ask `lose` what became of the mails
        self.answered = 0  # mails that got a receipt out of the peer's reply
        self._offers, self._timeouts, self._tls = offers, timeouts, tls
        self._parser = ReplyParser()
        self._step = IDLE
        self._since = now
        self._mail: OutgoingEmail | None = None  # whose reply is awaited; None once it has its receipt
        self._next: OutgoingEmail | None = None  # whose envelope travels behind that one's body
        self._unsaid: list[bytes] = []  # lock-step: commands of the envelope still to come, the last one first
        self._must_reset = False
        self._is_taken = False  # the peer accepted the recipient
        self._until_dot = 0  # bytes up to and with the final dot that the kernel has not taken yet

    @property
    def wants_mail(self) -> bool:
        return not self.is_over and (self._step is IDLE or self._step is READY)

    @property
    def is_idle(self) -> bool:
        return self._step is IDLE

    def is_overdue(self, now: float) -> bool:
        """The peer has had more time than it may take."""
        return now - self._since > self._patience()

    def idle_for(self, now: float) -> float:
        return now - self._since

    def give(self, email: OutgoingEmail) -> Receipt | None:
        """Take a mail while `wants_mail`; the receipt of one that cannot be sent here at all, and is not taken."""
        try:
            if email.needs_tls and self._tls is None:
                # The last look before the wire, whatever was configured or decided above.
                return Receipt(email.id, Outcome.DEFERRED, "transport.tls-required")
            mail, rcpt = write_envelope(email, self._offers)
        except Unsendable as error:
            return Receipt(email.id, Outcome.REJECTED, error.code)
        if self._step is READY:
            self._next = email
            self._send_body(mail + rcpt + _GO)
            return None
        self._mail = email
        self._step = RESET if self._must_reset else MAIL
        commands = [_RSET, mail, rcpt, _GO] if self._must_reset else [mail, rcpt, _GO]
        self._must_reset = self._is_taken = False
        if self._offers.pipelining:
            self._say(b"".join(commands))
        else:
            self._unsaid = commands[::-1]
            self._say(self._unsaid.pop())
        return None

    def give_nothing(self) -> None:
        """No mail follows for now: a body that is ready leaves alone."""
        if self._step is READY:
            self._send_body(b"")

    def sent(self, count: int, *, now: float) -> None:
        """The kernel took so many bytes of `outgoing`."""
        self._since = now
        self._until_dot -= count
        self.outgoing = b"" if count == len(self.outgoing) else memoryview(self.outgoing)[count:]

    def receive(self, data: bytes, *, now: float) -> list[Receipt]:
        """What the peer's bytes decide; a reply that is not complete yet does not count as an answer in time."""
        receipts = []
        for reply in self._parser.feed(data):
            self._since = now
            receipt = self._take(reply)
            if receipt is not None:
                self.answered += 1
                receipts.append(receipt)
            if self.is_over:
                break
        return receipts

    def end(self) -> None:
        """The connection is gone, or cannot be trusted any more."""
        self.is_over = True

    def lose(self) -> tuple[list[Receipt], list[OutgoingEmail]]:
        """When the connection ends: the receipt of a mail whose body was leaving, and the mails to go another way.

        Without an answer to a whole body neither "sent" nor "not sent" is true (RFC 5321 §4.5.3.2.6, SM-06); without
        its final dot nobody accepted anything.
        """
        self.is_over = True
        receipts = []
        if self._mail is not None and self._step is BODY and self.leaving is None:
            unknown = self._until_dot <= 0
            outcome = Outcome.UNKNOWN if unknown else Outcome.DEFERRED
            code = "smtp.outcome-unknown" if unknown else "smtp.connection-lost"
            receipts, self._mail = [Receipt(self._mail.id, outcome, code)], None
        untouched = [email for email in (self._mail, self._next) if email is not None]
        self._mail = self._next = None
        return receipts, untouched

    def _take(self, reply: Reply) -> Receipt | None:
        step = self._step
        if step is BODY:
            return self._on_body(reply)
        if reply.code == 421 or reply.code < 200:
            self.end()  # the peer closes, or speaks something else
        elif step is MAIL or step is RCPT or step is RESET:
            return self._on_envelope(reply)
        elif step is DATA:
            return self._on_data(reply)
        elif step is EMPTY:
            self._step, self._must_reset = IDLE, True
        else:
            self.end()  # it speaks without being asked
        return None

    def _on_envelope(self, reply: Reply) -> Receipt | None:
        step, is_yes = self._step, reply.code < 300
        if not (is_yes or (reply.refuses and step is not RESET)):
            self.end()
            return None
        if step is RCPT:
            self._is_taken = is_yes
        self._step = DATA if step is RCPT else RCPT if step is MAIL else MAIL
        if not is_yes:
            return self._refuse(reply, command="RCPT" if step is RCPT else "MAIL")
        if self._unsaid:
            self._say(self._unsaid.pop())
        return None

    def _on_data(self, reply: Reply) -> Receipt | None:
        """RFC 2920 §3.1: the answer to DATA is its own, whatever was said to MAIL and RCPT."""
        if reply.code == 354:
            self._on_go_ahead()
            return None
        if not reply.refuses:
            self.end()
            return None
        self._step, self._must_reset = IDLE, True
        return self._refuse(reply, command="DATA") if self._mail is not None else None

    def _on_go_ahead(self) -> None:
        if self._mail is not None:
            self._step = READY
            if not self._offers.pipelining:
                self._send_body(b"")
        elif self._is_taken:
            self.end()  # MAIL refused, RCPT accepted: a lone dot would be an empty mail to somebody
        else:
            self._step = EMPTY
            self._say(_DOT)

    def _on_body(self, reply: Reply) -> Receipt | None:
        email, code = self._mail, reply.code
        is_early = self._until_dot > 0
        if email is None or not (reply.refuses or (200 <= code < 300 and not is_early)):
            self.end()
            return None
        if is_early or code == 421:
            self.end()  # refused in the middle of its data, which cannot be taken back; or closing
        self._mail, self._next = self._next, None
        self._step = IDLE if self._mail is None else MAIL
        if reply.refuses:
            return _refusal(email, reply, command="DATA")
        return Receipt(email.id, Outcome.ACCEPTED, tls=self._tls)

    def _refuse(self, reply: Reply, *, command: str) -> Receipt | None:
        """The receipt of a mail whose envelope is refused; with pipelining the replies behind it still come."""
        email, self._mail = self._mail, None
        if not self._offers.pipelining:
            self._step, self._must_reset, self._unsaid = IDLE, True, []
        return _refusal(email, reply, command=command) if email is not None else None

    def _send_body(self, following: bytes) -> None:
        assert self._mail is not None
        body = stuff_dots(self._mail.data)
        self._step, self.leaving = BODY, self._mail.id
        self._until_dot = len(body) + len(_DOT)
        # Speed: one string, one system call for body and envelope.
        self._say(b"".join((body, _DOT, following)))
        self._is_taken = False

    def _say(self, data: bytes) -> None:
        if self.outgoing:
            self.end()  # the peer answered a command that it cannot have read yet
        else:
            self.outgoing = data

    def _patience(self) -> float:
        if self.outgoing:
            return self._timeouts.block
        return {
            RESET: self._timeouts.mail,
            MAIL: self._timeouts.mail,
            RCPT: self._timeouts.rcpt,
            DATA: self._timeouts.data,
            BODY: self._timeouts.final_dot,
            EMPTY: self._timeouts.final_dot,
        }.get(self._step, float("inf"))


def _refusal(email: OutgoingEmail, reply: Reply, *, command: str) -> Receipt:
    """What a refused command comes to, and what its words mean: the first digit decides whether it is for good."""
    outcome = Outcome.REJECTED if reply.code >= 500 else Outcome.DEFERRED
    verdict = classify_reply(reply.code, reply.enhanced, reply.words, command=command)
    return Receipt(email.id, outcome, reply_code(reply), verdict.reason)


def stuff_dots(data: bytes) -> bytes:
    """Lines that begin with a dot get a second one (RFC 5321 §4.5.2); the result ends with CRLF."""
    if data.startswith(b"."):
        data = b"." + data
    if data.rfind(b"\r\n.") >= 0:  # speed: the search from the end takes a quarter of the time of `in`
        data = data.replace(b"\r\n.", b"\r\n..")
    return data if data.endswith(b"\r\n") else data + b"\r\n"
