"""The facts the gate decides on, gathered from a submission."""

from __future__ import annotations

from dataclasses import replace

from campaigns.domains.published import find_dmarc_fault
from campaigns.models import Door, Lane, Submission
from campaigns.outbox.tracker import is_allowed
from compliance.facts import AttachmentFacts, SendFacts

FEATURES = {
    Door.CAMPAIGN: "campaign.broadcast",
    Door.TEST: "campaign.test-send",
    Door.HTTP: "api.email",
    Door.SMTP: "smtp.email",
    Door.NOTICE: "notice.personal",
    Door.FORWARD: "inbound.forward",
}
# Default deny: a door that is not listed has no HIPAA lane.
HIPAA_FEATURES = {
    Door.CAMPAIGN: "hipaa.send",
    Door.TEST: "hipaa.test-send",
    Door.HTTP: "hipaa.endpoint",
    Door.SMTP: "hipaa.endpoint",
    Door.NOTICE: "hipaa.officer-notice",
}
SIZE_STEP = 64 * 1024


def submission_facts(
    submission: Submission,
    *,
    has_unsubscribe_link: bool,
    has_postal_address: bool,
    attachments: tuple[AttachmentFacts, ...] = (),
    transport_kind: str | None = None,
) -> SendFacts:
    """What is true for every message of the submission; the recipient's part is still unknown, so it would block."""
    domain = submission.sending_domain
    door = Door(submission.door)
    is_protected = submission.lane == Lane.HIPAA
    return SendFacts(
        feature=HIPAA_FEATURES.get(door, FEATURES[door]) if is_protected else FEATURES.get(door, ""),
        lane=submission.lane,
        purpose=submission.purpose,
        account_baa_status=submission.account.baa_status,
        transport_kind=submission.transport.kind if transport_kind is None else transport_kind,
        sender_domain_verified=domain is not None and domain.is_verified,
        has_unsubscribe_link=has_unsubscribe_link,
        has_postal_address=has_postal_address and bool(submission.account.postal_address.strip()),
        message_bytes=None,
        attachments=attachments,
        recipient_block=None,
        tracks=is_allowed(submission),
        sender_dmarc=find_dmarc_fault(domain) if is_protected and domain is not None else None,
    )


def recipient_facts(shared: SendFacts, *, block: str, size: int) -> SendFacts:
    """The facts for one message; size is rounded up to the next step so that a batch shares few sets of facts."""
    return replace(shared, recipient_block=block, message_bytes=size_steps(size) * SIZE_STEP)


def size_steps(size: int) -> int:
    """A size in bytes as a number of steps, rounded up."""
    return -(-size // SIZE_STEP)
