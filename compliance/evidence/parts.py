"""What the evidence file tells, taken from the tables of proof: ids, codes, digests, moments, and texts shown to all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Q

from compliance import shredding
from compliance.approvals import attest, voting
from compliance.audit import chain, checkpoints
from compliance.audit.chain import write_moment
from compliance.manifest import digest_of
from compliance.models import Acknowledgement, Approval, AuditCheckpoint, AuditEvent, ShredCertificate, Vote


def describe_approval(approval: Approval) -> dict[str, Any]:
    """Manifest, people, statements in the words they were shown, and signed decisions."""
    stated = _stated(approval)
    return {
        "id": str(approval.public_id),
        "revision": approval.revision,
        "state": approval.state,
        "manifest": approval.manifest,
        "digest": approval.digest,
        "needed": approval.needed,
        "policy_version": approval.policy_version,
        "submitted_by": approval.submitted_by_id,
        "submitted_at": write_moment(approval.submitted_at),
        **{
            name: write_moment(value) if (value := getattr(approval, name)) else None
            for name in ("approved_at", "expires_at", "started_at", "ended_at")
        },
        "ended_because": approval.ended_because,
        "attestations": stated,
        "votes": [_vote(vote, stated) for vote in approval.votes.order_by("pk")],
    }


def slice_trail(approval: Approval) -> Iterator[dict[str, Any]]:
    """The chain from the first to the last event about this send, others by their digests only."""
    owner, campaign = str(approval.account.public_id), str(approval.campaign.public_id)
    ids = {str(approval.public_id), campaign}
    ours = AuditEvent.objects.filter(owner=owner).filter(Q(thing_id__in=ids) | Q(data__campaign=campaign))
    numbers = list(ours.order_by("seq").values_list("seq", flat=True))
    if not numbers:
        return
    shown = set(numbers)
    rows = AuditEvent.objects.filter(owner=owner, seq__gte=numbers[0], seq__lte=numbers[-1]).order_by("seq")
    for event in rows.iterator(chunk_size=2_000):
        line: dict[str, Any] = {"seq": event.seq, "prev": event.prev, "digest": event.digest}
        yield line | ({"event": chain.as_dict(event)} if event.seq in shown else {})


def list_checkpoints(approval: Approval) -> list[dict[str, Any]]:
    """Every signed checkpoint of the account since the send was submitted."""
    owner = str(approval.account.public_id)
    rows = AuditCheckpoint.objects.filter(owner=owner, at__gte=approval.submitted_at).order_by("seq")
    return [{"content": checkpoints.as_dict(row), "signature": row.signature} for row in rows]


def list_certificates(owner: str, scopes: Iterable[str]) -> list[dict[str, Any]]:
    """Certificates of scopes that begin like these."""
    wanted = Q(pk__in=[])
    for start in scopes:
        wanted |= Q(scope__startswith=start)
    rows = ShredCertificate.objects.filter(wanted, owner=owner).order_by("at", "pk")
    return [{"content": shredding.as_dict(row), "signature": row.signature} for row in rows]


def list_terms(approval: Approval) -> list[dict[str, Any]]:
    """The terms the account had accepted, in full."""
    rows = Acknowledgement.objects.filter(account=approval.account_id).select_related("terms").order_by("at")
    return [
        {
            "version": row.terms.version,
            "digest": row.terms.digest,
            "accepted_by": row.person_id,
            "accepted_at": write_moment(row.at),
            "text": row.terms.text,
        }
        for row in rows
    ]


def _stated(approval: Approval) -> dict[str, dict[str, Any]]:
    """person → statement → what was kept of it, and its words."""
    stated: dict[str, dict[str, Any]] = {}
    for row in approval.attestations.order_by("person", "code"):
        kept = {"version": row.text_version, "text": row.text_digest, "answers": row.answers}
        words = attest.BY_CODE[row.code].text if row.code in attest.BY_CODE else ""
        stated.setdefault(str(row.person_id), {})[row.code] = {"kept": kept, "text": words, "at": write_moment(row.at)}
    return stated


def _vote(vote: Vote, stated: dict[str, dict[str, Any]]) -> dict[str, Any]:
    kept = {code: one["kept"] for code, one in stated.get(str(vote.voter_id), {}).items()}
    signed = voting.signed_content(vote, stated=digest_of(kept) if vote.verdict == Vote.Verdict.APPROVE else "")
    return {"signed": signed, "signature": vote.signature}
