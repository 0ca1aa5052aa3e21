"""What any SMTP server of ours says: greeting, TLS, the order of commands, and taking a mail off the wire.

Who may send what to whom is a matter of the two kinds of conversation above this one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from django.db import DatabaseError

from campaigns.errors import CampaignError
from campaigns.smtp import commands, replies
from campaigns.smtp.commands import BadArgument
from campaigns.smtp.protocol import LineProtocol
from campaigns.smtp.wire import TooMuch

log = logging.getLogger(__name__)


class MailRefused(Exception):
    """The mail that is being received is not taken; `reply` says why."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class Dialogue(LineProtocol):
    """The commands every conversation knows (RFC 5321 §4.5.1, RFC 3207); each gives back its reply."""

    def __init__(self, *args: Any) -> None:
        self._greeting = ""
        self._refused = self._mails = 0
        super().__init__(*args)
        self._verbs: dict[str, Callable[[str], Awaitable[str]]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "STARTTLS": self._starttls, "RSET": self._rset, "NOOP": self._noop,
            "QUIT": self._quit, "HELP": self._help, "VRFY": self._vrfy, "EXPN": self._not_implemented,
            "BDAT": self._not_implemented, "TURN": self._not_implemented, "ETRN": self._not_implemented,
            **self.further_verbs(),
        }  # fmt: skip

    # --- What a kind of conversation says itself --------------------------------------------------------------------

    def further_verbs(self) -> dict[str, Callable[[str], Awaitable[str]]]:
        raise NotImplementedError

    def offers(self) -> list[str]:
        """What EHLO offers beyond what every one of ours does."""
        raise NotImplementedError

    def forget_transaction(self) -> None:
        raise NotImplementedError

    def refuse_early(self, verb: str) -> str:
        """Why this command is not even looked at, '' when it is."""
        del verb
        return ""

    # --- Commands ---------------------------------------------------------------------------------------------------

    @property
    def _greeted(self) -> bool:
        return bool(self._greeting)

    def forget_everything(self) -> None:
        self._greeting = ""
        self.forget_transaction()

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
        if refusal := self.refuse_early(verb):
            return refusal
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
        self._greeting = argument
        self.forget_transaction()
        offers = [
            self.hostname,
            "8BITMIME",
            f"SIZE {self._desk.limits.message_bytes}",
            *(["STARTTLS"] if self.tls_context and not self._is_encrypted else []),
            *self.offers(),
            "ENHANCEDSTATUSCODES",
            "PIPELINING",
            "SMTPUTF8",
        ]
        return "".join(f"250-{offer}\r\n" for offer in offers) + "250 OK"

    async def _helo(self, argument: str) -> str:
        if not argument:
            return replies.SYNTAX
        self._greeting = argument
        self.forget_transaction()
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

    def check_parameters(self, path: commands.Path, known: frozenset[str]) -> str:
        """Why the parameters of MAIL are refused, '' when they are not (RFC 1870, 6152, 6531)."""
        given = path.parameters
        if not given.keys() <= known:
            return replies.PARAMETER_UNKNOWN
        size = given.get("SIZE", "0")
        if not (size.isascii() and size.isdigit() and len(size) <= 20) or given.get("SMTPUTF8"):
            return replies.SYNTAX
        if given.get("BODY", "7BIT").upper() not in {"7BIT", "8BITMIME"}:
            return replies.SYNTAX
        return replies.TOO_LARGE if int(size) > self._desk.limits.message_bytes else ""

    def note_recipient(self, reply: str) -> str:
        """The reply to RCPT, or goodbye to those who only try out addresses."""
        if reply in {replies.RECIPIENT_OK, replies.TOO_MANY_RECIPIENTS}:
            self._since_mail -= 1
        if reply == replies.RECIPIENT_OK:
            return reply
        self._refused += 1
        return replies.TOO_MANY_FAULTS if self._refused > self._desk.limits.refused_recipients else reply

    async def read_data(self, keep: Callable[[bytes], Awaitable[str]]) -> str:
        """Say 354, read the mail, and the reply of `keep`, which may raise MailRefused."""
        taken = 0

        def take(count: int) -> bool:
            nonlocal taken
            is_room = self._desk.memory.take(count)
            taken += count if is_room else 0
            return is_room

        try:
            raw = await self._receive(take)
            reply = await keep(raw)
        except MailRefused as refused:
            return refused.reply
        finally:
            self._desk.memory.give_back(taken)
        self._mails += 1
        self._since_mail = 0
        return reply

    async def _receive(self, take: Callable[[int], bool]) -> bytes:
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
            raise MailRefused(replies.TOO_LARGE if is_room else replies.NO_ROOM) from None
        # The client waits for up to ten minutes now (RFC 5321 §4.5.3.2.6).
        self._reset_timeout(limits.data_seconds)
        return raw

    async def _rset(self, argument: str) -> str:
        if argument:
            return replies.NO_ARGUMENTS
        self.forget_transaction()
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
        return replies.VERIFY if argument else replies.SYNTAX

    async def _not_implemented(self, argument: str) -> str:
        del argument
        return replies.NOT_IMPLEMENTED
