"""What a client may say, from greeting to goodbye (RFC 5321, 6409, 4954, 3207, 2920, 6531)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from django.db import DatabaseError

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Lane
from campaigns.outbox.finished import check_recipient
from campaigns.smtp import commands, replies
from campaigns.smtp.commands import BadArgument
from campaigns.smtp.desk import Desk
from campaigns.smtp.intake import NotStored
from campaigns.smtp.login import Login
from campaigns.smtp.protocol import Entrance, LineProtocol
from campaigns.smtp.wire import TooMuch

log = logging.getLogger(__name__)

_BEHIND_LOGIN = frozenset({"MAIL", "RCPT", "DATA"})


@dataclass(slots=True, repr=False)
class Transaction:
    """What MAIL and RCPT have said so far."""

    sender: str
    smtputf8: bool
    recipients: list[Address] = field(default_factory=list)


class Conversation(LineProtocol):
    """The commands of one connection; each gives back its reply."""

    def __init__(self, desk: Desk, entrance: Entrance) -> None:
        self._login = Login(desk, lane=entrance.lane)
        self._transaction: Transaction | None = None
        self._greeted = False
        self._refused = self._mails = 0
        super().__init__(desk, entrance)
        self._verbs: dict[str, Callable[[str], Awaitable[str]]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "STARTTLS": self._starttls, "AUTH": self._auth, "MAIL": self._mail,
            "RCPT": self._rcpt, "DATA": self._data, "RSET": self._rset, "NOOP": self._noop, "QUIT": self._quit,
            "HELP": self._help, "VRFY": self._vrfy, "EXPN": self._not_implemented, "BDAT": self._not_implemented,
            "TURN": self._not_implemented, "ETRN": self._not_implemented,
        }  # fmt: skip

    @property
    def is_logged_in(self) -> bool:
        return self._login.caller is not None

    def forget_everything(self) -> None:
        self._login.caller, self._transaction, self._greeted = None, None, False

    async def answer(self, line: bytes) -> str:
        try:
            verb, argument = commands.read_command(line)
        except BadArgument:
            return replies.NOT_TEXT
        if len(line) > self._desk.limits.command_bytes and verb != "AUTH":
            return replies.LINE_TOO_LONG
        act = self._verbs.get(verb)
        if act is None:
            return replies.UNKNOWN
        if verb in _BEHIND_LOGIN and not self.is_logged_in:
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
        if self.is_logged_in or self._transaction is not None:
            return replies.NOT_TWICE
        if not self._may_log_in:
            return replies.ENCRYPT_FIRST
        reply = await self._login.log_in(argument, remote=self._remote, challenge=self._challenge)
        if reply == replies.LET_IN:
            self._since_mail = 0
        return reply

    async def _challenge(self, prompt: str) -> bytes:
        assert self._wire is not None
        await self.push(f"334 {prompt}")
        return await self._wire.read_line(longest=self._desk.limits.login_bytes)

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
        if not await self._login.is_still_welcome(remote=self._remote):
            return replies.NOT_WELCOME
        assert self._login.caller is not None
        await self._login.check_standing()
        self._login.caller.rights.require(address.domain)
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
        # Of protected mail each recipient gets a mail of their own; clients hand in the others by another one.
        most = 1 if self._entrance.lane == Lane.HIPAA else self._desk.limits.recipients
        if len(transaction.recipients) >= most:
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
        assert self._login.caller is not None
        try:
            message_id = await self._desk.hand_in(
                raw, caller=self._login.caller, sender=transaction.sender, recipients=transaction.recipients
            )
        except NotStored:
            return replies.LATER
        except CampaignError as error:
            await self._login.note_refusal(error)
            raise
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
        return replies.VERIFY if self.is_logged_in else replies.LOGIN_FIRST

    async def _not_implemented(self, argument: str) -> str:
        del argument
        return replies.NOT_IMPLEMENTED


def _parse(mailbox: str) -> Address | None:
    # Quoted local parts, routes and address literals are nobody's here (SU-03).
    if not mailbox or mailbox.startswith("@") or '"' in mailbox:
        return None
    try:
        return addresses.parse(mailbox)
    except AddressError:
        return None
