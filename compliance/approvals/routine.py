"""What makes a send routine: a protocol that stands, for all that stays the same and no more people (45 CFR 164.514(d)(3)).

A protocol only lowers how many approve. The send is still made, checked, attested, pinned and approved by somebody who had
no hand in it; compliance.approvals.protocols makes and ends them.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from compliance import audit
from compliance.approvals import quorum
from compliance.approvals.quorum import Stakes
from compliance.approvals.states import State
from compliance.audit import Ref, Value
from compliance.audit.chain import write_moment
from compliance.manifest import canonical_json, digest_of
from compliance.models import Approval, SendProtocol
from compliance.vault import derived

# All else in a manifest stays the same, whatever is added to it one day. `terms` hold from which row on names looked shifted:
# a file of that kind is no routine.
_VARIES = frozenset({"campaign", "protocol", "recipients", "schedule"})
_PURPOSE = "send protocol"


def digest_of_routine(manifest: Mapping[str, Any]) -> str:
    """Stands for what two sends share that differ in their recipients and their time only."""
    return digest_of({name: part for name, part in manifest.items() if name not in _VARIES})


def find_protocol(
    account_id: int, manifest: Mapping[str, Any], *, needed: int, stakes: Stakes, now: datetime
) -> SendProtocol | None:
    """The protocol that lets one approval do; None where one does anyhow, and where more is at stake."""
    if needed == 1 or quorum.needed_approvals(1, stakes) > 1:
        return None
    found = SendProtocol.objects.filter(
        account=account_id, digest=digest_of_routine(manifest), most_recipients__gte=stakes.recipients, ended_at=None
    ).first()
    return found if found is not None and stands(found, now=now) else None


def stands(protocol: SendProtocol, *, now: datetime) -> bool:
    """Whether sends may run under it now, and it is one we made."""
    is_ours = hmac.compare_digest(_make_code(protocol).encode(), protocol.mac.encode())
    return is_ours and protocol.ended_at is None and protocol.made_at <= now < protocol.ends_at


def protocol_of(approval: Approval) -> SendProtocol | None:
    """The protocol this approval runs under, None for one that takes all approvals."""
    public_id = approval.manifest.get("protocol")
    rows = SendProtocol.objects.filter(account=approval.account_id).select_related("approval__campaign", "made_by")
    return rows.filter(public_id=public_id).first() if public_id else None


def still_holds(approval: Approval, *, now: datetime) -> bool:
    """Whether an approval that has not begun has all it rests on: its protocol, if it runs under one."""
    if approval.manifest["protocol"] is None:
        return True
    protocol = protocol_of(approval)
    return protocol is not None and stands(protocol, now=now)


def list_waiting(protocol: SendProtocol) -> list[Approval]:
    """What runs under it and has not begun; what has begun was approved while it stood."""
    waiting = Approval.objects.filter(
        account=protocol.account_id, state__in=[State.IN_REVIEW.value, State.APPROVED.value]
    )
    return list(waiting.filter(manifest__protocol=str(protocol.public_id)).order_by("pk"))


def seal(protocol: SendProtocol) -> None:
    """Fill in its code; all that it covers is set."""
    protocol.mac = _make_code(protocol)


def record(action: str, protocol: SendProtocol, *, actor: Ref, data: Mapping[str, Value], now: datetime) -> None:
    """Tell the audit trail of the account, beside the send it comes from."""
    approval = protocol.approval
    about = Ref("protocol", str(protocol.public_id))
    known = {"campaign": str(approval.campaign.public_id), "approval": str(approval.public_id)}
    audit.record(
        action, owner=str(protocol.account.public_id), actor=actor, about=about, data={**known, **data}, now=now
    )


def _make_code(protocol: SendProtocol) -> str:
    covered = canonical_json({
        "v": 1,
        "protocol": str(protocol.public_id),
        "account": protocol.account_id,
        "approval": protocol.approval_id,
        "digest": protocol.digest,
        "most": protocol.most_recipients,
        "by": protocol.made_by_id,
        "from": write_moment(protocol.made_at),
        "until": write_moment(protocol.ends_at),
    })  # fmt: skip
    return derived.make_mac(_PURPOSE, covered).hex()
