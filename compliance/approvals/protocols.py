"""Making what was approved in full a routine, and ending that (45 CFR 164.514(d)(3)(i))."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q

from campaigns.errors import CampaignError
from compliance.approvals import quorum, routine
from compliance.approvals.contributions import contributors_of
from compliance.approvals.ending import end_protocols
from compliance.approvals.quorum import NotAllowed, Person, Stakes
from compliance.approvals.states import State
from compliance.approvals.steps import lock_approval
from compliance.approvals.voting import has_quorum
from compliance.audit import SYSTEM, Ref, Value
from compliance.manifest import digest_of
from compliance.models import Approval, SendProtocol

# Reviewed at least once a year: a routine nobody looks at any more ends by itself.
MOST_DAYS = 365
_IN_FORCE = frozenset({State.APPROVED, State.SENDING, State.STOPPED, State.SENT})


def make_protocol(approval: Approval, *, days: int, by: Person, now: datetime) -> SendProtocol:
    """Let sends like this one, to as many people at most, leave with one approval for some days.

    Raises what check_may_make raises, and CampaignError `protocol.days`.
    """
    if not 1 <= days <= MOST_DAYS:
        raise CampaignError(
            "protocol.days", f"A protocol holds for 1 to {MOST_DAYS} days.", action="Choose fewer days."
        )
    try:
        with transaction.atomic():
            locked = lock_approval(approval.pk)
            end_protocols(Q(account=locked.account_id, ends_at__lte=now), because="time", actor=SYSTEM, now=now)
            check_may_make(locked, by=by)
            protocol = SendProtocol(
                account=locked.account, approval=locked, digest=routine.digest_of_routine(locked.manifest),
                most_recipients=locked.recipients, made_by_id=by.id, made_at=now, ends_at=now + timedelta(days=days),
            )  # fmt: skip
            routine.seal(protocol)
            protocol.save(force_insert=True)
            data: dict[str, Value] = {"digest": protocol.digest, "recipients": protocol.most_recipients, "days": days}
            routine.record("protocol.made", protocol, actor=_actor(by), data=data, now=now)
    except IntegrityError as error:
        raise _refusal(
            "standing", "Sends like this one are routine already.", "End the other protocol first, if it is too small."
        ) from error
    return protocol


def check_may_make(approval: Approval, *, by: Person) -> None:
    """Raises NotAllowed unless the person could have approved it, and CampaignError `protocol.not-approved`, `.no-use`."""
    # One person makes a routine of what several approved: not one who made it.
    quorum.check_may_approve(by, submitted_by=approval.submitted_by_id, contributions=contributors_of(approval))
    stakes = _stakes_of(approval)
    if approval.manifest["protocol"] is not None or approval.needed == 1 or quorum.needed_approvals(1, stakes) > 1:
        raise _refusal(
            "no-use",
            "For sends like this one a protocol changes nothing.",
            "It helps where the approval policy asks for more than one approval and nothing more is at stake.",
        )
    is_ours = digest_of(approval.manifest) == approval.digest and has_quorum(approval)
    if approval.state not in _IN_FORCE or not is_ours:
        raise _refusal("not-approved", "This send has not been approved in full.", "Wait until all have approved it.")


def end_protocol(protocol: SendProtocol, *, by: Person, now: datetime) -> bool:
    """From now on such sends take all approvals again; False when it was over. Raises NotAllowed.

    Without a second factor: it only makes things stricter.
    """
    if not may_end(by):
        raise NotAllowed(
            "approval.role-missing",
            "Your role does not allow this.",
            action="Ask an approver or the compliance officer.",
        )
    return bool(end_protocols(Q(pk=protocol.pk), because="ended", actor=_actor(by), by=by.id, now=now))


def may_end(by: Person) -> bool:
    """Whether the person's role ends protocols."""
    return by.is_active and not by.is_service and not by.is_superuser and bool(by.roles & quorum.APPROVING_ROLES)


def _stakes_of(approval: Approval) -> Stakes:
    manifest = approval.manifest
    has_overrides = any(hit["override_by"] for hit in manifest["scanner"]["hits"])
    return Stakes(manifest["legal_basis"], approval.recipients, has_overrides)


def _actor(by: Person) -> Ref:
    return Ref("person", str(by.id))


def _refusal(code: str, text: str, action: str) -> CampaignError:
    return CampaignError(f"protocol.{code}", text, action=action, status=409)
