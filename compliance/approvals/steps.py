"""Taking a step: the only place that writes an approval's state."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaigns.errors import CampaignError
from compliance import audit
from compliance.approvals import states
from compliance.approvals.states import State, Step
from compliance.audit import Ref, Value
from compliance.models import Approval


class NotNow(CampaignError):
    """The approval is in another state than the step needs: somebody else was first, or it is over."""

    def __init__(self) -> None:
        super().__init__(
            "approval.not-now",
            "This approval has moved on since you looked at it.",
            action="Load the page again.",
            status=409,
        )


def lock_approval(pk: int) -> Approval:
    """The approval as it is now, nobody else's to change until the transaction ends."""
    return Approval.objects.select_for_update(of=("self",)).select_related("account", "campaign").get(pk=pk)


def take_step(approval: Approval, step: Step, **changes: Any) -> None:
    """Change the state in the database and in hand; raises NotNow when it cannot be taken from where the row is."""
    following = states.after(State(approval.state), step)
    rows = Approval.objects.filter(pk=approval.pk, state=approval.state)
    if following is None or not rows.update(state=following.value, **changes):
        raise NotNow
    approval.state = following.value
    for name, value in changes.items():
        setattr(approval, name, value)


def end_with(approval: Approval, step: Step, *, because: str, now: datetime) -> None:
    """A step that ends an approval, with the reason; raises NotNow."""
    take_step(approval, step, ended_at=now, ended_because=because)


def record_step(
    action: str, approval: Approval, *, actor: Ref, data: Mapping[str, Value] | None = None, now: datetime
) -> None:
    """Tell the audit trail of the account."""
    audit.record(
        action,
        owner=str(approval.account.public_id),
        actor=actor,
        about=Ref("approval", str(approval.public_id)),
        data={"campaign": str(approval.campaign.public_id), "revision": approval.revision, **(data or {})},
        now=now,
    )
