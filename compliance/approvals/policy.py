"""How an account approves. Nobody has a policy by default, and without one nothing is sent."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.errors import CampaignError
from compliance import audit
from compliance.approvals.ending import void_live
from compliance.audit import Ref
from compliance.models import ApprovalPolicy


def get_policy(account_id: int) -> ApprovalPolicy:
    """The account's policy; raises CampaignError `approval.no-policy`."""
    policy = ApprovalPolicy.objects.filter(account=account_id).first()
    if policy is None:
        raise CampaignError(
            "approval.no-policy",
            "This account has no approval policy, so nothing can be approved.",
            action="A compliance officer sets one under Compliance › Approval policy.",
            status=409,
        )
    return policy


def set_policy(
    account_id: int, *, owner: str, approvals: int, valid_days: int, allows_importers: bool, actor: Ref, now: datetime
) -> ApprovalPolicy:
    """Set or change the policy; approvals that are not over become void, because they rest on the old one.

    Raises CampaignError `approval.policy-invalid`.
    """
    if not 1 <= approvals <= 5 or not 1 <= valid_days <= 30:
        raise CampaignError(
            "approval.policy-invalid",
            "A policy asks for 1 to 5 approvals, which hold for 1 to 30 days.",
            action="Correct the numbers.",
        )
    values = {"approvals": approvals, "valid_days": valid_days, "allows_importers": allows_importers}
    with transaction.atomic():
        policy = ApprovalPolicy.objects.select_for_update().filter(account=account_id).first()
        if policy is None:
            policy = ApprovalPolicy(account_id=account_id, version=0)
        policy.version += 1
        policy.changed_at = now
        for name, value in values.items():
            setattr(policy, name, value)
        policy.save()
        void_live(account_id=account_id, because="policy-changed", actor=actor, now=now)
        about = Ref("approval-policy", owner)
        audit.record(
            "policy.changed", owner=owner, actor=actor, about=about, data={**values, "version": policy.version}
        )
    return policy
