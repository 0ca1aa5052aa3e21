"""What a program of a customer may say, from greeting to goodbye (RFC 5321, 6409, 4954, 3207, 2920, 3461, 6531)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.errors import AddressError, CampaignError
from campaigns.models import Lane
from campaigns.outbox.dsn_request import DsnRequest, Wish
from campaigns.outbox.finished import check_recipient
from campaigns.smtp import commands, dsn, replies
from campaigns.smtp.desk import SubmissionDesk
from campaigns.smtp.dialogue import Dialogue, MailRefused
from campaigns.smtp.intake import NotStored
from campaigns.smtp.login import Login
from campaigns.smtp.protocol import Entrance

_BEHIND_LOGIN = frozenset({"MAIL", "RCPT", "DATA"})
_PARAMETERS = frozenset({"SIZE", "BODY", "SMTPUTF8", "AUTH"})


@dataclass(slots=True, repr=False)
class Transaction:
    """What MAIL and RCPT have said so far."""

    sender: str
    smtputf8: bool
    envelope_id: str = ""
    recipients: list[Address] = field(default_factory=list)
    wishes: dict[str, Wish] = field(default_factory=dict)


class Conversation(Dialogue):
    """The submission service: nothing before the login, then mail of the account's own senders to anybody."""

    def __init__(self, desk: SubmissionDesk, entrance: Entrance) -> None:
        self._submissions = desk
        self._login = Login(desk, lane=entrance.lane)
        self._transaction: Transaction | None = None
        super().__init__(desk, entrance)

    def further_verbs(self) -> dict[str, Callable[[str], Awaitable[str]]]:
        return {"AUTH": self._auth, "MAIL": self._mail, "RCPT": self._rcpt, "DATA": self._data}

    def offers(self) -> list[str]:
        return [*(["AUTH LOGIN PLAIN"] if self._may_log_in else []), *(["DSN"] if self._tells_senders else [])]

    @property
    def _tells_senders(self) -> bool:
        # Notices are plain mail: of protected mail nobody is told that way.
        return self._entrance.lane == Lane.STANDARD

    @property
    def is_logged_in(self) -> bool:
        return self._login.caller is not None

    def forget_everything(self) -> None:
        self._login.caller = None
        super().forget_everything()

    def forget_transaction(self) -> None:
        self._transaction = None

    def refuse_early(self, verb: str) -> str:
        if verb not in _BEHIND_LOGIN or self.is_logged_in:
            return ""
        return replies.LOGIN_FIRST if self._may_log_in else replies.STARTTLS_FIRST

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
        known = _PARAMETERS | dsn.OF_MAIL if self._tells_senders else _PARAMETERS
        if refusal := self.check_parameters(path, known):
            return refusal
        envelope_id = dsn.read_of_mail(path.parameters)
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
        self._transaction = Transaction(address.mailbox, smtputf8, envelope_id)
        return replies.SENDER_OK

    async def _rcpt(self, argument: str) -> str:
        if self._transaction is None:
            return replies.NEED_MAIL
        return self.note_recipient(self._check_recipient(self._transaction, argument))

    def _check_recipient(self, transaction: Transaction, argument: str) -> str:
        # Of protected mail each recipient gets a mail of their own; clients hand in the others by another one.
        most = 1 if self._entrance.lane == Lane.HIPAA else self._desk.limits.recipients
        if len(transaction.recipients) >= most:
            return replies.TOO_MANY_RECIPIENTS
        path = commands.read_path(argument, keyword="TO")
        if not path.parameters.keys() <= (dsn.OF_RECIPIENT if self._tells_senders else frozenset()):
            return replies.PARAMETER_UNKNOWN
        wish = dsn.read_of_recipient(path.parameters)
        address = _parse(path.mailbox)
        if address is None:
            return replies.BAD_RECIPIENT
        if not (path.mailbox.isascii() or transaction.smtputf8):
            return replies.NEEDS_SMTPUTF8
        check_recipient(address)
        transaction.recipients.append(address)
        transaction.wishes.setdefault(address.normalized, wish)
        return replies.RECIPIENT_OK

    async def _data(self, argument: str) -> str:
        if argument:
            return replies.NO_ARGUMENTS
        if self._transaction is None:
            return replies.NEED_MAIL
        if not self._transaction.recipients:
            return replies.NEED_RECIPIENT
        transaction, self._transaction = self._transaction, None

        async def keep(raw: bytes) -> str:
            assert self._login.caller is not None
            try:
                message_id = await self._submissions.hand_in(
                    raw,
                    caller=self._login.caller,
                    recipients=transaction.recipients,
                    dsn=DsnRequest(transaction.sender, transaction.wishes, transaction.envelope_id),
                )
            except NotStored:
                raise MailRefused(replies.LATER) from None
            except CampaignError as error:
                await self._login.note_refusal(error)
                raise
            return replies.queued(message_id)

        return await self.read_data(keep)

    async def _vrfy(self, argument: str) -> str:
        if argument and not self.is_logged_in:
            return replies.LOGIN_FIRST
        return await super()._vrfy(argument)


def _parse(mailbox: str) -> Address | None:
    # Quoted local parts, routes and address literals are nobody's here (SU-03).
    if not mailbox or mailbox.startswith("@") or '"' in mailbox:
        return None
    try:
        return addresses.parse(mailbox)
    except AddressError:
        return None
