"""The state of an account under its agreements.

Turning on is bound to evidence; turning off deletes nothing, voids what was approved and holds what waits at once.
Whoever was ever under an agreement stays on the strict side: there is no way back to `none`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models, transaction

from campaigns.errors import CampaignError
from compliance import audit
from compliance.agreements import recording, terms
from compliance.agreements.officers import check_is_officer
from compliance.approvals.ending import void_live
from compliance.approvals.quorum import Person
from compliance.audit import SYSTEM, Ref
from compliance.models import ApprovalPolicy, Baa

STEPS: Mapping[str, frozenset[str]] = {
    "none": frozenset({"pending"}),
    "pending": frozenset({"active", "ended"}),
    "active": frozenset({"suspended", "ended"}),
    "suspended": frozenset({"active", "ended"}),
    "ended": frozenset({"pending"}),
}
REASONS = frozenset({
    "onboarding", "agreement-ended", "agreement-renewed", "breach", "customer-asked", "review-overdue", "mistake", "other",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnboardingStep:
    """One thing an account needs before it may send under HIPAA."""

    code: str
    is_done: bool
    text: str
    action: str


def list_onboarding(account_id: int, *, now: datetime) -> tuple[OnboardingStep, ...]:
    """What is done and what is left; a door adds what only it can see, such as second factors."""
    return (
        OnboardingStep(
            "baa", recording.find_customer(account_id, on=now.date()) is not None,
            "An agreement is recorded and in effect.", "Record it under Compliance › Agreements.",
        ),
        OnboardingStep(
            "terms", terms.is_accepted(account_id, now=now),
            "The terms of HIPAA sending are accepted.", "The compliance officer accepts them.",
        ),
        OnboardingStep(
            "policy", ApprovalPolicy.objects.filter(account=account_id).exists(),
            "It is decided how sends are approved.", "Set the approval policy.",
        ),
    )  # fmt: skip


def change_status(account_id: int, *, to: str, reason: str, by: Person, now: datetime) -> str:
    """Take an account to another state; the state it was in.

    Raises NotAllowed, CampaignError `baa.no-step` for a step that is none, `baa.not-ready` when evidence is missing,
    `baa.reason-unknown`.
    """
    check_is_officer(by)
    if reason not in REASONS:
        raise CampaignError("baa.reason-unknown", "Say why.", action="Choose one of the reasons.")
    if to == "active" and (missing := [step for step in list_onboarding(account_id, now=now) if not step.is_done]):
        raise CampaignError("baa.not-ready", f"Not yet: {missing[0].text}", action=missing[0].action, status=409)
    return _change(account_id, to=to, reason=reason, actor=Ref("person", str(by.id)), now=now)


def suspend_lapsed(*, now: datetime) -> int:
    """Suspend active accounts without an agreement in effect; returns how many. Sending asks by itself, at once."""
    count = 0
    for account in _accounts().filter(baa_status="active").order_by("public_id"):
        if recording.find_customer(account.pk, on=now.date()) is None:
            _change(account.pk, to="suspended", reason="agreement-ended", actor=SYSTEM, now=now)
            count += 1
    return count


def read_status(account_id: int) -> str:
    """The state as it is in the database now, not in somebody's copy of the row."""
    return str(_accounts().values_list("baa_status", flat=True).get(pk=account_id))


def _change(account_id: int, *, to: str, reason: str, actor: Ref, now: datetime) -> str:
    with transaction.atomic():
        account = _accounts().select_for_update().get(pk=account_id)
        old: str = account.baa_status
        if to not in STEPS.get(old, frozenset()):
            raise CampaignError(
                "baa.no-step",
                "An account does not go there from where it is.",
                action="Load the page again.",
                status=409,
            )
        _accounts().filter(pk=account_id).update(baa_status=to)
        if to in {"suspended", "ended"}:
            because = "agreement-ended" if to == "ended" else "account-suspended"
            void_live(account_id=account_id, because=because, actor=actor, now=now)
        owner = str(account.public_id)
        data = {"from": old, "to": to, "reason": reason}
        audit.record("baa.status-changed", owner=owner, actor=actor, about=Ref("account", owner), data=data, now=now)
    return old


def _accounts() -> models.Manager[Any]:
    """The table of accounts, by the key that points at it: this room knows no table of campaigns."""
    account: type[models.Model] = Baa._meta.get_field("account").related_model
    return account._default_manager
