"""Beginning an approved send, and asking of each message whether it is what was approved.

Whatever was changed after the approval – by a screen, by `update()`, by raw SQL – shows here, because everything is read
anew and compared with the manifest. Nothing of what differs is sent.
"""

from __future__ import annotations

import hmac
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.errors import CampaignError
from compliance.approvals import routine, stopping
from compliance.approvals.attest import Side
from compliance.approvals.ending import is_late, void
from compliance.approvals.policy import get_policy
from compliance.approvals.states import State, Step
from compliance.approvals.steps import NotNow, lock_approval, record_step, take_step
from compliance.approvals.voting import has_quorum
from compliance.audit import SYSTEM
from compliance.manifest import PARTS, Recipients, digest_of, list_recipients, make_manifest
from compliance.models import Approval, MessageProof
from compliance.vault import derived

Leaf = tuple[int, bytes]
"""(primary key of a message, its leaf as manifest.make_leaf makes it)."""

MADE_HERE = frozenset({"attestations", "policy_version", "protocol", "scanner"})
_CHUNK = 2_000
_MAC_BYTES = 16


class IntegrityFailed(CampaignError):
    """What would be sent is not what was approved."""

    def __init__(self) -> None:
        super().__init__(
            "approval.integrity",
            "Something changed since the approval. Nothing was sent.",
            action="Submit it for approval again.",
            status=409,
        )


def start(approval: Approval, *, parts: Mapping[str, Any], leaves: Iterable[Leaf], now: datetime) -> None:
    """Let an approved send begin: its messages get their proofs, and may leave from here on.

    `parts` and `leaves` are read anew from the rows: parts like those submitted, leaves in the order of the messages'
    primary keys. Raises NotNow, CampaignError `approval.too-early` or `hipaa.stopped`, and IntegrityFailed, after which
    the approval is void.
    """
    try:
        with transaction.atomic():
            locked = lock_approval(approval.pk)
            _check_moment(locked, now=now)
            check_parts(locked, parts=parts)
            _check_recipients(locked, leaves)
            take_step(locked, Step.START, started_at=now)
            record_step("approval.started", locked, actor=SYSTEM, data={"recipients": locked.recipients}, now=now)
    except IntegrityFailed:
        void(approval, because="integrity", actor=SYSTEM, now=now)
        raise
    approval.refresh_from_db()


def find_sending(campaign_id: int) -> Approval | None:
    """The approval a send leaves under now; None when it has not begun, was stopped, or is over."""
    return Approval.objects.filter(campaign=campaign_id, state=State.SENDING.value).first()


def find_started(campaign_id: int) -> Approval | None:
    """The approval under which a send began last, whatever became of it since."""
    begun = Approval.objects.filter(campaign=campaign_id, started_at__isnull=False)
    return begun.order_by("-revision").first()


def check_parts(approval: Approval, *, parts: Mapping[str, Any]) -> None:
    """Whether what all messages share is still what was approved, by enough people: asked once a slice.

    Raises IntegrityFailed.
    """
    if _live_digest(approval, parts) != approval.digest or not has_quorum(approval):
        raise IntegrityFailed


def approved_messages(approval: Approval, leaves: Collection[Leaf]) -> set[int]:
    """Which of these messages are on the approved list, exactly as they were approved: one query a batch."""
    proofs = dict(
        MessageProof.objects.filter(approval=approval, pk__in=[pk for pk, _ in leaves]).values_list("pk", "mac")
    )
    return {
        pk for pk, leaf in leaves if pk in proofs and hmac.compare_digest(bytes(proofs[pk]), _proof(approval, leaf))
    }


def _check_moment(approval: Approval, *, now: datetime) -> None:
    if approval.state != State.APPROVED or is_late(approval, now=now) or not routine.still_holds(approval, now=now):
        raise NotNow
    if approval.not_before is not None and approval.not_before > now:
        raise CampaignError("approval.too-early", "The time of this send has not come.", action="Wait.", status=409)
    stopping.check_not_stopped(approval.account_id)


def _check_recipients(approval: Approval, leaves: Iterable[Leaf]) -> None:
    found = list_recipients(_write_proofs(approval, leaves))
    if found != Recipients(approval.recipients, approval.merkle_root):
        raise IntegrityFailed


def _live_digest(approval: Approval, parts: Mapping[str, Any]) -> str:
    """The digest of the manifest as it would be made now, with the recipients that were approved.

    The detectors' part stays as approved: a newer set of rules is no change of the content.
    """
    made = {
        "attestations": _attested_digest(approval),
        "policy_version": get_policy(approval.account_id).version,
        "protocol": approval.manifest["protocol"],
        "scanner": approval.manifest["scanner"],
    }
    given = {name: parts[name] for name in PARTS - MADE_HERE}
    recipients = Recipients(approval.recipients, approval.merkle_root)
    return digest_of(make_manifest({**given, **made}, recipients=recipients))


def _attested_digest(approval: Approval) -> str:
    rows = approval.attestations.filter(side=Side.AUTHOR.value).order_by("code")
    return digest_of({
        row.code: {"version": row.text_version, "text": row.text_digest, "answers": row.answers} for row in rows
    })  # fmt: skip


def _write_proofs(approval: Approval, leaves: Iterable[Leaf]) -> Iterator[bytes]:
    """Write the proofs of all messages in chunks, handing on their leaves."""
    numbered = enumerate(leaves)
    while chunk := list(itertools.islice(numbered, _CHUNK)):
        # What waited when an earlier approval became void has a proof of that one.
        MessageProof.objects.bulk_create(
            [
                MessageProof(message_id=pk, approval=approval, position=position, leaf=leaf, mac=_proof(approval, leaf))
                for position, (pk, leaf) in chunk
            ],
            update_conflicts=True,
            unique_fields=["message"],
            update_fields=["approval", "position", "leaf", "mac"],
        )
        yield from (leaf for _, (_, leaf) in chunk)


def _proof(approval: Approval, leaf: bytes) -> bytes:
    """A code that binds a leaf to this approval; nobody who can only write to the database can make one."""
    return derived.make_mac("approved message", approval.public_id.bytes + bytes.fromhex(approval.digest) + leaf)[
        :_MAC_BYTES
    ]
