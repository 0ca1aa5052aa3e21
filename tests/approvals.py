"""A send with protected data that is ready to be submitted, and the people around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from campaigns import addresses, tokens
from campaigns.models import Account, Campaign, Door, Lane, Message, Submission, Transport
from compliance.approvals.attest import STATEMENTS
from compliance.approvals.policy import set_policy
from compliance.approvals.quorum import Person
from compliance.approvals.starting import MADE_HERE, Leaf, start
from compliance.approvals.submitting import Send, submit
from compliance.approvals.voting import approve
from compliance.audit import Ref
from compliance.manifest import PARTS, list_recipients, make_leaf
from compliance.models import Approval
from tests.factories import make_account, make_campaign, make_user

NOW = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)
OFFICER = Ref("person", "1")
ATTESTED = {
    statement.code: {name: sorted(values)[0] for name, values in statement.needs.items()} for statement in STATEMENTS
} | {"A1": {"basis": "treatment"}, "A2": {"authorization": "not-required-treatment"}}


@dataclass(slots=True)
class Scene:
    """An account with a policy, a campaign with sealed messages, and its people."""

    account: Account
    campaign: Campaign
    submission: Submission
    author: Person
    approver: Person
    officer: Person

    @property
    def owner(self) -> str:
        return str(self.account.public_id)

    def parts(self, **changes: Any) -> dict[str, Any]:
        """The parts of the manifest as they are read from the rows."""
        self.campaign.refresh_from_db()
        known = {
            "account": self.owner,
            "campaign": str(self.campaign.public_id),
            "template": {"name": self.campaign.name},
            "legal_basis": "treatment",
        }
        return {**dict.fromkeys(PARTS - MADE_HERE, "x"), **known, **changes}

    def leaves(self) -> list[Leaf]:
        """The messages as they are now."""
        rows = Message.objects.filter(submission=self.submission).order_by("pk")
        return [(row.pk, make_leaf(row.address_key, bytes(row.placeholders_sealed or b""))) for row in rows]

    def send(self, **changes: Any) -> Send:
        facts: dict[str, Any] = {
            "account_id": self.account.pk,
            "campaign_id": self.campaign.pk,
            "campaign": str(self.campaign.public_id),
            "parts": self.parts(),
            "recipients": list_recipients(leaf for _, leaf in self.leaves()),
            "legal_basis": "treatment",
            "ruleset": "1",
            "attested": ATTESTED,
        }
        return Send(**(facts | changes))

    def submit(self, *, now: datetime = NOW, **changes: Any) -> Approval:
        return submit(self.send(**changes), by=self.author, network="192.0.2.0/24", now=now)

    def approve(self, approval: Approval, *, by: Person | None = None, now: datetime = NOW, **changes: Any) -> bool:
        given = {"seen": approval.digest, "attested": ATTESTED} | changes
        return approve(approval, by=by or self.approver, now=now, **given)

    def approved(self, **changes: Any) -> Approval:
        approval = self.submit(**changes)
        assert self.approve(approval)
        return approval

    def started(self) -> Approval:
        approval = self.approved()
        start(approval, parts=self.parts(), leaves=self.leaves(), now=NOW)
        return approval


def make_person(account: Account, role: str, **changes: Any) -> Person:
    """A member with this role who has just used their second factor."""
    user = make_user(account, role=role)
    return replace(Person(user.pk, frozenset({role}), timedelta(seconds=30)), **changes)


def make_scene(*, messages: int = 3) -> Scene:
    account = make_account(baa_status="active")
    campaign = make_campaign(account, kind="hipaa")
    submission = Submission.objects.create(
        account=account, campaign=campaign, door=Door.CAMPAIGN, lane=Lane.HIPAA, purpose="transactional",
        transport=Transport.objects.get(account=account), send_at=NOW, valid_until=NOW + timedelta(days=2),
    )  # fmt: skip
    set_policy(
        account.pk,
        owner=str(account.public_id),
        approvals=1,
        valid_days=7,
        allows_importers=False,
        actor=OFFICER,
        now=NOW,
    )
    scene = Scene(
        account, campaign, submission, *(make_person(account, role) for role in ("author", "approver", "compliance"))
    )
    for number in range(messages):
        add_message(scene, number)
    return scene


def add_message(scene: Scene, number: int) -> Message:
    address = addresses.parse(f"person{number}@example.org")
    return Message.objects.create(
        submission=scene.submission, recipient="", recipient_domain="example.org", next_attempt_at=NOW,
        address_key=tokens.address_key(address, account=scene.account.public_id), placeholders_sealed=b"sealed%d" % number,
    )  # fmt: skip
