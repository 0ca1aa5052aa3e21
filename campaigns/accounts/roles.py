"""What each role may do."""

from __future__ import annotations

from enum import Enum

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from campaigns.models import Account, Membership, Role


class Right(Enum):
    """Something a person may do in an account."""

    VIEW = "view"
    COMPOSE = "compose"
    IMPORT = "import"
    SEND = "send"
    MANAGE_DOMAINS = "manage-domains"
    MANAGE_SUPPRESSIONS = "manage-suppressions"
    MANAGE_KEYS = "manage-keys"
    MANAGE_WEBHOOKS = "manage-webhooks"
    MANAGE_INBOUND = "manage-inbound"
    # What people write to the account is nobody's business who only watches figures.
    READ_INBOUND = "read-inbound"
    READ_MAIL = "read-mail"


RIGHTS: dict[Role, frozenset[Right]] = {
    Role.AUTHOR: frozenset({Right.VIEW, Right.COMPOSE, Right.IMPORT, Right.SEND, Right.READ_INBOUND}),
    Role.APPROVER: frozenset({Right.VIEW, Right.SEND}),
    Role.COMPLIANCE: frozenset({Right.VIEW, Right.MANAGE_SUPPRESSIONS, Right.READ_MAIL}),
    Role.OPERATOR: frozenset(Right),
    Role.AUDITOR: frozenset({Right.VIEW}),
    Role.VIEWER: frozenset({Right.VIEW}),
}
_ALL = frozenset(Right)
_NONE: frozenset[Right] = frozenset()


def rights_in(user: AbstractBaseUser | AnonymousUser, account: Account) -> frozenset[Right]:
    """What the person may do in the account: everything for a superuser, what their roles add up to for a member."""
    if not user.is_authenticated or not user.is_active:
        return _NONE
    if getattr(user, "is_superuser", False):
        return _ALL
    return rights_by_account(user).get(account.pk, _NONE)


def rights_by_account(user: AbstractBaseUser | AnonymousUser) -> dict[int, frozenset[Right]]:
    """What a member's roles add up to in each of their accounts, by primary key, in one query."""
    rights: dict[int, frozenset[Right]] = {}
    for account_id, role in Membership.objects.filter(user=user.pk).values_list("account_id", "role"):
        # A role this table does not know gives nothing.
        rights[account_id] = rights.get(account_id, _NONE) | (RIGHTS[Role(role)] if role in Role else _NONE)
    return rights
