"""An SMTP relay over several kept connections, one recipient per transaction (RFC 5321, 2920, 3461, 8314)."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator

from campaigns.delivery.base import Leaving, Outcome, OutgoingEmail, Receipt, TransportError, note_nothing
from campaigns.delivery.smtp_connect import RelayConfig, Tls
from campaigns.delivery.smtp_pool import Connection, Pool
from campaigns.delivery.smtp_session import Session

__all__ = ["RelayConfig", "SmtpRelayTransport", "Tls"]

_TRIES = 3  # new connections that may end under a mail before it is put off
_LOOK_AROUND = 1.0  # seconds


class SmtpRelayTransport:
    """Sends over as many connections as there are mails for, up to the configured number, and keeps them open.

    A receipt is yielded before the next body leaves on its connection, and `leaving` is called right before a body's
    first byte does: when the process dies, at most one mail of each connection is told of and has no receipt. A mail
    whose body has not begun when its connection ends goes over another one, three times at most. When no connection can
    be opened and none is left `send` raises TransportError.
    """

    takes_content = False

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._pool: Pool | None = None

    def send(self, emails: Iterable[OutgoingEmail], *, leaving: Leaving = note_nothing) -> Iterator[Receipt | None]:
        self._pool = pool = self._pool or Pool(self._config)
        try:
            yield from _Delivery(pool, _Backlog(emails), leaving).run()
        except TransportError:
            self.close()
            raise
        finally:
            pool.drop_busy()

    def close(self) -> None:
        """Say QUIT without waiting for the answer."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


class _Backlog:
    """The mails still to be given to a connection: the caller's, pulled one by one, and those handed back."""

    def __init__(self, emails: Iterable[OutgoingEmail]) -> None:
        self._emails = iter(emails)
        self._is_dry = False
        self._pulled: deque[OutgoingEmail] = deque()
        self._returned: deque[OutgoingEmail] = deque()
        self._tries: Counter[int] = Counter()

    def has(self, count: int) -> bool:
        """There are so many mails; pulls what it takes to know."""
        while len(self._returned) + len(self._pulled) < count:
            email = self._pull()
            if email is None:
                return False
            self._pulled.append(email)
        return True

    def take(self) -> OutgoingEmail | None:
        """The next mail of the caller's."""
        return self._pulled.popleft() if self._pulled else self._pull()

    def take_returned(self) -> OutgoingEmail | None:
        """A mail handed back, for a connection where it is the first: when that ends too, it was the mail."""
        return self._returned.popleft() if self._returned else None

    def put_back(self, email: OutgoingEmail, *, is_suspect: bool) -> Receipt | None:
        """The connection ended before the body began; the receipt of one that went first and ended too many."""
        self._tries[email.id] += is_suspect
        if self._tries[email.id] >= _TRIES:
            return Receipt(email.id, Outcome.DEFERRED, "smtp.connection-lost")
        self._returned.appendleft(email)
        return None

    def _pull(self) -> OutgoingEmail | None:
        if self._is_dry:
            return None
        email = next(self._emails, None)
        self._is_dry = email is None
        return email


class _Delivery:
    """One `send`: the loop that joins mails, sessions and sockets."""

    def __init__(self, pool: Pool, backlog: _Backlog, leaving: Leaving) -> None:
        self._pool, self._backlog, self._leaving = pool, backlog, leaving

    def run(self) -> Iterator[Receipt | None]:
        pool, backlog = self._pool, self._backlog
        now = looked = time.monotonic()
        pool.refresh(now)
        while True:
            pool.collect(now)
            for connection in [each for each in pool.connections if each.session.is_idle]:
                if backlog.has(1):
                    yield from self._go_on(connection, now)
            self._open_more(now)
            if all(connection.session.is_idle for connection in pool.connections) and not backlog.has(1):
                return
            ready = pool.wait(max(0.0, min(looked + _LOOK_AROUND - now, pool.pause_left(now))))
            now = time.monotonic()
            for connection in ready:
                # The consumer has each receipt before `_go_on` lets the next body leave.
                yield from self._read(connection, now)
                now = time.monotonic()  # the consumer may have taken its time
                yield from self._go_on(connection, now)
            if now - looked >= _LOOK_AROUND:
                looked = now
                yield from self._give_up_overdue(now)
                yield None

    def _open_more(self, now: float) -> None:
        while self._pool.may_open(now) and self._backlog.has(self._pool.opening + 1):
            self._pool.open()

    def _read(self, connection: Connection, now: float) -> list[Receipt]:
        receipts = connection.read(now)
        if receipts:
            self._pool.note_answers()
        return receipts

    def _go_on(self, connection: Connection, now: float) -> list[Receipt]:
        """Give the session what it wants, send what it says; receipts of mails that ended without an answer."""
        session = connection.session
        receipts = []
        while session.wants_mail:
            email = self._next_for(session, now)
            if email is None:
                session.give_nothing()
                break
            refusal = session.give(email)
            if refusal is not None:
                receipts.append(refusal)
        if session.outgoing and not session.is_over:
            if session.leaving is not None:
                self._leaving([session.leaving])
                session.leaving = None
            receipts += connection.write(now)
        if session.is_over:
            receipts += self._lose(connection, now)
        else:
            self._pool.watch(connection)
        return receipts

    def _next_for(self, session: Session, now: float) -> OutgoingEmail | None:
        returned = None
        if session.is_idle and (not session.answered or not self._pool.may_grow(now)):
            returned = self._backlog.take_returned()
        return returned or self._backlog.take()

    def _lose(self, connection: Connection, now: float) -> list[Receipt]:
        """Close a connection that ended; its untouched mails go over others."""
        self._pool.drop(connection)
        receipts, untouched = connection.session.lose()
        is_barren = not connection.session.answered
        if is_barren and (receipts or untouched):
            self._pool.note_barren(now)
        # Only a mail that nothing came before can be the reason. The last one first: each goes to the front.
        put_off = [
            self._backlog.put_back(email, is_suspect=is_barren and not receipts and email is untouched[0])
            for email in reversed(untouched)
        ]
        return receipts + [receipt for receipt in put_off if receipt is not None]

    def _give_up_overdue(self, now: float) -> Iterator[Receipt]:
        for connection in list(self._pool.connections):
            if connection.session.is_overdue(now):
                yield from self._lose(connection, now)
