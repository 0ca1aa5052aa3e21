"""Everything that would stop a campaign, told before it is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils import timezone

from campaigns.content.compile import compile_version
from campaigns.errors import CampaignError
from campaigns.models import Campaign, Door, Submission, Transport
from campaigns.outbox.facts import submission_facts
from campaigns.planning.audience import AudienceCount, count_audience
from campaigns.planning.pace import check_window, note_pace
from campaigns.planning.tracking import check_tracking
from compliance import gate
from compliance.facts import Finding, SendFacts


@dataclass(frozen=True, slots=True)
class Preflight:
    """`findings` stop the campaign, `notes` only tell; each has a sentence and the action to take."""

    findings: tuple[Finding, ...]
    audience: AudienceCount
    notes: tuple[Finding, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.findings


def check_campaign(campaign: Campaign) -> Preflight:
    """Look at a campaign as the gate will, and at what a campaign needs before it can be asked at all."""
    audience = count_audience(campaign)
    findings = [*_missing_parts(campaign), *_audience_findings(campaign, audience), *check_window(campaign)]
    transport = campaign_transport(campaign)
    notes = note_pace(campaign, transport=transport, people=audience.recipients, now=timezone.now())
    try:
        facts = _draft_facts(campaign, transport=transport)
        if campaign.content is not None:
            findings += check_tracking(campaign, compiled=compile_version(campaign.content))
    except CampaignError as error:
        findings.append(Finding(error.code, error.safe_text, error.action or "Open the template and correct it."))
        facts = None
    if facts is not None:
        findings += gate.decide(facts).findings
        notes += gate.list_notes(facts)
    return Preflight(tuple(findings), audience, tuple(notes))


def _draft_facts(campaign: Campaign, *, transport: Transport | None) -> SendFacts | None:
    """What the gate would be asked, for a recipient nothing is known against; None while a part is missing."""
    if campaign.content is None or campaign.sender is None or transport is None:
        return None
    compiled = compile_version(campaign.content)
    draft = Submission(
        account=campaign.account,
        door=Door.CAMPAIGN,
        purpose=campaign.purpose,
        sender=campaign.sender,
        transport=transport,
    )
    known = submission_facts(
        draft, has_unsubscribe_link=compiled.has_unsubscribe_link, has_postal_address=compiled.has_postal_address
    )
    return replace(known, recipient_block="", message_bytes=0)


def campaign_transport(campaign: Campaign) -> Transport | None:
    """The campaign's own transport, or its account's default."""
    return campaign.transport or campaign.account.transports.filter(is_default=True).first()


def _missing_parts(campaign: Campaign) -> list[Finding]:
    findings = []
    if campaign.content is None:
        findings.append(Finding("campaign.no-template", "No template is chosen.", "Choose a template."))
    if campaign.sender is None:
        findings.append(Finding("campaign.no-sender", "No sender is chosen.", "Choose who the mail comes from."))
    if campaign_transport(campaign) is None:
        findings.append(
            Finding(
                "campaign.no-transport",
                "There is no way out for this mail.",
                "Set a default transport for the account.",
            )
        )
    return findings


def _audience_findings(campaign: Campaign, audience: AudienceCount) -> list[Finding]:
    if not campaign.lists.exists():
        return [Finding("campaign.no-list", "No list is chosen.", "Choose at least one list.")]
    # An empty audience never means everyone (evil input 39).
    if audience.recipients == 0:
        return [
            Finding(
                "campaign.nobody",
                "Nobody would receive this campaign.",
                "Choose a list with subscribed people, or take away an excluded list.",
            )
        ]
    return []
