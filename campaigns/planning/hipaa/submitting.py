"""Submitting a HIPAA send: what it is made of, as an approver will see it and as it must still be when it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.content.draft import draft_of
from campaigns.content.placement import find_unused
from campaigns.errors import CampaignError
from campaigns.models import HipaaSend, Submission, TemplateVersion
from campaigns.outbox.leaves import read_leaves
from campaigns.outbox.parts import describe_send
from campaigns.planning.hipaa import probing
from campaigns.planning.hipaa.checking import check_send, find_submission
from campaigns.planning.hipaa.drafting import UNFINISHED, lock_draft
from campaigns.planning.hipaa.scan import note_hits, scan_send
from compliance.approvals import submitting
from compliance.approvals.contributions import find_contributors, note_contribution
from compliance.approvals.quorum import Person
from compliance.approvals.submitting import Send
from compliance.facts import Finding
from compliance.manifest import list_recipients
from compliance.models import Approval


class NotReady(CampaignError):
    """Something stops it; `findings` are all of it."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        first = findings[0]
        super().__init__(first.code, first.text, action=first.action, status=422)
        self.findings = findings


def submit_send(
    send: HipaaSend, *, attested: Mapping[str, Mapping[str, str]], by: Person, network: str = "", now: datetime
) -> Approval:
    """A new approval in review; raises NotReady, and what compliance.approvals.submitting.submit raises."""
    scan = scan_send(send, now=now)
    note_hits(send, scan, now=now)
    if findings := check_send(send, scan=scan, now=now):
        raise NotReady(findings)
    with transaction.atomic():
        # Nobody changes it between what was checked and what is pinned.
        lock_draft(send, states=UNFINISHED)
        submission = find_submission(send)
        assert submission is not None
        assert submission.content is not None
        probing.ask(submission)
        _count_writer(submission.content)
        offered = Send(
            account_id=send.account_id,
            campaign_id=send.pk,
            campaign=str(send.public_id),
            parts=read_all_parts(submission),
            recipients=list_recipients(leaf for _, leaf in read_leaves(submission)),
            legal_basis=send.terms.legal_basis,
            ruleset=scan.ruleset,
            hits=scan.for_approval(),
            unused_variables=find_unused(draft_of(submission.content)),
            things=[("template", str(submission.content.template.public_id))],
            not_before=send.send_at,
            attested=attested,
        )
        return submitting.submit(offered, by=by, network=network, now=now)


def _count_writer(content: TemplateVersion) -> None:
    """Whoever wrote the version had a hand in it, also when that was before the account came under an agreement."""
    thing = ("template", str(content.template.public_id))
    writer = content.created_by_id
    if writer is not None and writer not in find_contributors([thing], since=None):
        note_contribution(thing, person_id=writer, part="template", now=content.created_at)


def read_all_parts(submission: Submission) -> dict[str, Any]:
    """Every part of the manifest that approvals do not make themselves, read from the rows as they are now."""
    campaign = submission.campaign
    assert campaign is not None
    assert submission.content is not None
    assert submission.sender is not None
    terms = campaign.terms
    rows = describe_send(
        campaign, content=submission.content, sender=submission.sender, transport=submission.transport,
        purpose=submission.purpose,
    )  # fmt: skip
    return {
        **rows,
        # Files are single recipients': the leaves hold them.
        "attachments": [],
        "legal_basis": terms.legal_basis,
        "schedule": {
            "not_before": campaign.send_at.isoformat() if campaign.send_at else None,
            "keep_until": terms.keep_until.isoformat() if terms.keep_until else None,
            "time_zone": campaign.account.time_zone,
        },
        "terms": {
            "reference": terms.reference,
            "answers": terms.answers,
            "values": sorted(terms.variables, key=lambda one: str(one["name"])),
            # Printed in the mail as the account's own words.
            "shown": {"account": campaign.account.name, "postal_address": campaign.account.postal_address},
            "shifted_at": terms.recipients.get("shifted_at", 0),
        },
    }
