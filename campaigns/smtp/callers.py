"""Who is on the line: let in, and looked at again now and then as long as they stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from campaigns.accounts import keys
from campaigns.accounts.keys import Credential, CredentialLocked
from campaigns.accounts.lanes import require_door
from campaigns.accounts.refusals import note_refusal
from campaigns.errors import CampaignError
from campaigns.models import Account, Door, Lane, Purpose
from campaigns.outbox.finished import Origin, SendingRights, load_rights
from compliance import standing

LOOKED_AT_EVERY = 30.0  # seconds
DOORS = {Lane.STANDARD: "smtp", Lane.HIPAA: "hipaa-smtp"}
_CAPABILITIES = {Lane.STANDARD: "smtp.email", Lane.HIPAA: "hipaa.endpoint"}
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
    try:
        require_door(credential, lane, capability=_CAPABILITIES[lane])
        keys.require_scope(credential, *SCOPES)
    except CampaignError as error:
        note_refusal(credential, error, door=DOORS[lane])
        raise
    return Caller(credential, load_rights(credential.account), authorization)


def check_standing(caller: Caller, *, now: datetime) -> None:
    """Returns when the caller's protected mail would be taken now: asked before each mail. Raises CampaignError."""
    hold = standing.find_hold(caller.account.pk, now=now)
    if hold is not None:
        error = CampaignError(hold.code, hold.text, action=hold.action, status=403)
        note_refusal(caller.credential, error, door=DOORS[Lane.HIPAA])
        raise error


def look_again(caller: Caller, *, remote: str, lane: Lane, now: datetime) -> Caller:
    """The caller as things are now: keys are revoked and domains verified while they talk. Raises CampaignError."""
    try:
        return let_in(caller.authorization, remote=remote, lane=lane, now=now)
    except CredentialLocked:
        # Others guessed from the same address; who is inside already was not one of them.
        return caller
