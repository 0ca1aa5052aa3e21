"""Submitting a send for approval: everything is checked that can be, and what it is made of is pinned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from campaigns.errors import CampaignError
from compliance.approvals import attest, quorum, routine
from compliance.approvals.attest import Side
from compliance.approvals.contributions import Thing, note_contribution
from compliance.approvals.policy import get_policy
from compliance.approvals.quorum import Person, Stakes
from compliance.approvals.steps import record_step
from compliance.audit import Ref, Value
from compliance.manifest import Recipients, digest_of, make_manifest
from compliance.models import Approval, Attestation

REVIEW_TIME = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something the detectors found; `overridden_by` is who said that it is no protected data, 0 for nobody.

    `where` is a place such as `html:41`, `digest` stands for the text that was found.
    """

    rule: str
    where: str
    blocks: bool
    digest: str
    overridden_by: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """What is submitted. `parts` are the manifest's but those made here: attestations, policy_version, protocol and scanner.

    `things` are what contributions count for, besides the campaign itself: its template, for one.
    """

    account_id: int
    campaign_id: int
    campaign: str
    parts: Mapping[str, Any]
    recipients: Recipients
    legal_basis: str
    ruleset: str
    hits: Sequence[Hit] = ()
    unused_variables: Sequence[str] = ()
    things: Sequence[Thing] = ()
    not_before: datetime | None = None
    allows_plaintext: bool = False
    attested: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def submit(send: Send, *, by: Person, network: str = "", now: datetime) -> Approval:
    """A new approval in review.

    Raises CampaignError: `approval.no-policy`, `.no-recipients`, `.attestation-missing`, `.minimum-necessary`,
    `.scanner-blocked`, `.scanner-unanswered`, `.too-late` or `.already-submitted`, `hipaa.psychotherapy-notes`, and NotAllowed.
    """
    quorum.check_is_person(by, roles=quorum.SUBMITTING_ROLES)
    policy = get_policy(send.account_id)
    _check(send, now=now, valid=timedelta(days=policy.valid_days))
    stakes = Stakes(
        send.legal_basis, send.recipients.count, any(hit.overridden_by for hit in send.hits), send.allows_plaintext
    )
    manifest = _make_manifest(send, policy_version=policy.version)
    needed = quorum.needed_approvals(policy.approvals, stakes)
    if protocol := routine.find_protocol(send.account_id, manifest, needed=needed, stakes=stakes, now=now):
        manifest, needed = manifest | {"protocol": str(protocol.public_id)}, 1
    approval = Approval(
        account_id=send.account_id, campaign_id=send.campaign_id, submitted_by_id=by.id, submitted_at=now,
        manifest=manifest, digest=digest_of(manifest), recipients=send.recipients.count,
        merkle_root=send.recipients.root, things=[["campaign", send.campaign], *map(list, send.things)],
        needed=needed, policy_version=policy.version,
        not_before=send.not_before, review_until=now + REVIEW_TIME,
    )  # fmt: skip
    try:
        with transaction.atomic():
            _save(approval, send, by=by, network=network)
    except IntegrityError as error:
        raise CampaignError(
            "approval.already-submitted",
            "This send has been submitted already.",
            action="Withdraw it first when you want to change it.",
            status=409,
        ) from error
    return approval


def add_attestations(
    approval: Approval,
    made: Mapping[str, Mapping[str, str]],
    *,
    person_id: int,
    side: Side,
    network: str,
    now: datetime,
) -> None:
    """Keep what somebody stated; belongs into the transaction of what they did."""
    Attestation.objects.bulk_create(
        Attestation(
            approval=approval, person_id=person_id, side=side.value, code=code, answers=dict(answers),
            text_version=attest.VERSION, text_digest=attest.BY_CODE[code].digest, at=now, network=network,
        )
        for code, answers in sorted(made.items()) if code in attest.BY_CODE
    )  # fmt: skip


def _save(approval: Approval, send: Send, *, by: Person, network: str) -> None:
    now = approval.submitted_at
    last = Approval.objects.filter(campaign=send.campaign_id).aggregate(last=Max("revision"))["last"]
    approval.revision = (last or 0) + 1
    approval.save(force_insert=True)
    add_attestations(approval, send.attested, person_id=by.id, side=Side.AUTHOR, network=network, now=now)
    note_contribution(("campaign", send.campaign), person_id=by.id, part="attestations", now=now)
    data: dict[str, Value] = {
        "digest": approval.digest,
        "recipients": approval.recipients,
        "needed": approval.needed,
        "protocol": approval.manifest["protocol"],
    }
    record_step("approval.submitted", approval, actor=Ref("person", str(by.id)), data=data, now=now)


def _check(send: Send, *, now: datetime, valid: timedelta) -> None:
    attest.check_attested(send.attested, basis=send.legal_basis)
    if send.recipients.count < 1:
        raise _refusal("no-recipients", "There is nobody to send to.", "Upload the recipients first.")
    if send.unused_variables:
        raise _refusal(
            "minimum-necessary",
            f"{len(send.unused_variables)} fields are uploaded but never used (45 CFR 164.514(d)).",
            "Remove them from the template's variables and from the file.",
        )
    if any(hit.blocks and not hit.overridden_by for hit in send.hits):
        raise _refusal(
            "scanner-blocked",
            "The content seems to name protected health information outside of the recipients' values.",
            "Correct what the check found, or ask the compliance officer for an exception.",
        )
    if any(not hit.overridden_by for hit in send.hits):
        raise _refusal(
            "scanner-unanswered",
            "The check of the content has questions nobody has answered.",
            "Correct each place, or say why it is no health information.",
        )
    if send.not_before is not None and send.not_before > now + REVIEW_TIME + valid:
        raise _refusal("too-late", "An approval does not hold that long.", "Choose an earlier date.")


def _make_manifest(send: Send, *, policy_version: int) -> dict[str, Any]:
    hits = [
        {
            "rule": hit.rule,
            "where": hit.where,
            "blocks": hit.blocks,
            "digest": hit.digest,
            "override_by": hit.overridden_by,
        }
        for hit in send.hits
    ]
    made = {
        "attestations": digest_of(attest.summarise(send.attested)),
        "policy_version": policy_version,
        "protocol": None,
        "scanner": {"ruleset": send.ruleset, "hits": hits},
    }
    return make_manifest({**send.parts, **made}, recipients=send.recipients)


def _refusal(code: str, text: str, action: str) -> CampaignError:
    return CampaignError(f"approval.{code}", text, action=action, status=409)
