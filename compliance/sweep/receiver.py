"""The server that receives: real SMTP with TLS on loopback, and a tap that keeps what went over the wire before TLS."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

from campaigns.smtp.certificates import make_self_signed

HOST = "localhost"
CERTIFICATE = "smtp-cert.pem"


class Receiver:
    """Keeps every mail it was given; `refuse` makes it quote everything it hears in its refusals, as some servers do."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.senders: list[str] = []
        self.refuses = False
        self._stalls = threading.Event()
        self._reached = threading.Event()
        self.port = 0

    @contextlib.contextmanager
    def stalling(self) -> Iterator[threading.Event]:
        """Answers no mail in the meantime; the event says that one has arrived whole."""
        self._reached.clear()
        self._stalls.set()
        try:
            yield self._reached
        finally:
            self._stalls.clear()

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            subject = envelope.content.partition(b"\r\n\r\n")[2][:200].decode("ascii", "replace").replace("\r\n", " ")
            return f"550 5.7.1 Rejected for {envelope.rcpt_tos[0]}: {subject}"
        if self._stalls.is_set():
            self._reached.set()
            while self._stalls.is_set():
                await asyncio.sleep(0.05)
            return "451 4.3.0 Try again"
        self.mails.append(envelope.content)
        self.senders.append(envelope.mail_from)
        return "250 2.0.0 Accepted"


@contextlib.contextmanager
def receiving(folder: Path, wire: list[bytes]) -> Iterator[Receiver]:
    """A running receiver whose certificate is in the folder, as smtp-cert.pem; the tap writes to `wire`."""
    certificate, key = make_self_signed(folder, hostname=HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    receiver = Receiver()
    controller = Controller(
        receiver, hostname="127.0.0.1", port=_free_port(), tls_context=context, require_starttls=True
    )
    controller.start()
    tap = socket.create_server(("127.0.0.1", 0))
    receiver.port = tap.getsockname()[1]
    thread = threading.Thread(target=_tap, args=(tap, controller.port, wire), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        tap.close()
        controller.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _tap(tap: socket.socket, port: int, wire: list[bytes]) -> None:
    while True:
        try:
            client, _ = tap.accept()
        except OSError:
            return
        server = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=_pass_on, args=(client, server, wire), daemon=True).start()


def _pass_on(client: socket.socket, server: socket.socket, wire: list[bytes]) -> None:
    with client, server, contextlib.suppress(OSError):
        while True:
            ready, _, _ = select.select([client, server], [], [])
            for end in ready:
                data = end.recv(65_536)
                if not data:
                    return
                wire.append(data)
                (server if end is client else client).sendall(data)
