"""What people signed and took back, kept twice: as the authorization it was, and as whom not to write to.

A revocation counts also for what is recorded later and was signed before it (45 CFR 164.508(b)(5)); a new signature ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction

from campaigns.audiences import suppression
from campaigns.models import Account, Suppression, SuppressionReason, SuppressionScope
from compliance import authorizations
from compliance.approvals.quorum import Person
from compliance.authorizations import Signed

_AT_ONCE = 500
_SIGNED_ANEW = "They signed a new authorization."


def record_authorizations(
    account: Account, signed: Sequence[Signed], *, by: Person, user: AbstractBaseUser | AnonymousUser, now: datetime
) -> int:
    """Keep authorizations, and end the revocations of whom signed on a later day; raises what authorizations.record raises."""
    with transaction.atomic():
        added = authorizations.record(account.pk, signed, owner=str(account.public_id), by=by, now=now)
        latest: dict[str, Signed] = {}
        for one in sorted(signed, key=lambda each: each.signed_on):
            latest[one.address_key] = one
        revoked = account.suppressions.filter(reason=SuppressionReason.REVOKED_AUTH)
        keys = list(latest)
        for start in range(0, len(keys), _AT_ONCE):
            rows = revoked.filter(address_key__in=keys[start : start + _AT_ONCE])
            over = [row.pk for row in rows if row.created_at.date() < latest[row.address_key].signed_on]
            suppression.lift_many(Suppression.objects.filter(pk__in=over), note=_SIGNED_ANEW, by=user)
    return added


def revoke_authorizations(
    account: Account, *, address_key: str, by: Person, user: AbstractBaseUser | AnonymousUser, now: datetime
) -> int:
    """Somebody revoked what they signed: no marketing from now on; returns how many authorizations ended. Raises NotAllowed."""
    with transaction.atomic():
        owner = str(account.public_id)
        ended = authorizations.revoke(account.pk, address_key=address_key, owner=owner, by=by, now=now)
        suppression.suppress(
            account,
            address_key=address_key,
            scope=SuppressionScope.MARKETING,
            reason=SuppressionReason.REVOKED_AUTH,
            by=user,
        )
    return ended
