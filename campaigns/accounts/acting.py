"""Somebody who acts on protected mail, as approvals know people: roles in the account, and a second factor's age."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase

from campaigns.accounts.second_factor import find_moment
from campaigns.models import Account, Membership
from compliance.approvals.quorum import Person


def act_as(user: AbstractBaseUser | AnonymousUser, account: Account, *, session: SessionBase, now: datetime) -> Person:
    """The signed-in person in this account; nobody in particular has no role in it, and may do nothing."""
    known: Any = user
    roles = Membership.objects.filter(user=user.pk, account=account).values_list("role", flat=True)
    used = find_moment(session)
    return Person(
        id=user.pk or 0,
        roles=frozenset(roles),
        factor_age=None if used is None else now - used,
        is_superuser=known.is_superuser,
        is_active=bool(known.is_active),
    )
