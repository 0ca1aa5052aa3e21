"""People who followed a link that was mailed to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaigns import tokens
from campaigns.errors import NotFound
from campaigns.models import Account
from campaigns.planning.notices import Act


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who reads the mail of this address, and what they came for."""

    account: Account
    address_key: str
    act: Act


def read_person(token: str, *, now: datetime) -> Person:
    """The person behind the token of a confirmation; raises NotFound when it is not ours or its time is over."""
    claim = tokens.read_personal_token(token, now=now.timestamp())
    account = Account.objects.filter(pk=claim.account_id).first() if claim else None
    if claim is None or account is None or claim.act not in set(Act):
        raise NotFound("page")
    return Person(account, claim.address_key, Act(claim.act))
