"""Opens and clicks of a campaign: what its author chooses, and what the preflight says about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from campaigns.content.compile import CompiledVersion
from campaigns.content.links import MOST_LINKS
from campaigns.content.tracked import too_many_links
from campaigns.models import Campaign, PixelPosition, TrackingLevel
from campaigns.outbox import levels
from compliance.facts import Finding


@dataclass(frozen=True, slots=True)
class Tracking:
    """The choices of a campaign, by the names of its columns; `tracking` None leaves the level to the account."""

    tracking: int | None = None
    track_opens: bool = True
    track_clicks: bool = True
    pixel_position: str = PixelPosition.TOP
    utm_source: str = ""
    utm_medium: str = ""
    utm_campaign: str = ""
    utm_content: str = ""


def check_tracking(campaign: Campaign, *, compiled: CompiledVersion) -> Iterator[Finding]:
    """What stops a campaign whose clicks are to be counted."""
    counts_clicks = campaign.track_clicks and levels.ceiling(levels.campaign_switches(campaign)) > TrackingLevel.OFF
    if counts_clicks and compiled.link_count > MOST_LINKS:
        error = too_many_links(compiled.link_count)
        yield Finding(error.code, error.safe_text, error.action)
