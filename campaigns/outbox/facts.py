"""The facts the gate decides on, gathered from a submission."""

from __future__ import annotations

from dataclasses import replace

from campaigns.content.compile import CompiledVersion
from campaigns.models import Door, Submission
from campaigns.outbox.tracker import is_allowed
from compliance.facts import SendFacts

FEATURES = {Door.CAMPAIGN: "campaign.broadcast", Door.TEST: "campaign.test-send"}
SIZE_STEP = 64 * 1024


def submission_facts(submission: Submission, *, compiled: CompiledVersion) -> SendFacts:
    """What is true for every message of the submission; the recipient's part is still unknown, so it would block."""
    assert submission.sender is not None
    return SendFacts(
        feature=FEATURES.get(Door(submission.door), ""),
        lane=submission.lane,
        purpose=submission.purpose,
        account_baa_status=submission.account.baa_status,
        transport_kind=submission.transport.kind,
        sender_domain_verified=submission.sender.domain.is_verified,
        has_unsubscribe_link=compiled.has_unsubscribe_link,
        has_postal_address=compiled.has_postal_address and bool(submission.account.postal_address.strip()),
        message_bytes=None,
        recipient_block=None,
        tracks=is_allowed(submission),
    )


def recipient_facts(shared: SendFacts, *, block: str, size: int) -> SendFacts:
    """The facts for one message; size is rounded up to the next step so that a batch shares few sets of facts."""
    return replace(shared, recipient_block=block, message_bytes=size_steps(size) * SIZE_STEP)


def size_steps(size: int) -> int:
    """A size in bytes as a number of steps, rounded up."""
    return -(-size // SIZE_STEP)
