"""What ends with a person's access (45 CFR 164.308(a)(3)(ii)(C)): sessions, their keys, their say in approvals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.accounts import person_trail, sessions
from campaigns.accounts.keys import revoke_key
from campaigns.models import Account, ApiKey, KeptDraft, Membership
from compliance.approvals import ending
from compliance.audit import Ref


@dataclass(frozen=True, slots=True)
class Ended:
    """What was ended, in numbers, and what the person could reach until then, a phrase for each role."""

    sessions: int
    keys: int
    approvals: int
    reach: tuple[str, ...]


def deactivate(user: User, *, by: User, now: datetime) -> Ended:
    """The person may not sign in any more, and nothing of theirs goes on working.

    People are deactivated, not deleted: the audit trail goes on naming them (164.312(a)(2)(i)), and each account's keeps
    the roles they had there.
    """
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=False)
        keys = list(ApiKey.objects.filter(created_by=user, revoked_at=None))
        for key in keys:
            revoke_key(key, by=by)
        KeptDraft.objects.filter(user=user).delete()
        voided = ending.void_for_person(user.pk, actor=Ref("person", str(by.pk)), now=now)
        rows = list(Membership.objects.filter(user=user).select_related("account").order_by("account__name", "role"))
        ended = Ended(sessions.end_sessions(user), len(keys), voided, _describe_reach(user, rows))
        data = {"sessions": ended.sessions, "keys": ended.keys, "approvals": ended.approvals}
        for owner in person_trail.owners_of(user):
            # An account's officer learns of the roles in that account; the installation's chain of all of them.
            roles = [row.role for row in rows if owner in {"", str(row.account.public_id)}]
            person_trail.note("person.deactivated", user, by=by, data={**data, "roles": roles}, owners=(owner,))
    return ended


def _describe_reach(user: User, rows: list[Membership]) -> tuple[str, ...]:
    everything = ("everything, as a superuser",) if user.is_superuser else ()
    return (*everything, *(f"{row.account} as {row.get_role_display().lower()}" for row in rows))


def take_role(user: User, *, account: Account, role: str, by: User, session_key: str | None = None) -> None:
    """Tell of a role that was taken; the person signs in anew, so no page of theirs rests on it any longer."""
    with transaction.atomic():
        sessions.end_sessions(user, but=session_key)
        _tell("person.role-taken", user, account=account, role=role, by=by)


def give_role(user: User, *, account: Account, role: str, by: User) -> None:
    """Tell of a role that was given."""
    _tell("person.role-given", user, account=account, role=role, by=by)


def _tell(action: str, user: User, *, account: Account, role: str, by: User) -> None:
    person_trail.note(action, user, by=by, data={"role": role}, owners=(str(account.public_id),))
