"""The way out that keeps every mail in the house, for what must not leave it whichever way the account's mail goes."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from campaigns.models import Account, Transport

KIND = "sandbox"
_NAME = "Sandbox"


def find_sandbox(account: Account) -> Transport:
    """The account's sandbox: the first it has, or one made now that nothing else leaves by."""
    found = _first(account)
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return Transport.objects.create(account=account, name=_free_name(account), kind=KIND, is_pooled=False)
    except IntegrityError:
        # Somebody else made it at the same time.
        found = _first(account)
        if found is None:
            raise
        return found


def _first(account: Account) -> Transport | None:
    return Transport.objects.filter(account=account, kind=KIND).order_by("pk").first()


def _free_name(account: Account) -> str:
    taken = set(account.transports.values_list("name", flat=True))
    return next(name for number in range(len(taken) + 1) if (name := f"{_NAME} {number or ''}".strip()) not in taken)
