"""The listeners, from start to stop."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from campaigns.smtp.certificates import Certificate
from campaigns.smtp.conversation import Conversation
from campaigns.smtp.desk import Desk, InboundDesk, SubmissionDesk
from campaigns.smtp.inbound import InboundConversation
from campaigns.smtp.limits import INBOUND, Limits
from campaigns.smtp.protocol import Entrance

log = logging.getLogger(__name__)

_BACKLOG = 512
_HANDSHAKE_SECONDS = 30
_LOOK_AT_CERTIFICATE_EVERY = 60.0


@dataclass(frozen=True, slots=True)
class Listener:
    """Where to listen (port 0: any that is free), and as what."""

    host: str
    port: int
    entrance: Entrance


async def serve(
    listeners: Sequence[Listener],
    *,
    limits: Limits,
    hostname: str,
    stop: asyncio.Event,
    inbound_limits: Limits = INBOUND,
    inbound_hostname: str = "",
    certificate: Certificate | None = None,
    started: Callable[[list[int]], None] = lambda _: None,
) -> None:
    """Serve until `stop`; mails on their way are finished then. `started` is told the ports. Raises OSError."""
    # Each kind has its own: strangers at the one must not take the room of customers at the other.
    desks = _Desks(
        SubmissionDesk(limits, hostname=hostname), InboundDesk(inbound_limits, hostname=inbound_hostname or hostname)
    )
    servers: list[asyncio.Server] = []
    tasks: list[asyncio.Task[None]] = []
    try:
        for listener in listeners:
            servers.append(await _listen(desks, listener))  # noqa: PERF401 - those before a taken port are closed below
        if certificate is not None:
            tasks.append(asyncio.create_task(_follow(certificate)))
        started([server.sockets[0].getsockname()[1] for server in servers])
        await stop.wait()
    finally:
        for task in tasks:
            task.cancel()
        for server in servers:
            server.close()
        await asyncio.gather(_wind_down(desks.submissions), _wind_down(desks.inbound))
        for desk in (desks.submissions, desks.inbound):
            await asyncio.to_thread(desk.close)


@dataclass(frozen=True, slots=True)
class _Desks:
    submissions: SubmissionDesk
    inbound: InboundDesk


async def _listen(desks: _Desks, listener: Listener) -> asyncio.Server:
    entrance = listener.entrance
    context = entrance.tls if entrance.is_encrypted else None

    def answer() -> Conversation | InboundConversation:
        if entrance.is_inbound:
            return InboundConversation(desks.inbound, entrance)
        return Conversation(desks.submissions, entrance)

    return await asyncio.get_running_loop().create_server(
        answer,
        listener.host,
        listener.port,
        ssl=context,
        ssl_handshake_timeout=_HANDSHAKE_SECONDS if context else None,
        backlog=_BACKLOG,
    )


async def _wind_down(desk: Desk) -> None:
    desk.is_closing = True
    until = asyncio.get_running_loop().time() + desk.limits.goodbye_seconds
    for conversation in list(desk.conversations):
        conversation.wind_down()
    while desk.conversations and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(0.05)
    # One turn more, in which what was closed leaves the loop.
    await asyncio.sleep(0.05)


async def _follow(certificate: Certificate) -> None:
    while True:
        await asyncio.sleep(_LOOK_AT_CERTIFICATE_EVERY)
        try:
            if certificate.refresh():
                log.info("The certificate was renewed.")
        except (OSError, ssl.SSLError) as error:
            log.error("The new certificate cannot be used: %s", type(error).__name__)  # noqa: TRY400 - names files
