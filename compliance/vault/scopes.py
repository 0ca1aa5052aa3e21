"""Which data key a value is sealed under: the scope says what dies together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class KeyScope:
    """One data key of one owner; `expires_on` is the first day on which the key may be destroyed, None for never.

    The owner is an account's public id, or empty for what belongs to the installation.
    """

    owner: str
    name: str = ""
    expires_on: date | None = None


def standing(account: str) -> KeyScope:
    """For what lives as long as the account: settings, credentials, private keys."""
    return KeyScope(account)


def until(account: str, keep_until: datetime) -> KeyScope:
    """For content that nobody may need after keep_until: all that expires on the same UTC day shares a key."""
    day = keep_until.astimezone(UTC).date() + timedelta(days=1)
    return KeyScope(account, f"until:{day.isoformat()}", day)


def only_for(account: str, *, thing: str, public_id: str, keep_until: datetime) -> KeyScope:
    """For content of one thing, such as one send, which can be shredded alone and is not needed after keep_until.

    Asked for a later day, a thing gets a further key: nothing dies before its day.
    """
    day = until(account, keep_until).expires_on
    return KeyScope(account, f"{thing}:{public_id}:{day}", day)
