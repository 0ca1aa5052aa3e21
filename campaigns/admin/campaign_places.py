"""Where to go to put right what stops a campaign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from campaigns.models import Campaign
from compliance.facts import Finding

_PARTS = {
    "campaign.no-template": ("template", "Choose a template"),
    "campaign.no-sender": ("sender", "Choose a sender"),
    "campaign.no-list": ("lists", "Choose lists"),
    "campaign.nobody": ("lists", "Change the lists"),
    "campaign.window-empty": ("window_start", "Change the hours"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A finding with the screen that puts it right; `url` is empty when there is none."""

    text: str
    action: str
    url: str
    label: str


def place_findings(campaign: Campaign, findings: Iterable[Finding]) -> list[Place]:
    """Each finding with a link to the place where it can be put right."""
    return [Place(finding.text, finding.action, *_find_place(campaign, finding.code)) for finding in findings]


def _find_place(campaign: Campaign, code: str) -> tuple[str, str]:
    if code in _PARTS:
        field, label = _PARTS[code]
        return f"{reverse('admin:campaigns_campaign_edit', args=[campaign.public_id])}#id_{field}", label
    if code == "campaign.no-transport":
        return reverse("admin:campaigns_transport_changelist"), "Open ways to send"
    if code.startswith("hipaa.") or (code == "content.postal-address-missing" and not campaign.account.postal_address):
        return reverse("admin:campaigns_account_change", args=[campaign.account.public_id]), "Open the account"
    if code.startswith("sender.") and campaign.sender:
        return reverse("admin:campaigns_domain_change", args=[campaign.sender.domain.public_id]), "Open the domain"
    if code.startswith(("content.", "template.")) and campaign.content:
        return reverse(
            "admin:campaigns_emailtemplate_change", args=[campaign.content.template.public_id]
        ), "Open the template"
    return "", ""
