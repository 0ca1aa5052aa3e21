"""Our SMTP server on loopback, in a thread of the test, and a client that says exactly what it is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import trustme
from django.db import connections

from campaigns.models import Lane
from campaigns.smtp.limits import INBOUND, Limits
from campaigns.smtp.protocol import Entrance
from campaigns.smtp.server import Listener, serve

QUICK = Limits(pause_after_wrong_login=0, wrong_logins=1_000, faults=1_000, goodbye_seconds=2)
"""The limits of most tests: nobody is made to wait."""

INBOUND_QUICK = replace(INBOUND, message_bytes=200_000, faults=1_000, goodbye_seconds=2)


@dataclass(frozen=True)
class Door:
    """The ports of a running server, and the authority of its certificate."""

    starttls: int
    tls: int
    plain: int
    hipaa: int
    inbound: int
    authority: trustme.CA

    @property
    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


@contextlib.contextmanager
def open_door(limits: Limits = QUICK, *, inbound: Limits = INBOUND_QUICK) -> Iterator[Door]:
    """The server with one listener of each kind."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    entrances = [
        Entrance(tls=context),
        Entrance(tls=context, is_encrypted=True),
        Entrance(may_be_plain=True),
        Entrance(Lane.HIPAA, tls=context, is_encrypted=True),
        Entrance(tls=context, is_inbound=True),
    ]
    ports: list[int] = []
    ready = threading.Event()
    running: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    def started(found: list[int]) -> None:
        ports.extend(found)
        ready.set()

    async def run() -> None:
        stop = asyncio.Event()
        running.append((asyncio.get_running_loop(), stop))
        listeners = [Listener("127.0.0.1", 0, entrance) for entrance in entrances]
        await serve(
            listeners, limits=limits, inbound_limits=inbound, hostname="smtp.test", inbound_hostname="mx.test",
            stop=stop, started=started,
        )  # fmt: skip

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        starttls, tls, unencrypted, hipaa, incoming = ports
        yield Door(starttls, tls, unencrypted, hipaa, incoming, authority)
    finally:
        loop, stop = running[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        assert not thread.is_alive()
        connections["default"].close()


class Client:
    """Says bytes, hears replies; nothing is done for it."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        self._heard = b""
        self._has_greeted = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def start_tls(self, context: ssl.SSLContext) -> None:
        self._socket = context.wrap_socket(self._socket, server_hostname="localhost")

    def hear(self) -> str:
        """The next reply, its lines joined by a line feed; '' when the connection has ended."""
        lines = []
        while True:
            while b"\n" not in self._heard:
                try:
                    data = self._socket.recv(65536)
                except ConnectionError:
                    data = b""
                if not data:
                    return ""
                self._heard += data
            line, _, self._heard = self._heard.partition(b"\n")
            lines.append(line.decode().rstrip("\r"))
            if line[3:4] != b"-":
                return "\n".join(lines)

    def say(self, line: str | bytes) -> str:
        """The reply to one line."""
        self.send((line.encode() if isinstance(line, str) else line) + b"\r\n")
        return self.hear()

    def log_in(self, username: str, password: str) -> str:
        """Greets when nobody has yet, and logs in by PLAIN."""
        if not self._has_greeted:
            self.hear()
            self.say("EHLO client.test")
            self._has_greeted = True
        return self.say(f"AUTH PLAIN {plain(username, password)}")

    def log_in_again(self, username: str, password: str) -> str:
        """Logs in where the greeting has been heard."""
        return self.say(f"AUTH PLAIN {plain(username, password)}")

    def start_mail(self, *, sender: str, to: str = "bob@example.net") -> None:
        """Everything up to the moment when the mail itself may come."""
        replies = [self.say(line) for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA")]
        assert replies[-1].startswith("354"), replies

    def mail(self, data: bytes, *, sender: str, to: list[str]) -> str:
        """The reply to a mail, or to the command before it that was refused."""
        for line in (f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{address}>" for address in to), "DATA"):
            reply = self.say(line)
            if reply[0] not in "23":
                self.say("RSET")
                return reply
        stuffed = (b"\r\n" + data).replace(b"\r\n.", b"\r\n..")[2:]
        return self.say(stuffed.removesuffix(b"\r\n") + b"\r\n.")


def plain(username: str, password: str, *, identity: str = "") -> str:
    return base64.b64encode(f"{identity}\0{username}\0{password}".encode()).decode()
