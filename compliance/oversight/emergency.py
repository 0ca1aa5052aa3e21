"""Emergency access (45 CFR 164.312(a)(2)(ii)): for two hours somebody is compliance officer of an account.

It opens at once, for anybody who works with protected mail there, because an emergency does not wait for an officer;
it shows on the officers' screens from that moment on and is told them by mail, ends by itself, and another person reviews
it within a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from campaigns.errors import CampaignError
from campaigns.models import Account, Membership, Role
from compliance import audit, vault
from compliance.approvals import quorum
from compliance.approvals.quorum import NotAllowed, Person
from compliance.audit import SYSTEM, Ref
from compliance.models import EmergencyAccess
from compliance.oversight import alerts

LASTS = timedelta(hours=2)
REVIEW_WITHIN = timedelta(hours=24)
SHORTEST_REASON = 20
OPENING_ROLES = frozenset({"author", "approver", "operator"})


def open_access(account: Account, *, reason: str, by: Person, now: datetime) -> EmergencyAccess:
    """Give the person the officer's role for two hours; raises NotAllowed, CampaignError `emergency.…`."""
    quorum.check_is_person(by, roles=OPENING_ROLES)
    if len(reason.strip()) < SHORTEST_REASON:
        raise CampaignError(
            "emergency.reason-missing", f"Say why, in {SHORTEST_REASON} characters or more.", action="Name no patient."
        )
    with transaction.atomic():
        # The account's row is the lock: pressing twice opens once.
        Account.objects.select_for_update().get(pk=account.pk)
        _close_ended(account, now=now)
        if (
            "compliance" in by.roles
            or Membership.objects.filter(account=account, user=by.id, role=Role.COMPLIANCE).exists()
        ):
            raise CampaignError(
                "emergency.not-needed", "You are compliance officer already.", action="Go on without it.", status=409
            )
        access = EmergencyAccess(account=account, person_id=by.id, opened_at=now, until=now + LASTS)
        access.reason_sealed = vault.seal(reason.strip().encode(), **_context(access, account))
        access.save(force_insert=True)
        Membership.objects.create(user_id=by.id, account=account, role=Role.COMPLIANCE, ends_at=access.until)
        _tell("breakglass.opened", access, actor=Ref("person", str(by.id)), now=now)
    # After the commit: whether a mail can be written decides nothing.
    alerts.tell_of_emergency(access, now=now)
    return access


def close_access(access: EmergencyAccess, *, by: Person, now: datetime) -> bool:
    """End it before its time: the person themself or an officer; False when it was over. Raises NotAllowed."""
    if by.id != access.person_id and "compliance" not in by.roles and not by.is_superuser:
        raise NotAllowed(
            "approval.role-missing", "Your role does not allow this.", action="Ask the compliance officer."
        )
    return _close(access, actor=Ref("person", str(by.id)), now=now)


def close_ended(*, now: datetime) -> int:
    """Write down the end of what is over; the access itself ended by the clock. Returns how many."""
    over = EmergencyAccess.objects.filter(closed_at=None, until__lte=now).select_related("account")
    return sum(_close(access, actor=SYSTEM, now=now) for access in over)


def review(access: EmergencyAccess, *, was_right: bool, by: Person, now: datetime) -> None:
    """Another officer's judgement afterwards; raises NotAllowed, CampaignError `emergency.reviewed`."""
    quorum.check_is_person(by, roles={"compliance"})
    # An officer for two hours judges nobody's emergency, least of all their own.
    is_lasting = Membership.objects.filter(
        account=access.account_id, user=by.id, role=Role.COMPLIANCE, ends_at=None
    ).exists()
    if by.id == access.person_id or not is_lasting:
        raise NotAllowed(
            "approval.own-send", "Nobody reviews their own emergency access.", action="Ask another compliance officer."
        )
    with transaction.atomic():
        waiting = EmergencyAccess.objects.filter(pk=access.pk, reviewed_at=None)
        if not waiting.update(reviewed_by=by.id, reviewed_at=now, was_right=was_right):
            raise CampaignError("emergency.reviewed", "Somebody has reviewed this.", action="Load the page again.")
        data = {"was_right": was_right}
        _tell("breakglass.reviewed", access, actor=Ref("person", str(by.id)), now=now, data=data)


def read_reason(access: EmergencyAccess) -> str:
    """What the person wrote; raises SealBroken, KeysUnavailable."""
    return vault.unseal(bytes(access.reason_sealed), **_context(access, access.account)).decode()


def _close_ended(account: Account, *, now: datetime) -> None:
    for access in EmergencyAccess.objects.filter(account=account, closed_at=None, until__lte=now):
        _close(access, actor=SYSTEM, now=now)


def _close(access: EmergencyAccess, *, actor: Ref, now: datetime) -> bool:
    with transaction.atomic():
        if not EmergencyAccess.objects.filter(pk=access.pk, closed_at=None).update(closed_at=min(now, access.until)):
            return False
        Membership.everything.filter(
            account=access.account_id, user=access.person_id, role=Role.COMPLIANCE, ends_at=access.until
        ).delete()
        _tell("breakglass.closed", access, actor=actor, now=now)
    return True


def _tell(
    action: str, access: EmergencyAccess, *, actor: Ref, now: datetime, data: Mapping[str, audit.Value] | None = None
) -> None:
    owner = str(access.account.public_id)
    about = Ref("emergency-access", str(access.public_id))
    audit.record(
        action, owner=owner, actor=actor, about=about, data={"person": access.person_id, **(data or {})}, now=now
    )


def _context(access: EmergencyAccess, account: Account) -> dict[str, str]:
    return {
        "account": str(account.public_id), "thing": "emergency-access", "id": str(access.public_id), "field": "reason",
    }  # fmt: skip
