"""What is kept of protected mail as it leaves: to whom, on what basis, and how it was encrypted (45 CFR 164.528, 164.312(e)).

Written in the transaction that records the hand-over: no disclosure without its record, and no record twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from campaigns.delivery.base import Receipt
from campaigns.delivery.registry import KINDS
from campaigns.models import Door, Lane, Message, MessageState, Submission, Transport
from campaigns.outbox.custody import INTEGRITY
from compliance import audit, disclosures
from compliance.approvals import starting
from compliance.audit import SYSTEM, Ref
from compliance.disclosures import Handed
from compliance.models import Approval

_TELLING_NOTHING = (Door.NOTICE, Door.TEST)
_MOST_NAMED = 50  # messages in one event


@dataclass(frozen=True, slots=True, repr=False)
class HandedOver:
    """One message on its way: its id, whom it goes to as a blind index, and what it belongs to."""

    public_id: UUID
    address_key: str
    submission: Submission
    approval: Approval | None


def is_disclosure(submission: Submission) -> bool:
    """Whether handing its mail over tells somebody protected information; what officers are told and tests hold none."""
    return submission.lane == Lane.HIPAA and submission.door not in _TELLING_NOTHING


def describe(handed_over: HandedOver, receipt: Receipt, *, now: datetime) -> Handed:
    """What is kept of a message the next server took."""
    plain = Handed(message=handed_over.public_id, address_key=handed_over.address_key, at=now)
    if (tls := receipt.tls) is None:
        return plain
    return replace(
        plain, tls_version=tls.version, tls_cipher=tls.cipher, tls_fingerprint=tls.fingerprint, peer_host=tls.host
    )


def note_disclosures(handed: Iterable[tuple[HandedOver, Receipt]], *, now: datetime) -> None:
    """Keep what left; the sandbox keeps it here, and discloses nothing."""
    groups: dict[int, list[Handed]] = defaultdict(list)
    sends: dict[int, HandedOver] = {}
    for entry, receipt in handed:
        if KINDS[entry.submission.transport.kind].leaves_machine:
            groups[entry.submission.pk].append(describe(entry, receipt, now=now))
            sends[entry.submission.pk] = entry
    # In one order everywhere: recording locks the end of an account's chain.
    for pk in sorted(groups):
        _note(sends[pk].submission, sends[pk].approval, groups[pk], now=now)


def note_recovered(ids: Sequence[int], *, now: datetime) -> None:
    """The same for messages a dead process had handed over, as its journal tells; how they were encrypted died with it."""
    rows = Message.objects.filter(pk__in=ids, submission__lane=Lane.HIPAA, state=MessageState.SENT)
    rows = rows.exclude(submission__door__in=_TELLING_NOTHING)
    messages = rows.select_related("submission__account", "submission__transport").order_by("submission", "pk")
    approvals: dict[int, Approval | None] = {}
    for message in messages:
        campaign = message.submission.campaign_id
        if campaign is not None and campaign not in approvals:
            approvals[campaign] = starting.find_started(campaign)
    groups: dict[int, list[Message]] = defaultdict(list)
    for message in messages:
        if KINDS[message.submission.transport.kind].leaves_machine:
            groups[message.submission_id].append(message)
    for _, found in sorted(groups.items()):
        submission = found[0].submission
        handed = [Handed(message=entry.public_id, address_key=entry.address_key, at=now) for entry in found]
        approval = approvals.get(submission.campaign_id) if submission.campaign_id is not None else None
        _note(submission, approval, handed, now=now)


def _note(submission: Submission, approval: Approval | None, handed: Sequence[Handed], *, now: datetime) -> None:
    manifest = approval.manifest if approval is not None else {}
    # What its author declared of each value; a manifest made elsewhere may hold none.
    declared = (manifest.get("terms") or {}).get("values", [])
    disclosures.note_disclosures(
        handed,
        owner=str(submission.account.public_id),
        approval=approval.public_id if approval is not None else None,
        purpose=str(manifest.get("purpose", submission.purpose))[:20],
        # A program states no basis with each mail: without one every disclosure is counted.
        legal_basis=str(manifest.get("legal_basis", ""))[:20],
        categories=sorted({str(entry["kind"]) for entry in declared if entry["phi"]}),
        now=now,
    )


def note_held(transport: Transport, *, code: str, detail: str, now: datetime) -> None:
    """Protected mail waits because the way out offers no encryption that could be verified."""
    with transaction.atomic():
        audit.record(
            "send.held",
            owner=str(transport.account.public_id),
            actor=SYSTEM,
            about=Ref("transport", str(transport.public_id)),
            data={"code": code, "detail": detail},
            now=now,
        )


def note_integrity(held: Iterable[tuple[Submission, UUID]], *, now: datetime) -> None:
    """Messages that are not what was approved, or were moved, and are held: an event for each send."""
    groups: dict[int, list[str]] = defaultdict(list)
    sends: dict[int, Submission] = {}
    for submission, public_id in held:
        groups[submission.pk].append(str(public_id))
        sends[submission.pk] = submission
    for pk, ids in sorted(groups.items()):
        submission = sends[pk]
        audit.record(
            "send.integrity-failed",
            owner=str(submission.account.public_id),
            actor=SYSTEM,
            about=Ref("submission", str(submission.public_id)),
            data={"code": INTEGRITY, "count": len(ids), "messages": ids[:_MOST_NAMED]},
            now=now,
        )
