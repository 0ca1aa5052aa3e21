"""One conversation with a client, from greeting to goodbye (RFC 5321, 6409, 4954, 3207, 2920, 6531).

aiosmtpd gives the protocol below: transport, timers, STARTTLS. What is said is ours, because its own commands accept too
much, log addresses and have no enhanced codes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from ssl import SSLContext
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, TLSSetupException
from aiosmtpd.smtp import Session as TransportSession
from django.db import DatabaseError
from django.utils import timezone

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Lane
from campaigns.outbox.finished import check_recipient
from campaigns.smtp import callers, commands, replies
from campaigns.smtp.callers import Caller
from campaigns.smtp.commands import BadArgument
from campaigns.smtp.desk import Desk
from campaigns.smtp.intake import NotStored
from campaigns.smtp.wire import LineTooLong, TooMuch, Wire

log = logging.getLogger(__name__)
# Its logger writes recipients, commands and mails, at every level there is.
logging.getLogger("mail.log").addFilter(lambda _: False)

_BEFORE_LOGIN = frozenset({"EHLO", "HELO", "NOOP", "RSET", "QUIT", "STARTTLS", "AUTH", "HELP", "VRFY", "EXPN"})


@dataclass(frozen=True, slots=True)
class Entrance:
    """A kind of listener: who may come, and how it is encrypted.

    `tls` is offered with STARTTLS, unless the listener `is_encrypted` from the first byte; `may_be_plain` is for loopback.
    """

    lane: Lane = Lane.STANDARD
    tls: SSLContext | None = None
    is_encrypted: bool = False
    may_be_plain: bool = False


@dataclass(slots=True, repr=False)
class Transaction:
    """What MAIL and RCPT have said so far."""

    sender: str
    smtputf8: bool
    recipients: list[Address] = field(default_factory=list)


class Conversation(SMTP):
    """The protocol of one connection."""

    line_length_limit = 64 * 1024  # how much is read ahead

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
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
        self._wire: Wire | None = None
        self._caller: Caller | None = None
        self._looked_at = 0.0
        self._transaction: Transaction | None = None
        self._greeted = self._is_busy = False
        self._since_mail = self._faults = self._wrong_logins = self._refused = self._mails = 0
        self._verbs: dict[str, Callable[[str], Awaitable[str]]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "STARTTLS": self._starttls, "AUTH": self._auth, "MAIL": self._mail,
            "RCPT": self._rcpt, "DATA": self._data, "RSET": self._rset, "NOOP": self._noop, "QUIT": self._quit,
            "HELP": self._help, "VRFY": self._vrfy, "EXPN": self._not_implemented, "BDAT": self._not_implemented,
            "TURN": self._not_implemented, "ETRN": self._not_implemented,
        }  # fmt: skip

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
        self._caller, self._transaction, self._greeted = None, None, False
        if self._wire is not None:
            self._wire.forget()
        return super()._create_session()

    async def push(self, status: AnyStr) -> None:
        # The only reply of the protocol below that is still said.
        if status == "220 Ready to start TLS":
            await super().push("220 2.0.0 Ready to start TLS")
            return
        await super().push(status)

    def _timeout_cb(self) -> None:
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
            left = limits.idle_seconds if self._caller else max(must_log_in_by - self.loop.time(), 0.01)
            self._reset_timeout(min(left, limits.idle_seconds))
            try:
                line = await self._wire.read_line(longest=limits.login_bytes)
            except LineTooLong:
                await self._say(replies.LINE_TOO_LONG)
                continue
            self._is_busy = True
            await self._say(await self._answer(line))
            self._is_busy = False
            if self._desk.is_closing:
                self._close(replies.CLOSING)

    async def _say(self, reply: str) -> None:
        """Say it, and goodbye to those who only make mistakes or only keep us busy."""
        self._since_mail += 1
        self._faults += reply.startswith(("500", "501", "502", "503", "504"))
        limits = self._desk.limits
        is_tired = self._faults > limits.faults or self._since_mail > limits.idle_commands
        if is_tired and not reply.startswith("421"):
            reply = replies.TOO_MANY_FAULTS
        if reply.startswith("421"):
            self._close(reply)
        elif reply:
            await self.push(reply)

    async def _answer(self, line: bytes) -> str:
        try:
            verb, argument = commands.read_command(line)
        except BadArgument:
            return replies.NOT_TEXT
        if len(line) > self._desk.limits.command_bytes and verb != "AUTH":
            return replies.LINE_TOO_LONG
        act = self._verbs.get(verb)
        if act is None:
            return replies.UNKNOWN
        if verb not in _BEFORE_LOGIN and self._caller is None:
            return replies.LOGIN_FIRST if self._may_log_in else replies.STARTTLS_FIRST
        try:
            return await act(argument)
        except BadArgument:
            return replies.SYNTAX
        except CampaignError as error:
            return replies.say(error)
        except DatabaseError as error:
            log.error("The database did not answer a conversation: %s", type(error).__name__)  # noqa: TRY400 - quotes rows
            return replies.LATER

    async def _ehlo(self, argument: str) -> str:
        if not argument:
            return replies.SYNTAX
        self._greeted, self._transaction = True, None
        offers = [
            self.hostname,
            "8BITMIME",
            f"SIZE {self._desk.limits.message_bytes}",
            *(["STARTTLS"] if self.tls_context and not self._is_encrypted else []),
            *(["AUTH LOGIN PLAIN"] if self._may_log_in else []),
            "ENHANCEDSTATUSCODES",
            "PIPELINING",
            "SMTPUTF8",
        ]
        return "".join(f"250-{offer}\r\n" for offer in offers) + "250 OK"

    async def _helo(self, argument: str) -> str:
        if not argument:
            return replies.SYNTAX
        self._greeted, self._transaction = True, None
        return f"250 {self.hostname}"

    async def _starttls(self, argument: str) -> str:
        if argument:
            return replies.NO_ARGUMENTS
        if self._is_encrypted:
            return replies.NOT_TWICE
        if not self.tls_context:
            return replies.NOT_IMPLEMENTED
        await self.smtp_STARTTLS("")
        return ""

    async def _auth(self, argument: str) -> str:
        if not self._greeted:
            return replies.GREET_FIRST
        if self._caller is not None or self._transaction is not None:
            return replies.NOT_TWICE
        if not self._may_log_in:
            return replies.ENCRYPT_FIRST
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() not in {"PLAIN", "LOGIN"}:
            return replies.NO_SUCH_MECHANISM if mechanism else replies.SYNTAX
        try:
            name, password = await self._read_login(mechanism.upper(), initial)
        except (BadArgument, LineTooLong):
            return replies.BAD_BASE64
        except _Cancelled:
            return replies.CANCELLED
        return await self._log_in(commands.write_authorization(name, password))

    async def _read_login(self, mechanism: str, initial: str) -> tuple[bytes, bytes]:
        if mechanism == "PLAIN":
            return commands.read_plain(commands.decode_login(initial) if initial else await self._challenge(""))
        # "Username:" and "Password:"; clients look at these very letters (SU-02).
        name = commands.decode_login(initial) if initial else await self._challenge("VXNlcm5hbWU6")
        return name, await self._challenge("UGFzc3dvcmQ6")

    async def _challenge(self, prompt: str) -> bytes:
        assert self._wire is not None
        await self.push(f"334 {prompt}")
        answer = await self._wire.read_line(longest=self._desk.limits.login_bytes)
        if answer == b"*":
            raise _Cancelled
        return commands.decode_login(answer.decode("latin-1").strip())

    async def _log_in(self, authorization: str) -> str:
        let_in = partial(
            callers.let_in, authorization, remote=self._remote, lane=self._entrance.lane, now=timezone.now()
        )
        try:
            self._caller = await self._desk.ask(let_in)
        except CampaignError as error:
            self._wrong_logins += 1
            limits = self._desk.limits
            await asyncio.sleep(limits.pause_after_wrong_login * 2 ** (self._wrong_logins - 1))
            if self._wrong_logins >= limits.wrong_logins:
                return replies.TOO_MANY_FAULTS
            return replies.WRONG_LOGIN if error.code == "key.refused" else replies.say(error)
        except DatabaseError:
            return replies.LOGIN_LATER
        self._looked_at = self.loop.time()
        self._since_mail = 0
        return replies.LET_IN

    async def _mail(self, argument: str) -> str:
        if not self._greeted:
            return replies.GREET_FIRST
        if self._transaction is not None:
            return replies.NOT_NOW
        if self._mails >= self._desk.limits.mails:
            return replies.TOO_MANY_MAILS
        path = commands.read_path(argument, keyword="FROM")
        if refusal := self._check_parameters(path):
            return refusal
        address = _parse(path.mailbox)
        if address is None:
            return replies.NULL_SENDER if not path.mailbox else replies.BAD_SENDER
        smtputf8 = "SMTPUTF8" in path.parameters
        if not (path.mailbox.isascii() or smtputf8):
            return replies.NEEDS_SMTPUTF8
        if not await self._is_still_welcome():
            return replies.NOT_WELCOME
        assert self._caller is not None
        self._caller.rights.require(address.domain)
        self._transaction = Transaction(address.mailbox, smtputf8)
        return replies.SENDER_OK

    def _check_parameters(self, path: commands.Path) -> str:
        given = path.parameters
        if not given.keys() <= {"SIZE", "BODY", "SMTPUTF8", "AUTH"}:
            return replies.PARAMETER_UNKNOWN
        size = given.get("SIZE", "0")
        if not (size.isascii() and size.isdigit() and len(size) <= 20) or given.get("SMTPUTF8"):
            return replies.SYNTAX
        if given.get("BODY", "7BIT").upper() not in {"7BIT", "8BITMIME"}:
            return replies.SYNTAX
        return replies.TOO_LARGE if int(size) > self._desk.limits.message_bytes else ""

    async def _is_still_welcome(self) -> bool:
        """Looks again after a while: a key may have been revoked, a domain verified."""
        assert self._caller is not None
        if self.loop.time() - self._looked_at < callers.LOOKED_AT_EVERY:
            return True
        look = partial(
            callers.look_again, self._caller, remote=self._remote, lane=self._entrance.lane, now=timezone.now()
        )
        try:
            self._caller = await self._desk.ask(look)
        except CampaignError:
            return False
        self._looked_at = self.loop.time()
        return True

    async def _rcpt(self, argument: str) -> str:
        if self._transaction is None:
            return replies.NEED_MAIL
        reply = self._check_recipient(self._transaction, argument)
        if reply == replies.RECIPIENT_OK:
            self._since_mail -= 1
            return reply
        self._refused += 1
        return replies.TOO_MANY_FAULTS if self._refused > self._desk.limits.refused_recipients else reply

    def _check_recipient(self, transaction: Transaction, argument: str) -> str:
        if len(transaction.recipients) >= self._desk.limits.recipients:
            self._since_mail -= 1
            return replies.TOO_MANY_RECIPIENTS
        path = commands.read_path(argument, keyword="TO")
        if path.parameters:
            return replies.PARAMETER_UNKNOWN
        address = _parse(path.mailbox)
        if address is None:
            return replies.BAD_RECIPIENT
        if not (path.mailbox.isascii() or transaction.smtputf8):
            return replies.NEEDS_SMTPUTF8
        check_recipient(address)
        transaction.recipients.append(address)
        return replies.RECIPIENT_OK

    async def _data(self, argument: str) -> str:
        if argument:
            return replies.NO_ARGUMENTS
        if self._transaction is None:
            return replies.NEED_MAIL
        if not self._transaction.recipients:
            return replies.NEED_RECIPIENT
        transaction, self._transaction = self._transaction, None
        taken = 0

        def take(count: int) -> bool:
            nonlocal taken
            is_room = self._desk.memory.take(count)
            taken += count if is_room else 0
            return is_room

        try:
            return await self._receive(transaction, take)
        finally:
            self._desk.memory.give_back(taken)

    async def _receive(self, transaction: Transaction, take: Callable[[int], bool]) -> str:
        assert self._wire is not None
        limits, is_room = self._desk.limits, True
        until = self.loop.time() + limits.data_seconds

        def arrived() -> None:
            self._reset_timeout(max(min(limits.data_pause_seconds, until - self.loop.time()), 0.01))

        def has_room(count: int) -> bool:
            nonlocal is_room
            is_room = take(count)
            return is_room

        await self.push(replies.GO_ON)
        arrived()
        try:
            raw = await self._wire.read_mail(largest=limits.message_bytes, take=has_room, arrived=arrived)
        except TooMuch:
            return replies.TOO_LARGE if is_room else replies.NO_ROOM
        # The client waits for up to ten minutes now (RFC 5321 §4.5.3.2.6).
        self._reset_timeout(limits.data_seconds)
        assert self._caller is not None
        try:
            message_id = await self._desk.hand_in(
                raw, caller=self._caller, sender=transaction.sender, recipients=transaction.recipients
            )
        except NotStored:
            return replies.LATER
        self._mails += 1
        self._since_mail = 0
        return replies.queued(message_id)

    async def _rset(self, argument: str) -> str:
        if argument:
            return replies.NO_ARGUMENTS
        self._transaction = None
        return replies.OK

    async def _noop(self, argument: str) -> str:
        del argument
        return replies.OK

    async def _quit(self, argument: str) -> str:
        if argument:
            return replies.NO_ARGUMENTS
        self._close(replies.BYE)
        return ""

    async def _help(self, argument: str) -> str:
        del argument
        return replies.HELP

    async def _vrfy(self, argument: str) -> str:
        if not argument:
            return replies.SYNTAX
        return replies.VERIFY if self._caller is not None else replies.LOGIN_FIRST

    async def _not_implemented(self, argument: str) -> str:
        del argument
        return replies.NOT_IMPLEMENTED


class _Cancelled(Exception):
    """The client gave up logging in."""


def _parse(mailbox: str) -> Address | None:
    # Quoted local parts, routes and address literals are nobody's here (SU-03).
    if not mailbox or mailbox.startswith("@") or '"' in mailbox:
        return None
    try:
        return addresses.parse(mailbox)
    except AddressError:
        return None


def _abort(transport: asyncio.WriteTransport) -> None:
    transport.abort()
