"""Who may approve, and how many it takes: pure.

Four eyes are counted by contribution: whoever had a hand in what is approved since the last approval does not approve it,
whatever their role.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from campaigns.errors import CampaignError
from compliance.approvals.attest import LegalBasis

FACTOR_FRESH = timedelta(minutes=10)
MANY = 10_000
SUBMITTING_ROLES = frozenset({"author", "compliance"})
APPROVING_ROLES = frozenset({"approver", "compliance"})
# Any role that works with protected data may stop; lifting a stop is for the officer.
STOPPING_ROLES = frozenset({"author", "approver", "compliance", "operator"})
LIFTING_ROLES = frozenset({"compliance"})
# Whoever writes or approves may say that the first messages of a send arrived as they should.
RELEASING_ROLES = SUBMITTING_ROLES | APPROVING_ROLES
RECIPIENTS = "recipients"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts, as the door knows them; `factor_age` is the time since their second factor, None for never."""

    id: int
    roles: frozenset[str]
    factor_age: timedelta | None
    is_service: bool = False
    is_superuser: bool = False
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class Stakes:
    """What makes a send need more eyes."""

    legal_basis: str
    recipients: int
    has_overrides: bool
    allows_plaintext: bool = False


class NotAllowed(CampaignError):
    """This person may not do this; `code` says why."""

    def __init__(self, code: str, safe_text: str, *, action: str) -> None:
        super().__init__(code, safe_text, action=action, status=403)


def needed_approvals(base: int, stakes: Stakes) -> int:
    """How many people must approve: the policy's number, and two where more is at stake."""
    is_grave = (
        stakes.legal_basis in {LegalBasis.AUTHORIZATION, LegalBasis.OTHER}
        or stakes.recipients > MANY
        or stakes.has_overrides
        or stakes.allows_plaintext
    )
    return max(base, 2 if is_grave else 1)


def check_may_approve(
    person: Person, *, submitted_by: int, contributions: Mapping[int, Collection[str]], allows_importers: bool = False
) -> None:
    """Raises NotAllowed unless this person may approve; contributions: person → the parts they had a hand in.

    `allows_importers`: a small organisation lets the person who only uploaded the recipients approve, beside another.
    """
    check_is_person(person, roles=APPROVING_ROLES)
    if person.id == submitted_by:
        raise NotAllowed(
            "approval.own-send", "Nobody approves what they submitted.", action="Ask somebody else to review it."
        )
    if not is_apart(person.id, contributions=contributions, allows_importers=allows_importers):
        raise NotAllowed(
            "approval.contributor",
            "You had a hand in this send, so it takes another pair of eyes.",
            action="Ask somebody to review it who has not edited it.",
        )


def is_apart(person: int, *, contributions: Mapping[int, Collection[str]], allows_importers: bool) -> bool:
    """Whether somebody had no hand in it, or none that the policy minds."""
    return not frozenset(contributions.get(person, ())) - (frozenset({RECIPIENTS}) if allows_importers else frozenset())


def check_is_person(person: Person, *, roles: Collection[str]) -> None:
    """Raises NotAllowed unless an active person with one of the roles has just used their second factor."""
    if person.is_service or person.is_superuser or not person.is_active or not person.roles & frozenset(roles):
        raise NotAllowed(
            "approval.role-missing",
            "Your role does not allow this.",
            action="Ask somebody whose role does, or the compliance officer.",
        )
    check_factor(person)


def check_factor(person: Person) -> None:
    """Raises NotAllowed unless the person has just used their second factor."""
    if person.factor_age is None or not timedelta(0) <= person.factor_age <= FACTOR_FRESH:
        raise NotAllowed(
            "approval.factor-stale",
            "This needs your second factor once more.",
            action="Enter the code of your second factor and try again.",
        )


def counts(approvers: Collection[int], *, needed: int, contributions: Mapping[int, Collection[str]]) -> bool:
    """Whether these approvals are enough: as many as needed, and never only people who uploaded the recipients.

    With one who did, a second approval is always needed.
    """
    independent = [person for person in approvers if not contributions.get(person)]
    if len(independent) < len(approvers):
        needed = max(needed, 2)
    return len(approvers) >= needed and bool(independent)
