"""Authorizations for uses of protected data: recorded, revoked, and asked for each recipient as mail would leave.

45 CFR 164.508(a)(3): marketing needs one of every person, and one that states payment by others where there is some.
One that was signed for something else does not count (164.508(c)(1)(iv)).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q

from campaigns.errors import CampaignError
from compliance import audit
from compliance.approvals.quorum import NotAllowed, Person
from compliance.audit import Ref
from compliance.models import Authorization

RECORDING_ROLES = frozenset({"author", "compliance"})
_AT_ONCE = 500  # keys in a question: SQLite takes 250,000 values, and indexes are walked in pieces anyway


@dataclass(frozen=True, slots=True)
class Signed:
    """One authorization as it is recorded: whose (blind index of the address), and what the form says."""

    address_key: str
    reference: str
    signed_on: date
    expires_on: date | None = None
    is_paid: bool = False
    purpose: str = Authorization.Purpose.MARKETING


def record(account_id: int, signed: Sequence[Signed], *, owner: str, by: Person, now: datetime) -> int:
    """Keep authorizations; returns how many were not known yet. One known by its reference stays as it is.

    Raises NotAllowed, CampaignError `authorization.invalid`.
    """
    _check_role(by)
    if any(one.signed_on > now.date() or (one.expires_on and one.expires_on < one.signed_on) for one in signed):
        raise CampaignError(
            "authorization.invalid",
            "An authorization was signed in the past and ends after that.",
            action="Correct the dates.",
        )
    rows = [
        Authorization(
            account_id=account_id, address_key=one.address_key, reference=one.reference, is_paid=one.is_paid, purpose=one.purpose,
            signed_on=one.signed_on, expires_on=one.expires_on, recorded_by_id=by.id, recorded_at=now,
        )
        for one in signed
    ]  # fmt: skip
    with transaction.atomic():
        before = Authorization.objects.filter(account=account_id).count()
        Authorization.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_AT_ONCE)
        added = Authorization.objects.filter(account=account_id).count() - before
        _tell("authorization.recorded", owner=owner, by=by, count=added, now=now)
    return added


def revoke(account_id: int, *, address_key: str, owner: str, by: Person, now: datetime) -> int:
    """Somebody revoked what they signed (164.508(b)(5)): nothing leaves on it from now on; returns how many ended."""
    _check_role(by)
    with transaction.atomic():
        standing = Authorization.objects.filter(account=account_id, address_key=address_key, revoked_at=None)
        count = standing.update(revoked_at=now, revoked_by_id=by.id)
        if count:
            _tell("authorization.revoked", owner=owner, by=by, count=count, now=now)
    return count


def find_authorized(
    account_id: int, keys: Collection[str], *, is_paid: bool, is_marketing: bool = True, on: date
) -> set[str]:
    """Whose authorization for that use is in effect on that day, of these people; paid marketing needs one that says so."""
    purpose = Authorization.Purpose.MARKETING if is_marketing else Authorization.Purpose.OTHER
    rows = Authorization.objects.filter(Q(expires_on=None) | Q(expires_on__gte=on), account=account_id, revoked_at=None)
    rows = rows.filter(purpose=purpose)
    if is_paid:
        rows = rows.filter(is_paid=True)
    wanted, found = list(keys), set[str]()
    for start in range(0, len(wanted), _AT_ONCE):
        some = rows.filter(address_key__in=wanted[start : start + _AT_ONCE], signed_on__lte=on)
        found.update(some.values_list("address_key", flat=True))
    return found


def _check_role(by: Person) -> None:
    if not by.is_active or by.is_service or not by.roles & RECORDING_ROLES:
        raise NotAllowed(
            "approval.role-missing",
            "Your role does not allow this.",
            action="Ask the author or the compliance officer.",
        )


def _tell(action: str, *, owner: str, by: Person, count: int, now: datetime) -> None:
    actor, about = Ref("person", str(by.id)), Ref("account", owner)
    audit.record(action, owner=owner, actor=actor, about=about, data={"count": count}, now=now)
