"""Protected mail in a worker's hands: opened a batch at a time, and proven to be what was approved.

A message that is not on the approved list exactly as it was approved, or whose values do not open where they lie, is held
for a person: neither sent nor tried again (45 CFR 164.312(c)(1)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from campaigns.errors import CampaignError
from campaigns.models import Lane, Submission
from campaigns.outbox.claim import Claimed
from campaigns.outbox.parts import read_parts
from campaigns.outbox.payload import Personal, open_recipients
from compliance.approvals import starting
from compliance.manifest import make_leaf
from compliance.models import Approval

INTEGRITY = "hipaa.integrity"


class NotApproved(CampaignError):
    """Somebody stopped the send, or ended its approval, since the slice asked what holds it."""

    def __init__(self) -> None:
        super().__init__("hipaa.not-approved", "This send is not approved.", action="Submit it for approval.")


class Custody:
    """What is asked of each message of one submission before it leaves; ordinary mail is handed on as it is."""

    def __init__(self, submission: Submission) -> None:
        """Raises NotApproved, and IntegrityFailed when what the messages share is not what was approved."""
        self.approval: Approval | None = None
        self._submission = submission
        self._is_protected = submission.lane == Lane.HIPAA
        if self._is_protected and submission.campaign_id is not None:
            self.approval = starting.find_sending(submission.campaign_id)
            if self.approval is None:
                raise NotApproved
            starting.check_parts(self.approval, parts=read_parts(submission, approved=self.approval.manifest))

    def receive(self, messages: list[Claimed]) -> list[Claimed]:
        """The messages with addresses and values opened; `trouble` says of one why it must not leave."""
        if not self._is_protected:
            return messages
        proven = messages if self.approval is None else self._prove(messages, self.approval)
        return open_claimed(proven, submission_of=lambda _: self._submission)

    def _prove(self, messages: list[Claimed], approval: Approval) -> list[Claimed]:
        leaves = [(entry.id, make_leaf(entry.address_key, entry.placeholders_sealed or b"")) for entry in messages]
        approved = starting.approved_messages(approval, leaves)
        return [entry if entry.id in approved else replace(entry, trouble=INTEGRITY) for entry in messages]


def open_claimed(messages: Sequence[Claimed], *, submission_of: Callable[[Claimed], Submission]) -> list[Claimed]:
    """The messages of the HIPAA lane among these with address and values in the clear, the others as they are."""
    sealed = [entry for entry in messages if not entry.trouble and submission_of(entry).lane == Lane.HIPAA]
    if not sealed:
        return list(messages)
    opened = dict(
        zip((entry.id for entry in sealed), open_recipients(sealed, submission_of=submission_of), strict=True)
    )
    return [_opened(entry, opened[entry.id]) if entry.id in opened else entry for entry in messages]


def _opened(message: Claimed, personal: Personal | None) -> Claimed:
    if personal is None or not personal.mailbox:
        return replace(message, trouble=INTEGRITY)
    # Of the address nothing is taken from the row, which anybody who may write to the database could have changed.
    return replace(
        message, recipient=personal.mailbox, recipient_domain=personal.mailbox.rpartition("@")[2], personal=personal,
        attributes=dict(personal.values), placeholders_sealed=None,
    )  # fmt: skip
