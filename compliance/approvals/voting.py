"""Approving and rejecting: a vote is signed over the manifest its voter saw, and counts only as long as it fits."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Generator, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import IntegrityError, transaction

from campaigns.errors import CampaignError
from compliance import audit
from compliance.approvals import attest, quorum, routine
from compliance.approvals.attest import Side
from compliance.approvals.contributions import contributors_of
from compliance.approvals.ending import is_late
from compliance.approvals.policy import get_policy
from compliance.approvals.quorum import NotAllowed, Person
from compliance.approvals.states import State, Step
from compliance.approvals.steps import NotNow, end_with, lock_approval, record_step, take_step
from compliance.approvals.submitting import add_attestations
from compliance.audit import Ref, Value
from compliance.audit.chain import write_moment
from compliance.manifest import canonical_json, digest_of
from compliance.models import Approval, Vote
from compliance.vault import derived

# Why something is rejected; a note in words may stand beside it.
REJECTIONS = frozenset({"content", "recipients", "purpose", "legal-basis", "schedule", "sender", "other"})
NOTE_LENGTH = 500


def approve(
    approval: Approval, *, by: Person, seen: str, attested: Mapping[str, Mapping[str, str]], confirmed: Collection[str] = (),
    network: str = "", now: datetime,
) -> bool:  # fmt: skip
    """One person's approval; True when it was the last one needed.

    `seen` is the digest of the manifest on their page, `confirmed` the digests of overridden hits they agreed with.
    Raises NotAllowed, AttestationMissing, NotNow, and CampaignError `approval.changed`, `.override-unconfirmed`,
    `.already-voted`, `.protocol-over`, `.too-late` or `hipaa.psychotherapy-notes`.
    """
    with _refusals_told(approval, by=by), transaction.atomic():
        locked = _lock_for_review(approval, by=by, now=now)
        if seen != locked.digest or digest_of(locked.manifest) != locked.digest:
            raise _refusal("changed", "This send is not the one on your page any more.", "Load the page again.")
        if not routine.still_holds(locked, now=now):
            raise _refusal(
                "protocol-over",
                "The protocol this send runs under is over, so one approval is not enough.",
                "Its author takes it back and submits it once more.",
            )
        attest.check_attested(attested, basis=str(locked.manifest["legal_basis"]))
        _check_confirmed(locked, confirmed)
        policy = get_policy(locked.account_id)
        _check_date(locked, until=now + timedelta(days=policy.valid_days))
        _vote(locked, Vote.Verdict.APPROVE, by=by, stated=digest_of(attest.summarise(attested)), now=now)
        add_attestations(locked, attested, person_id=by.id, side=Side.APPROVER, network=network, now=now)
        is_enough = has_quorum(locked)
        if is_enough:
            take_step(locked, Step.APPROVE, approved_at=now, expires_at=now + timedelta(days=policy.valid_days))
        data: dict[str, Value] = {"digest": locked.digest, "enough": is_enough}
        record_step("approval.approved", locked, actor=Ref("person", str(by.id)), data=data, now=now)
    approval.refresh_from_db()
    return is_enough


def reject(approval: Approval, *, by: Person, reason: str, note: str = "", now: datetime) -> None:
    """End a review: the send goes back to its author. The note is read by them and must name nobody.

    Raises NotAllowed, NotNow, CampaignError `approval.reason-unknown` or `.note-too-long`.
    """
    if reason not in REJECTIONS:
        raise _refusal("reason-unknown", "Say why it is rejected.", "Choose one of the reasons.")
    if len(note) > NOTE_LENGTH:
        raise _refusal("note-too-long", f"A note has at most {NOTE_LENGTH} characters.", "Shorten it.")
    with _refusals_told(approval, by=by), transaction.atomic():
        locked = _lock_for_review(approval, by=by, now=now)
        _vote(locked, Vote.Verdict.REJECT, by=by, reason=reason, note=note, now=now)
        end_with(locked, Step.REJECT, because=reason, now=now)
        record_step("approval.rejected", locked, actor=Ref("person", str(by.id)), data={"reason": reason}, now=now)
    approval.refresh_from_db()


def has_quorum(approval: Approval) -> bool:
    """Whether enough people have approved exactly this: their signatures hold, and none of them made it."""
    contributions = contributors_of(approval)
    allows_importers = get_policy(approval.account_id).allows_importers
    votes = approval.votes.filter(verdict=Vote.Verdict.APPROVE, digest=approval.digest)
    approvers = [
        vote.voter_id
        for vote in votes.exclude(voter=approval.submitted_by_id)
        if is_signed(vote)
        and quorum.is_apart(vote.voter_id, contributions=contributions, allows_importers=allows_importers)
    ]
    return quorum.counts(approvers, needed=approval.needed, contributions=contributions)


def is_signed(vote: Vote) -> bool:
    """Whether this vote was made by us: a row somebody wrote into the table has no signature of ours."""
    stated = digest_of(_stated_by(vote)) if vote.verdict == Vote.Verdict.APPROVE else ""
    try:
        Ed25519PublicKey.from_public_bytes(derived.public_key()).verify(
            bytes.fromhex(vote.signature), signed_bytes(vote, stated=stated)
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def signed_content(vote: Vote, *, stated: str) -> dict[str, Any]:
    """What a vote's signature covers: person, moment, meaning, the manifest, and what the person attested."""
    return {
        "v": 1,
        "approval": str(vote.approval.public_id),
        "digest": vote.digest,
        "voter": vote.voter_id,
        "verdict": vote.verdict,
        "reason": vote.reason,
        "note": digest_of(vote.note),
        "factor_age": vote.factor_age,
        "at": write_moment(vote.at),
        "attestations": stated,
    }


def signed_bytes(vote: Vote, *, stated: str) -> bytes:
    """The same, as it is signed."""
    return b"sealpost vote\0" + canonical_json(signed_content(vote, stated=stated))


def _stated_by(vote: Vote) -> dict[str, object]:
    rows = vote.approval.attestations.filter(person=vote.voter_id, side=Side.APPROVER.value)
    return {
        row.code: {"version": row.text_version, "text": row.text_digest, "answers": row.answers}
        for row in rows.order_by("code")
    }


def _lock_for_review(approval: Approval, *, by: Person, now: datetime) -> Approval:
    locked = lock_approval(approval.pk)
    if locked.state != State.IN_REVIEW or is_late(locked, now=now):
        raise NotNow
    policy = get_policy(locked.account_id)
    quorum.check_may_approve(
        by,
        submitted_by=locked.submitted_by_id,
        contributions=contributors_of(locked),
        allows_importers=policy.allows_importers,
    )
    return locked


def _check_confirmed(approval: Approval, confirmed: Collection[str]) -> None:
    overridden = {hit["digest"] for hit in approval.manifest["scanner"]["hits"] if hit["override_by"]}
    if not overridden <= set(confirmed):
        raise _refusal(
            "override-unconfirmed",
            "The author overrode something the check of the content found.",
            "Look at each place and confirm that it is no health information, or reject.",
        )


def _check_date(approval: Approval, *, until: datetime) -> None:
    if approval.not_before is not None and approval.not_before > until:
        raise _refusal(
            "too-late",
            "The date of this send lies beyond the time an approval holds.",
            "Approve it later, or reject it so that its author chooses an earlier date.",
        )


def _vote(
    approval: Approval, verdict: Vote.Verdict, *, by: Person, now: datetime, stated: str = "", reason: str = "", note: str = ""
) -> None:  # fmt: skip
    assert by.factor_age is not None
    vote = Vote(
        approval=approval, voter_id=by.id, submitted_by_id=approval.submitted_by_id, verdict=verdict.value, reason=reason,
        note=note, factor_age=int(by.factor_age.total_seconds()), at=now, digest=approval.digest,
    )  # fmt: skip
    vote.signature = derived.sign(signed_bytes(vote, stated=stated)).hex()
    try:
        with transaction.atomic():
            vote.save(force_insert=True)
    except IntegrityError as error:
        raise _refusal("already-voted", "You have decided about this already.", "Nothing is left to do.") from error


@contextlib.contextmanager
def _refusals_told(approval: Approval, *, by: Person) -> Generator[None]:
    """Tell the audit trail of somebody who tried what they may not, once the transaction that refused it is gone."""
    try:
        yield
    except NotAllowed as error:
        audit.note(
            "approval.refused",
            owner=str(approval.account.public_id),
            actor=Ref("person", str(by.id)),
            about=Ref("approval", str(approval.public_id)),
            data={"code": error.code},
        )
        raise


def _refusal(code: str, text: str, action: str) -> CampaignError:
    return CampaignError(f"approval.{code}", text, action=action, status=409)
