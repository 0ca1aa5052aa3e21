"""What the screens say about an account's agreement: where it stands, what is missing, and what a step would do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from campaigns.models import Account, ApiKey, BaaStatus, Lane, Membership, Message, MessageState, SecondFactor
from compliance.agreements import status
from compliance.agreements.status import OnboardingStep
from compliance.approvals import states
from compliance.models import Approval

TONES = {
    BaaStatus.NONE: "is-muted",
    BaaStatus.PENDING: "is-info",
    BaaStatus.ACTIVE: "is-ok",
    BaaStatus.SUSPENDED: "is-warn",
    BaaStatus.ENDED: "is-bad",
}
_LABELS = {
    "pending": "Begin setting up",
    "active": "Turn on HIPAA sending",
    "suspended": "Suspend",
    "ended": "End",
}
_WAITING = (MessageState.QUEUED, MessageState.HELD, MessageState.SENDING)


@dataclass(frozen=True, slots=True)
class StatusStep:
    """A state one could go to: what the button says, and what will happen."""

    to: str
    label: str
    consequences: tuple[str, ...]
    is_grave: bool


def list_missing(account: Account, *, now: datetime) -> list[OnboardingStep]:
    """What is done and what is left: what agreements ask for, and what only tables of people know."""
    return [*status.list_onboarding(account.pk, now=now), *_people_steps(account)]


def find_step(account: Account, to: str) -> StatusStep | None:
    """The step with its consequences, as they are at this moment; None for one that is not open."""
    if to not in status.STEPS.get(account.baa_status, frozenset()):
        return None
    return StatusStep(to, _LABELS[to], _consequences(account, to), to in {"suspended", "ended"})


def list_steps(account: Account) -> list[StatusStep]:
    """All that are open from where the account is, the harmless ones first."""
    found = [find_step(account, to) for to in _LABELS]
    return [step for step in found if step is not None]


def _people_steps(account: Account) -> list[OnboardingStep]:
    members = Membership.objects.filter(account=account, user__is_active=True)
    roles = set(members.values_list("role", flat=True))
    people = {user for (user,) in members.values_list("user")}
    with_factor = SecondFactor.objects.filter(user__in=people, confirmed_at__isnull=False).count()
    return [
        OnboardingStep(
            "roles", {"author", "approver", "compliance"} <= roles,
            "There are people who write, people who approve, and a compliance officer.",
            "Whoever runs Sealpost gives roles under People with access.",
        ),
        OnboardingStep(
            "second-factors", bool(people) and with_factor == len(people),
            f"Everybody has set up a second factor ({with_factor} of {len(people)}).",
            "They are asked to when they sign in.",
        ),
    ]  # fmt: skip


def _consequences(account: Account, to: str) -> tuple[str, ...]:
    if to == "pending":
        return (
            "Ordinary campaigns, imports, forms and the standard Email API are closed for this account from now on.",
            "Everybody who works in it sets up a second factor, and is signed out after 15 minutes without activity.",
            "There is no way back to an ordinary account.",
        )
    if to == "active":
        return ("Approved HIPAA sends leave, and the HIPAA endpoint takes mail of this account.",)
    waiting = Message.objects.filter(
        submission__account=account, submission__lane=Lane.HIPAA, state__in=_WAITING
    ).count()
    live = Approval.objects.filter(account=account, state__in=[state.value for state in states.LIVE]).count()
    keys = ApiKey.objects.filter(account=account, lane=Lane.HIPAA, revoked_at=None).count()
    said = (
        f"{waiting:,} waiting HIPAA mails are held at once; nothing more leaves.",
        f"{live:,} approvals that are not over become void; those sends must be approved again.",
        f"{keys:,} API keys of the HIPAA endpoint are refused while this lasts.",
        "Nothing is deleted. The account stays closed for ordinary mail.",
    )
    if to != "ended":
        return said
    kept = f"Sealed content goes on its last day as before; evidence is kept for {settings.EVIDENCE_YEARS} years."
    return (*said, kept)
