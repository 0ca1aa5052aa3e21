"""What became of each message of a HIPAA send: by its id and a masked address, never by search."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.paginator import Page, Paginator

from campaigns.models import Message, Submission
from campaigns.outbox.payload import open_recipients
from campaigns.planning.hipaa.masking import mask_address
from compliance import vault
from compliance.models import Approval, Disclosure, MessageProof

_GONE = "shredded"
_CHUNK = 2_000


class _Kept(NamedTuple):
    """A message as far as it takes to open it."""

    public_id: UUID
    address_key: str
    placeholders_sealed: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """One message: its id, its recipient masked, how it stands, and a stable code of why."""

    message: str
    masked: str
    state: str
    label: str
    code: str
    at: datetime | None


def list_outcomes(submission: Submission, messages: Sequence[Message]) -> list[Outcome]:
    """The outcomes of these messages, in their order; an address that cannot be opened any more says so."""
    masked = _mask(submission, list(messages))
    return [
        Outcome(
            str(message.public_id),
            address,
            message.state,
            message.get_state_display(),
            message.error_code,
            message.done_at or message.sent_at,
        )
        for message, address in zip(messages, masked, strict=True)
    ]


def page_messages(submission: Submission | None, *, number: str, size: int) -> Page[Message]:
    """A page of messages in the order of the file; the first for a number that is none."""
    rows = Message.objects.filter(submission=submission) if submission else Message.objects.none()
    return Paginator(rows.order_by("pk"), size).get_page(number)


def list_evidence(approval: Approval) -> Iterator[dict[str, Any]]:
    """The messages in the order of the approved list, as the evidence file holds them: ids, codes and moments, and of each
    that left how it was encrypted: version, cipher, SHA-256 of the certificate, the name it was verified for.
    """
    proofs = MessageProof.objects.filter(approval=approval, message__submission__campaign=approval.campaign_id)
    rows = proofs.select_related("message").order_by("position").iterator(chunk_size=_CHUNK)
    while chunk := list(itertools.islice(rows, _CHUNK)):
        ids = [proof.message.public_id for proof in chunk]
        left = {row.message: row for row in Disclosure.objects.filter(message__in=ids)}
        for proof in chunk:
            told = _row(proof.message, left.get(proof.message.public_id))
            yield {"position": proof.position, "leaf": bytes(proof.leaf).hex(), **told}


def list_scopes(approval: Approval) -> list[str]:
    """How the scopes of data keys begin whose certificates belong to it."""
    submissions = Submission.objects.filter(campaign=approval.campaign_id).values_list("public_id", flat=True)
    return [f"submission:{public_id}:" for public_id in submissions]


def _row(message: Message, left: Disclosure | None) -> dict[str, Any]:
    return {
        "tls": [left.tls_version, left.tls_cipher, left.tls_fingerprint, left.peer_host] if left else None,
        "message": str(message.public_id),
        "index": message.address_key[:8],
        "state": message.state,
        "error_code": message.error_code,
        "sent_at": message.sent_at.isoformat() if message.sent_at else None,
        "done_at": message.done_at.isoformat() if message.done_at else None,
    }


def _mask(submission: Submission, messages: Sequence[Message]) -> list[str]:
    kept = [_Kept(one.public_id, one.address_key, bytes(one.placeholders_sealed or b"")) for one in messages]
    try:
        opened = open_recipients(kept, submission_of=lambda _: submission)
    except vault.KeysUnavailable:
        return ["–"] * len(messages)
    return [_GONE if one is None else mask_address(one.mailbox) for one in opened]
