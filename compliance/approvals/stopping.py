"""The emergency stop: within two seconds nothing of the HIPAA lane leaves any more, of one account or of all.

The flag is a row that workers look at every second: cheap, shared by all hosts, and in no cache that could be old.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from campaigns.errors import CampaignError
from compliance import audit
from compliance.approvals import quorum
from compliance.approvals.quorum import Person
from compliance.approvals.states import State, Step
from compliance.approvals.steps import lock_approval, take_step
from compliance.audit import Ref, Value
from compliance.models import Approval, Stop

REASONS = frozenset({"wrong-recipients", "wrong-content", "incident", "test", "other"})


class Stopped(CampaignError):
    """Everything stands still until the compliance officer lifts the stop."""

    def __init__(self) -> None:
        super().__init__(
            "hipaa.stopped",
            "All HIPAA sends are stopped.",
            action="The compliance officer can lift the stop.",
            status=409,
        )


def is_stopped(account_id: int) -> bool:
    """Whether a stop stands, of the account or of all: one look into a partial index."""
    return Stop.objects.filter(Q(account=account_id) | Q(account=None), lifted_at=None).exists()


def check_not_stopped(account_id: int) -> None:
    """Raises Stopped."""
    if is_stopped(account_id):
        raise Stopped


def order_stop(account_id: int | None, *, owner: str, by: Person, reason: str, now: datetime) -> Stop:
    """Stop at once: for any role that works with protected data, without a second factor, because seconds count.

    Of one account (with its public id as owner), or of all with None and ''. Raises NotAllowed, CampaignError
    `hipaa.stop-reason-unknown`.
    """
    may_stop = by.is_superuser or by.roles & quorum.STOPPING_ROLES
    if not by.is_active or by.is_service or not may_stop:
        raise _not_allowed()
    if reason not in REASONS:
        raise CampaignError("hipaa.stop-reason-unknown", "Say why.", action="Choose one of the reasons.")
    with transaction.atomic():
        stop = Stop.objects.create(account_id=account_id, reason=reason, ordered_by_id=by.id, ordered_at=now)
        stopped = _move(account_id, Step.STOP, of=State.SENDING)
        _tell("stop.ordered", stop, owner=owner, by=by, data={"reason": reason, "sends": stopped}, now=now)
    return stop


def lift_stop(stop: Stop, *, owner: str, by: Person, now: datetime) -> bool:
    """Let mail leave again: for the compliance officer, with a fresh second factor; False when somebody was first.

    Raises NotAllowed.
    """
    quorum.check_is_person(by, roles=quorum.LIFTING_ROLES)
    with transaction.atomic():
        standing = Stop.objects.filter(pk=stop.pk, lifted_at=None)
        if not standing.update(lifted_by_id=by.id, lifted_at=now):
            return False
        going = 0 if _still_stopped(stop.account_id) else _move(stop.account_id, Step.RESUME, of=State.STOPPED)
        _tell("stop.lifted", stop, owner=owner, by=by, data={"sends": going}, now=now)
    return True


def _tell(action: str, stop: Stop, *, owner: str, by: Person, data: Mapping[str, Value], now: datetime) -> None:
    actor, about = Ref("person", str(by.id)), Ref("stop", str(stop.pk))
    audit.record(action, owner=owner, actor=actor, about=about, data=data, now=now)


def _still_stopped(account_id: int | None) -> bool:
    standing = Stop.objects.filter(lifted_at=None)
    return standing.exists() if account_id is None else is_stopped(account_id)


def _move(account_id: int | None, step: Step, *, of: State) -> int:
    rows = Approval.objects.filter(state=of.value).order_by("pk")
    if account_id is not None:
        rows = rows.filter(account=account_id)
    count = 0
    for row in rows:
        locked = lock_approval(row.pk)
        if locked.state == of:
            take_step(locked, step)
            count += 1
    return count


def _not_allowed() -> quorum.NotAllowed:
    return quorum.NotAllowed(
        "approval.role-missing", "Your role does not allow this.", action="Call the compliance officer."
    )
