"""AUTH: PLAIN and LOGIN, with slower answers to those who guess (RFC 4954, 4616; SU-02, evil input 33)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from django.db import DatabaseError
from django.utils import timezone

from campaigns.accounts.refusals import note_refusal
from campaigns.errors import CampaignError
from campaigns.models import Lane
from campaigns.smtp import callers, commands, replies
from campaigns.smtp.callers import Caller
from campaigns.smtp.commands import BadArgument
from campaigns.smtp.desk import Desk
from campaigns.smtp.wire import LineTooLong

Challenge = Callable[[str], Awaitable[bytes]]
"""Says `334` and the prompt, and gives back the line that comes; raises LineTooLong."""


class Login:
    """The tries of one connection to log in."""

    def __init__(self, desk: Desk, *, lane: Lane) -> None:
        self._desk, self._lane = desk, lane
        self._wrong = 0
        self.caller: Caller | None = None
        self._looked_at = 0.0

    async def log_in(self, argument: str, *, remote: str, challenge: Challenge) -> str:
        """The reply to `AUTH argument`; `caller` is set when it lets in."""
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() not in {"PLAIN", "LOGIN"}:
            return replies.NO_SUCH_MECHANISM if mechanism else replies.SYNTAX
        try:
            name, password = await _read(mechanism.upper(), initial, challenge)
        except (BadArgument, LineTooLong):
            return replies.BAD_BASE64
        except _Cancelled:
            return replies.CANCELLED
        return await self._try(commands.write_authorization(name, password), remote=remote)

    async def _try(self, authorization: str, *, remote: str) -> str:
        let_in = partial(callers.let_in, authorization, remote=remote, lane=self._lane, now=timezone.now())
        try:
            self.caller = await self._desk.ask(let_in)
        except CampaignError as error:
            self._wrong += 1
            limits = self._desk.limits
            await asyncio.sleep(limits.pause_after_wrong_login * 2 ** (self._wrong - 1))
            if self._wrong >= limits.wrong_logins:
                return replies.TOO_MANY_FAULTS
            return replies.WRONG_LOGIN if error.code == "key.refused" else replies.say(error)
        except DatabaseError:
            return replies.LOGIN_LATER
        self._looked_at = asyncio.get_running_loop().time()
        return replies.LET_IN

    async def is_still_welcome(self, *, remote: str) -> bool:
        """Looks again after a while: a key may have been revoked, a domain verified. Raises DatabaseError."""
        now = asyncio.get_running_loop().time()
        if self.caller is None or now - self._looked_at < callers.LOOKED_AT_EVERY:
            return self.caller is not None
        look = partial(callers.look_again, self.caller, remote=remote, lane=self._lane, now=timezone.now())
        try:
            self.caller = await self._desk.ask(look)
        except CampaignError:
            self.caller = None
            return False
        self._looked_at = now
        return True

    async def check_standing(self) -> None:
        """In the HIPAA lane, before each mail: raises CampaignError while the account's mail stands still."""
        if self._lane == Lane.HIPAA and self.caller is not None:
            await self._desk.ask(partial(callers.check_standing, self.caller, now=timezone.now()))

    async def note_refusal(self, error: CampaignError) -> None:
        """Keep that a mail of the HIPAA lane was refused."""
        if self._lane == Lane.HIPAA and self.caller is not None:
            note = partial(note_refusal, self.caller.credential, error, door=callers.DOORS[self._lane])
            await self._desk.ask(note)


class _Cancelled(Exception):
    """The client gave up."""


async def _read(mechanism: str, initial: str, challenge: Challenge) -> tuple[bytes, bytes]:
    if mechanism == "PLAIN":
        return commands.read_plain(commands.decode_login(initial) if initial else await _answer(challenge, ""))
    # "Username:" and "Password:"; clients look at these very letters (SU-02).
    name = commands.decode_login(initial) if initial else await _answer(challenge, "VXNlcm5hbWU6")
    return name, await _answer(challenge, "UGFzc3dvcmQ6")


async def _answer(challenge: Challenge, prompt: str) -> bytes:
    line = await challenge(prompt)
    if line == b"*":
        raise _Cancelled
    return commands.decode_login(line.decode("latin-1").strip())
