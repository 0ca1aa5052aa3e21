"""The card on a campaign's page about the public archive."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.errors import CampaignError
from campaigns.models import BaaStatus, Campaign, CampaignState
from campaigns.reading import archive


@dataclass(frozen=True, slots=True)
class ArchiveCard:
    """Whether the mail can be read by everybody now, where, and what keeps it from being shown."""

    url: str
    is_shown: bool
    may_change: bool
    problem: str


def describe_archive(campaign: Campaign) -> ArchiveCard | None:
    """The card; None where the account has no archive or the campaign no mail yet."""
    account = campaign.account
    if campaign.content is None or not account.has_public_archive or account.baa_status != BaaStatus.NONE:
        return None
    problem = _problem(campaign) if campaign.in_archive else ""
    is_shown = campaign.in_archive and campaign.state == CampaignState.SENT and not problem
    # A draft is changed by its form; a cancelled one is never shown.
    may_change = campaign.state not in {CampaignState.DRAFT, CampaignState.CANCELLED}
    return ArchiveCard(archive.issue_path(campaign), is_shown, may_change, problem)


def _problem(campaign: Campaign) -> str:
    try:
        archive.read_publicly(campaign)
    except CampaignError as error:
        return f"{error.safe_text} {error.action}".strip()
    return ""
