"""The kept connections to one relay: opened beside each other in threads, watched by one selector."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import ssl
import threading
from collections import deque
from collections.abc import Iterator

from campaigns.delivery.base import Receipt, TransportError
from campaigns.delivery.smtp_connect import Established, RelayConfig, Tls, connect, make_tls_context
from campaigns.delivery.smtp_session import Session

log = logging.getLogger(__name__)

_AT_ONCE = 8  # connections being opened at the same time
_IDLE_LIMIT = 60.0  # seconds after which a kept connection is opened anew rather than trusted: gateways forget it
_REFUSED_PAUSE = 30.0  # seconds without new connections after the relay refused one beside others
_BARREN_PAUSE = 0.05  # seconds, doubled with each connection in a row that ends before it answered for any mail
_BARREN_LIMIT = 8  # of them in a row: the relay takes connections and no mail
_READ_SIZE = 65_536  # more than a TLS record: nothing decrypted stays behind that the selector cannot see
_READ, _READ_WRITE = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """A non-blocking socket and the session it carries; errors of the socket end the session, and raise nothing."""

    def __init__(self, established: Established, *, session: Session) -> None:
        self.sock = established.sock
        self.session = session
        self.interest = self.watched = _READ

    def read(self, now: float) -> list[Receipt]:
        """The receipts in what has arrived."""
        try:
            data = self.sock.recv(_READ_SIZE)
        except _NOT_NOW:
            return []
        except OSError:
            data = b""
        if data:
            return self.session.receive(data, now=now)
        self.session.end()
        return []

    def write(self, now: float) -> list[Receipt]:
        """Send what the kernel takes; the receipts in the last words of a peer that hung up."""
        session = self.session
        self.interest = _READ
        try:
            while session.outgoing:
                session.sent(self.sock.send(session.outgoing), now=now)
        except ssl.SSLWantReadError:
            pass
        except _NOT_NOW:
            self.interest = _READ_WRITE
        except OSError:
            receipts = self.read(now)
            session.end()
            return receipts
        return []


class Pool:
    """At most `config.connections` connections. The first goes alone: a wrong password is tried once, not ten times."""

    def __init__(self, config: RelayConfig) -> None:
        self.connections: list[Connection] = []
        self._config = config
        self._context = None if config.tls is Tls.NONE else make_tls_context()
        self._selector = selectors.DefaultSelector()
        self._bell, self._bell_rope = socket.socketpair()
        self._bell.setblocking(False)
        self._selector.register(self._bell, _READ)
        self._lock, self._is_closed = threading.Lock(), False
        self._arrived: deque[Established | BaseException] = deque()
        self._opening = 0
        self._barren = 0  # connections in a row that ended before they answered for any mail
        self._barren_until = self._refused_until = 0.0  # no new connections before

    @property
    def _has_room(self) -> bool:
        return len(self.connections) + self._opening < self._config.connections

    @property
    def has_none(self) -> bool:
        return not self.connections and not self._opening

    @property
    def opening(self) -> int:
        return self._opening

    def may_open(self, now: float) -> bool:
        """There is room for one more, and a reason to believe that it will do better than the last one."""
        if not self._has_room or now < self._barren_until or (self.connections and now < self._refused_until):
            return False
        if self._barren and not any(connection.session.answered for connection in self.connections):
            return self.has_none
        return self._opening < (_AT_ONCE if self.connections else 1)

    def may_grow(self, now: float) -> bool:
        """A new connection is on its way, or will be before long."""
        return self._opening > 0 or (self._has_room and now >= self._refused_until)

    def pause_left(self, now: float) -> float:
        """Seconds until a connection may be opened again; infinite when that is no question of time."""
        return min(
            (until - now for until in (self._barren_until, self._refused_until) if until > now), default=float("inf")
        )

    def open(self) -> None:
        """Begin to open one more connection, which `collect` gives; raises TransportError when that led nowhere."""
        if self._barren >= _BARREN_LIMIT and self.has_none:
            raise TransportError("transport.unreachable", "The relay ends every connection before it takes a mail.")
        self._opening += 1
        # Daemons: a relay that takes minutes to greet must not keep the process from ending.
        threading.Thread(target=self._connect, name="smtp-connect", daemon=True).start()

    def collect(self, now: float) -> None:
        """Take in what was opened; raises TransportError when that failed and there is no other to go on with."""
        for result in self._take_arrived():
            if isinstance(result, Established):
                self._adopt(result, now=now)
            elif not isinstance(result, TransportError) or self.has_none:
                raise result
            else:
                log.info("relay: %s, going on with %d connections", result.code, len(self.connections))
                self._refused_until = now + _REFUSED_PAUSE

    def wait(self, timeout: float) -> list[Connection]:
        """Connections with something to read or room to write."""
        ready = []
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    self._bell.recv(64)
            else:
                ready.append(key.data)
        return ready

    def watch(self, connection: Connection) -> None:
        """Wake up for what the connection waits for."""
        if connection.watched != connection.interest:
            self._selector.modify(connection.sock, connection.interest, connection)
            connection.watched = connection.interest

    def note_answers(self) -> None:
        """The relay answers for mails: what ended before was not the rule."""
        self._barren = 0

    def note_barren(self, now: float) -> None:
        """A connection ended under a mail before it answered for any: the next ones wait, and go one by one."""
        self._barren += 1
        self._barren_until = now + _BARREN_PAUSE * 2**self._barren

    def drop(self, connection: Connection) -> None:
        """Close without a word."""
        self._selector.unregister(connection.sock)
        connection.sock.close()
        self.connections.remove(connection)

    def refresh(self, now: float) -> None:
        """Before a send: drop idle connections that ended meanwhile, or that nobody can trust any more."""
        for result in self._take_arrived():
            if isinstance(result, Established):  # failures are of an earlier send, and no news
                self._adopt(result, now=now)
        for connection in self.wait(0):
            connection.read(now)
        for connection in list(self.connections):
            if connection.session.is_over:
                self.drop(connection)
            elif connection.session.idle_for(now) > _IDLE_LIMIT:
                self._dismiss(connection)

    def drop_busy(self) -> None:
        """Drop connections with something in flight."""
        for connection in list(self.connections):
            if connection.session.is_over or not connection.session.is_idle:
                self.drop(connection)

    def close(self) -> None:
        """Say QUIT where nothing is in flight, and close everything without waiting for an answer."""
        self.drop_busy()
        for connection in list(self.connections):
            self._dismiss(connection)
        with self._lock:
            self._is_closed = True
        for result in self._take_arrived():
            if isinstance(result, Established):
                result.sock.close()
        self._selector.close()
        self._bell.close()
        self._bell_rope.close()

    def _dismiss(self, connection: Connection) -> None:
        with contextlib.suppress(OSError):
            connection.sock.send(b"QUIT\r\n")
        self.drop(connection)

    def _adopt(self, established: Established, *, now: float) -> None:
        session = Session(established.offers, timeouts=self._config.timeouts, now=now, tls=established.tls)
        connection = Connection(established, session=session)
        self.connections.append(connection)
        self._selector.register(connection.sock, _READ, connection)

    def _take_arrived(self) -> Iterator[Established | BaseException]:
        while self._arrived:
            self._opening -= 1
            yield self._arrived.popleft()

    def _connect(self) -> None:
        result: Established | BaseException
        try:
            result = connect(self._config, context=self._context)
        except BaseException as error:  # the edge of a thread: `collect` raises it where somebody can see it
            result = error
        with self._lock:
            if not self._is_closed:
                self._arrived.append(result)
                self._bell_rope.send(b"!")
                return
        if isinstance(result, Established):
            result.sock.close()
