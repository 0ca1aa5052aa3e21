"""A real SMTP server on loopback whose answers the recipient's local part scripts."""

# ruff: noqa: N802, ARG002 (aiosmtpd names the hooks and their arguments)

from __future__ import annotations

import asyncio
import threading
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

RCPT_REPLIES = {
    "bounce": "550 5.1.1 No such user bounce@example.org",
    "full": "452 4.2.2 Mailbox full",
    "defer": "451 4.3.0 Try again later",
    "block": "554 5.7.1 Blocked",
}

_MAIL_REPLIES = {"odd": "251 2.1.5 Accepted for somebody else"}


class ScriptedServer:
    """Keeps (recipient, bytes) of every mail accepted; `hangup@` closes at RCPT, `unknown@` after the final dot.

    `slow@` waits before it answers, `odd@` answers the mail with a rare kind of yes.
    """

    def __init__(self) -> None:
        self.mails: list[tuple[str, bytes]] = []
        self.connections = 0
        self.port = 0
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(),), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        protocols: list[SMTP] = []

        def connect() -> SMTP:
            protocols.append(SMTP(self, loop=self._loop, enable_SMTPUTF8=False))
            return protocols[-1]

        server = await self._loop.create_server(connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for protocol in protocols:
            if protocol.transport is not None:
                protocol.transport.close()
        await asyncio.sleep(0.05)  # transports close on the next turns of the loop

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> Any:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        local = address.partition("@")[0].partition("+")[0]
        if local == "hangup":
            assert server.transport is not None
            server.transport.close()
        if local == "slow":
            await asyncio.sleep(0.2)
        if local in RCPT_REPLIES:
            return RCPT_REPLIES[local]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        if envelope.rcpt_tos[0].startswith("unknown"):
            assert server.transport is not None
            server.transport.close()
        self.mails.append((envelope.rcpt_tos[0], envelope.content))
        return _MAIL_REPLIES.get(envelope.rcpt_tos[0].partition("@")[0], "250 2.0.0 Accepted")
