"""What people do at the door, in the audit trail: of every account under an agreement they work in.

An account's officer reviews its trail every week, and signing in belongs there. For everybody else it is the
installation's.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from campaigns.models import BaaStatus, Membership
from compliance import audit
from compliance.audit import SYSTEM, Ref, Value


def note(
    action: str,
    user: AbstractBaseUser | None,
    *,
    by: AbstractBaseUser | None = None,
    data: Mapping[str, Value] | None = None,
    owners: tuple[str, ...] | None = None,
) -> None:
    """Record it, together with what else the transaction changes; nobody known is `None`, and by is the person themself."""
    actor = _ref(by or user)
    with transaction.atomic():
        # In one order, so that two who write to the same chains never wait for each other.
        for owner in owners_of(user) if owners is None else sorted(owners):
            audit.record(action, owner=owner, actor=actor, about=_ref(user), data=data)


def owners_of(user: AbstractBaseUser | None) -> tuple[str, ...]:
    """The chains that tell of a person, in their order; the installation's alone when no agreement is concerned."""
    under = Membership.objects.filter(user=user.pk if user else None).exclude(account__baa_status=BaaStatus.NONE)
    return tuple(sorted({str(public_id) for public_id in under.values_list("account__public_id", flat=True)})) or ("",)


def _ref(user: AbstractBaseUser | None) -> Ref:
    return SYSTEM if user is None else Ref("person", str(user.pk))
