"""Who is on the line: let in, and looked at again now and then as long as they stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from campaigns.accounts import keys
from campaigns.accounts.keys import Credential, CredentialLocked
from campaigns.accounts.lanes import require_door
from campaigns.models import Account, Door, Lane, Purpose
from campaigns.outbox.finished import Origin, SendingRights, load_rights

LOOKED_AT_EVERY = 30.0  # seconds
SCOPES = ("message:send", "email:message:send")


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that was let in, and what its account may do."""

    credential: Credential
    rights: SendingRights
    authorization: str = field(repr=False)

    @property
    def account(self) -> Account:
        return self.credential.account

    @property
    def origin(self) -> Origin:
        purpose: Purpose = self.credential.purpose
        return Origin(self.account, Door.SMTP, purpose, self.credential.lane)


def let_in(authorization: str, *, remote: str, lane: Lane, now: datetime) -> Caller:
    """The caller with these credentials, at the door of this lane; raises CampaignError."""
    credential = keys.authenticate(authorization, remote=remote, now=now)
    require_door(credential, lane)
    keys.require_scope(credential, *SCOPES)
    return Caller(credential, load_rights(credential.account), authorization)


def look_again(caller: Caller, *, remote: str, lane: Lane, now: datetime) -> Caller:
    """The caller as things are now: keys are revoked and domains verified while they talk. Raises CampaignError."""
    try:
        return let_in(caller.authorization, remote=remote, lane=lane, now=now)
    except CredentialLocked:
        # Others guessed from the same address; who is inside already was not one of them.
        return caller
