"""What mail servers of the world may say to us: mail for our own addresses, and nothing else (RFC 5321, 3207, 7505).

Nobody logs in here and nothing is ever passed on to where a stranger wants it: who takes an address is decided at RCPT, and
an address nobody takes is refused before there is any mail (SU-03).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from campaigns import addresses
from campaigns.errors import AddressError
from campaigns.inbound.places import Place
from campaigns.inbound.reception import Envelope
from campaigns.smtp import commands, replies
from campaigns.smtp.desk import InboundDesk
from campaigns.smtp.dialogue import Dialogue
from campaigns.smtp.protocol import Entrance

_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8"})
# Whatever is written there, it is only kept: mail comes from quoted names, from address literals and from routes, too.
_SENDER = re.compile(r"(?:@[^\s<>@:]{1,255}:)?([^\x00-\x20\x7f<>]{1,64}@[^\x00-\x20\x7f<>@]{1,255})|")


@dataclass(slots=True, repr=False)
class Transaction:
    """What MAIL and RCPT have said so far."""

    sender: str
    smtputf8: bool
    places: list[tuple[str, Place]] = field(default_factory=list)


class InboundConversation(Dialogue):
    """Our own mail exchanger."""

    def __init__(self, desk: InboundDesk, entrance: Entrance) -> None:
        self._inbound = desk
        self._transaction: Transaction | None = None
        super().__init__(desk, entrance)

    def further_verbs(self) -> dict[str, Callable[[str], Awaitable[str]]]:
        return {"AUTH": self._not_implemented, "MAIL": self._mail, "RCPT": self._rcpt, "DATA": self._data}

    def offers(self) -> list[str]:
        return []

    @property
    def is_logged_in(self) -> bool:
        # Nobody has to: the time of silence counts, not that for a login.
        return True

    def forget_transaction(self) -> None:
        self._transaction = None

    async def _mail(self, argument: str) -> str:
        if not self._greeted:
            return replies.GREET_FIRST
        if self._transaction is not None:
            return replies.NOT_NOW
        if self._mails >= self._desk.limits.mails:
            return replies.TOO_MANY_MAILS
        path = commands.read_path(argument, keyword="FROM")
        if refusal := self.check_parameters(path, _PARAMETERS):
            return refusal
        found = _SENDER.fullmatch(path.mailbox)
        if found is None:
            return replies.BAD_SENDER
        smtputf8 = "SMTPUTF8" in path.parameters
        if not (path.mailbox.isascii() or smtputf8):
            return replies.NEEDS_SMTPUTF8
        self._transaction = Transaction(found[1] or "", smtputf8)
        return replies.SENDER_OK

    async def _rcpt(self, argument: str) -> str:
        if self._transaction is None:
            return replies.NEED_MAIL
        return self.note_recipient(await self._check_recipient(self._transaction, argument))

    async def _check_recipient(self, transaction: Transaction, argument: str) -> str:
        if len(transaction.places) >= self._desk.limits.recipients:
            return replies.TOO_MANY_RECIPIENTS
        path = commands.read_path(argument, keyword="TO")
        if path.parameters:
            return replies.PARAMETER_UNKNOWN
        if not (path.mailbox.isascii() or transaction.smtputf8):
            return replies.NEEDS_SMTPUTF8
        mailbox = _own_address(path.mailbox)
        place = await self._inbound.find_place(mailbox) if mailbox else None
        if place is None:
            return replies.NOT_OURS
        if mailbox not in dict(transaction.places):
            transaction.places.append((mailbox, place))
        return replies.RECIPIENT_OK

    async def _data(self, argument: str) -> str:
        if argument:
            return replies.NO_ARGUMENTS
        if self._transaction is None:
            return replies.NEED_MAIL
        if not self._transaction.places:
            return replies.NEED_RECIPIENT
        transaction, self._transaction = self._transaction, None
        envelope = Envelope(
            mail_from=transaction.sender,
            helo=self._greeting[:255],
            remote=self._remote,
            is_encrypted=self._is_encrypted,
        )

        async def keep(raw: bytes) -> str:
            await self._inbound.take_in(raw, envelope=envelope, places=transaction.places)
            return replies.TAKEN

        return await self.read_data(keep)


def _own_address(mailbox: str) -> str:
    """The address as we would write it; '' for one that only a server that passes mail on could take (SU-03)."""
    if not mailbox or mailbox[0] == "@" or '"' in mailbox or not {"%", "!"}.isdisjoint(mailbox.rpartition("@")[0]):
        return ""
    try:
        return addresses.parse(mailbox).mailbox
    except AddressError:
        return ""
