"""How approvals end without anything being sent any more: void because something changed, expired, or done."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from compliance.approvals import quorum, routine, states
from compliance.approvals.quorum import Person
from compliance.approvals.states import State, Step
from compliance.approvals.steps import end_with, lock_approval, record_step
from compliance.audit import SYSTEM, Ref
from compliance.models import Approval, SendProtocol

# Why an approval is void. Each is a change of something it rests on.
REASONS = frozenset({
    "agreement-ended", "account-suspended", "domain-unverified", "edited", "integrity", "person-deactivated",
    "policy-changed", "protocol-ended", "relay-changed", "suppression-changed", "terms-changed", "withdrawn",
})  # fmt: skip


def void(approval: Approval, *, because: str, actor: Ref, now: datetime) -> bool:
    """End a live approval because what it rests on changed; False when it was over. It must be submitted anew."""
    assert because in REASONS
    with transaction.atomic():
        locked = lock_approval(approval.pk)
        if State(locked.state) in states.ENDED:
            return False
        end_with(locked, Step.VOID, because=because, now=now)
        # What is routine because of it is so no more.
        end_protocols(Q(approval=locked), because=because, actor=actor, now=now)
        record_step("approval.voided", locked, actor=actor, data={"because": because}, now=now)
    return True


def withdraw(approval: Approval, *, by: Person, now: datetime) -> bool:
    """Its author, or anybody who may submit, takes it back to change it; False when it was over. Raises NotAllowed."""
    if not by.is_active or by.is_service or not by.roles & quorum.SUBMITTING_ROLES:
        raise quorum.NotAllowed("approval.role-missing", "Your role does not allow this.", action="Ask its author.")
    return void(approval, because="withdrawn", actor=Ref("person", str(by.id)), now=now)


def void_live(*, because: str, actor: Ref, now: datetime, account_id: int | None = None, **which: Any) -> int:
    """Void every live approval of an account, or of all with these fields; returns how many."""
    wanted = Q(state__in=[state.value for state in states.LIVE], **which)
    if account_id is not None:
        wanted &= Q(account=account_id)
    rows = Approval.objects.filter(wanted).order_by("account__public_id", "pk")
    count = sum(void(row, because=because, actor=actor, now=now) for row in rows)
    if not which:
        theirs = Q() if account_id is None else Q(account=account_id)
        end_protocols(theirs, because=because, actor=actor, now=now)
    return count


def void_for_person(person_id: int, *, actor: Ref, now: datetime) -> int:
    """Somebody was deactivated: what they submitted or approved and has not begun is void; returns how many.

    So is what is routine because of them.
    """
    waiting = Q(state__in=[State.IN_REVIEW.value, State.APPROVED.value])
    theirs = Q(submitted_by=person_id) | Q(votes__voter=person_id)
    rows = Approval.objects.filter(waiting & theirs).order_by("account__public_id", "pk").distinct()
    count = sum(void(row, because="person-deactivated", actor=actor, now=now) for row in rows)
    rests = Q(made_by=person_id) | Q(approval__submitted_by=person_id) | Q(approval__votes__voter=person_id)
    end_protocols(rests, because="person-deactivated", actor=actor, now=now)
    return count


def end_protocols(which: Q, *, because: str, actor: Ref, by: int | None = None, now: datetime) -> int:
    """End these protocols of routine sends, and void what waits under them; returns how many. `by` who ended it by hand."""
    # By their keys: a condition on votes finds a row more than once.
    found = SendProtocol.objects.filter(which, ended_at=None).values("pk")
    rows = SendProtocol.objects.filter(pk__in=found).select_related("account", "approval__campaign")
    count = 0
    for row in rows.order_by("account__public_id", "pk"):
        with transaction.atomic():
            standing = SendProtocol.objects.filter(pk=row.pk, ended_at=None)
            if not standing.update(ended_at=now, ended_because=because, ended_by=by):
                continue
            # Before the trail is locked: whoever approves one holds its row and waits for the trail.
            runs = [lock_approval(run.pk) for run in routine.list_waiting(row)]
            routine.record("protocol.ended", row, actor=actor, data={"because": because}, now=now)
            for run in runs:
                void(run, because="protocol-ended", actor=actor, now=now)
        count += 1
    return count


def expire_due(*, now: datetime) -> int:
    """End what nobody reviewed, or nobody began to send, in time, and protocols that are over; returns how many approvals."""
    end_protocols(Q(ends_at__lte=now), because="time", actor=SYSTEM, now=now)
    late = Q(state=State.IN_REVIEW.value, review_until__lte=now) | Q(state=State.APPROVED.value, expires_at__lte=now)
    count = 0
    for row in Approval.objects.filter(late).order_by("account__public_id", "pk"):
        with transaction.atomic():
            locked = lock_approval(row.pk)
            if not is_late(locked, now=now):
                continue
            end_with(locked, Step.EXPIRE, because="time", now=now)
            record_step("approval.expired", locked, actor=SYSTEM, now=now)
        count += 1
    return count


def is_late(approval: Approval, *, now: datetime) -> bool:
    """Whether its time is over: that for a review, or that between approval and start."""
    if approval.state == State.IN_REVIEW:
        return approval.review_until <= now
    return approval.state == State.APPROVED and (approval.expires_at is None or approval.expires_at <= now)


def finish(approval: Approval, *, now: datetime) -> bool:
    """Everything approved has been handed over or has ended; False when it was not sending."""
    with transaction.atomic():
        locked = lock_approval(approval.pk)
        if states.after(State(locked.state), Step.FINISH) is None:
            return False
        end_with(locked, Step.FINISH, because="sent", now=now)
        record_step("approval.finished", locked, actor=SYSTEM, now=now)
    return True
