"""The connection below a conversation: transport, timers, TLS and the loop that reads lines and says replies.

aiosmtpd gives the protocol. What is said is ours, because its own commands accept too much, log addresses and have no
enhanced codes.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from ssl import SSLContext
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, TLSSetupException
from aiosmtpd.smtp import Session as TransportSession

from campaigns.models import Lane
from campaigns.smtp import replies
from campaigns.smtp.desk import Desk
from campaigns.smtp.wire import LineTooLong, Wire

log = logging.getLogger(__name__)
# Its logger writes recipients, commands and mails, at every level there is.
logging.getLogger("mail.log").addFilter(lambda _: False)


# A timer may ring this much early (seconds).
_TICK = 0.01


@dataclass(frozen=True, slots=True)
class Entrance:
    """A kind of listener: who may come, and how it is encrypted.

    `tls` is offered with STARTTLS, unless the listener `is_encrypted` from the first byte; `may_be_plain` is for loopback.
    One that `is_inbound` is for mail servers: nobody logs in, and only mail for us is taken.
    """

    lane: Lane = Lane.STANDARD
    tls: SSLContext | None = None
    is_encrypted: bool = False
    may_be_plain: bool = False
    is_inbound: bool = False


class LineProtocol(SMTP):
    """One connection; `answer` and `forget_everything` are the conversation's."""

    line_length_limit = 64 * 1024  # how much is read ahead

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        # Asked for while the protocol below is still being made.
        self._wire: Wire | None = None
        self._is_busy = False
        self._since_mail = self._faults = 0
        super().__init__(
            object(),
            data_size_limit=desk.limits.message_bytes,
            enable_SMTPUTF8=True,
            hostname=desk.hostname,
            tls_context=None if entrance.is_encrypted else entrance.tls,
            timeout=desk.limits.idle_seconds,
            loop=asyncio.get_running_loop(),
        )
        self._desk, self._entrance = desk, entrance

    @property
    def is_logged_in(self) -> bool:
        raise NotImplementedError

    async def answer(self, line: bytes) -> str:
        """The reply to a command; '' when it has been said. One that begins with 421 ends the conversation."""
        raise NotImplementedError

    def forget_everything(self) -> None:
        """The conversation begins anew."""
        raise NotImplementedError

    @property
    def _is_encrypted(self) -> bool:
        return self._entrance.is_encrypted or self._tls_protocol is not None

    @property
    def _may_log_in(self) -> bool:
        return self._is_encrypted or self._entrance.may_be_plain

    @property
    def _remote(self) -> str:
        peer: Any = self.session.peer if self.session is not None else None
        return str(peer[0]) if isinstance(peer, tuple) and peer else ""

    # --- The protocol's own hooks ---------------------------------------------------------------------------------

    def _create_session(self) -> TransportSession:
        """Also after STARTTLS: whatever was said before counts for nothing (SU-05)."""
        self.forget_everything()
        if self._wire is not None:
            self._wire.forget()
        return super()._create_session()

    async def push(self, status: AnyStr) -> None:
        # The only reply of the protocol below that is still said.
        if status == "220 Ready to start TLS":
            await super().push("220 2.0.0 Ready to start TLS")
            return
        await super().push(status)

    def _reset_timeout(self, duration: float | None = None) -> None:
        # Every line puts the moment off: the timer that runs looks again then, instead of a new one for each line.
        self._silent_until = self.loop.time() + (duration or self._timeout_duration)
        running = self._timeout_handle
        if running is not None and running.when() > self._silent_until:
            running.cancel()
            running = None
        if running is None:
            self._timeout_handle = self.loop.call_at(self._silent_until, self._timeout_cb)

    def _timeout_cb(self) -> None:
        if self.loop.time() + _TICK < self._silent_until:
            self._timeout_handle = self.loop.call_at(self._silent_until, self._timeout_cb)
            return
        self._close(replies.TOO_SLOW)

    def wind_down(self) -> None:
        """Say goodbye now, or after the mail that is on its way."""
        if not self._is_busy:
            self._close(replies.CLOSING)

    def _close(self, last_words: str) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        self._writer.write(f"{last_words}\r\n".encode("ascii"))
        self.transport.close()
        # Whoever does not read would keep the connection open with what is still to be written.
        self.loop.call_later(5, _abort, self.transport)

    async def _handle_client(self) -> None:
        remote = self._remote
        if self._desk.is_closing or not self._desk.doorman.enter(remote):
            self._close(replies.CLOSING if self._desk.is_closing else replies.TOO_MANY_CONNECTIONS)
            return
        self._desk.conversations.add(self)
        try:
            await self._converse()
        except (ConnectionError, EOFError, TLSSetupException):
            pass
        except Exception as error:
            # The edge of the conversation: neither peer nor log may see what went wrong in detail.
            log.error("A conversation failed: %s", type(error).__name__)  # noqa: TRY400
            self._close(replies.LATER.replace("451", "421", 1))
        finally:
            self._desk.conversations.discard(self)
            self._desk.doorman.leave(remote)
            if self.transport is not None:
                self.transport.close()

    # --- Commands -------------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        self._wire = Wire(self._reader)
        limits = self._desk.limits
        must_log_in_by = self.loop.time() + limits.login_seconds
        await self.push(f"220 {self.hostname} ESMTP")
        while self.transport is not None and not self.transport.is_closing():
            left = limits.idle_seconds if self.is_logged_in else max(must_log_in_by - self.loop.time(), 0.01)
            self._reset_timeout(min(left, limits.idle_seconds))
            try:
                line = await self._wire.read_line(longest=limits.login_bytes)
            except LineTooLong:
                await self._say(replies.LINE_TOO_LONG)
                continue
            self._is_busy = True
            await self._say(await self.answer(line))
            self._is_busy = False
            if self._desk.is_closing:
                self._close(replies.CLOSING)

    async def _say(self, reply: str) -> None:
        """Say it, and goodbye to those who only make mistakes or only keep us busy."""
        self._since_mail += 1
        self._faults += reply.startswith(("500", "501", "502", "503", "504"))
        limits = self._desk.limits
        is_tired = self._faults > limits.faults or self._since_mail > limits.idle_commands
        # Whoever was told that a mail is stored must hear it, or hands it in again.
        if is_tired and not reply.startswith(("421", replies.QUEUED, replies.TAKEN)):
            reply = replies.TOO_MANY_FAULTS
        if reply.startswith("421"):
            self._close(reply)
        elif reply:
            await self.push(reply)


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()
