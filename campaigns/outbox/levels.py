"""How much opens and clicks of one mail may say about its reader: one decision, made from every switch there is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from campaigns.models import Account, BaaStatus, Campaign, ContactList, Domain, Lane, Purpose, TrackingLevel


@dataclass(frozen=True, slots=True)
class Switches:
    """The switches one above the other; None where a layer says nothing.

    `account` is that of the mail's purpose. `reader` is what the person chose, None while they were not asked.
    """

    lane: str
    baa_status: str
    account: int
    needs_consent: bool
    domain: int | None = None
    campaign: int | None = None
    lists: tuple[int | None, ...] = ()
    reader: int | None = None

    def of_reader(self, choice: int | None) -> Switches:
        return replace(self, reader=choice)


def decide_level(switches: Switches) -> TrackingLevel:
    """The level for one reader: no layer can raise what another one lowers.

    Nothing at all under HIPAA. A person is only followed individually after they agreed, unless the account does not
    need that where its readers live (LA-04).
    """
    if switches.lane != Lane.STANDARD or switches.baa_status != BaaStatus.NONE:
        return TrackingLevel.OFF
    layers = (switches.account, switches.domain, switches.campaign, *switches.lists, switches.reader)
    level = min(layer for layer in layers if layer is not None)
    if switches.needs_consent and switches.reader is None:
        level = min(level, TrackingLevel.AGGREGATE)
    return TrackingLevel(level)


def ceiling(switches: Switches) -> TrackingLevel:
    """The most any reader's mail can have: what somebody who agreed to everything gets."""
    return decide_level(switches.of_reader(TrackingLevel.INDIVIDUAL))


def gather_switches(
    account: Account, *, lane: str, purpose: str, domain: Domain | None, campaign: int | None,
    lists: Iterable[ContactList],
) -> Switches:  # fmt: skip
    """The switches of a submission or a draft; of several lists the strictest counts for everybody on any of them."""
    is_marketing = purpose == Purpose.MARKETING
    return Switches(
        lane=lane,
        baa_status=account.baa_status,
        account=account.tracking if is_marketing else account.tracking_transactional,
        needs_consent=account.tracking_needs_consent,
        domain=domain.tracking if domain is not None else None,
        campaign=campaign,
        lists=tuple(entry.tracking for entry in lists),
    )


def campaign_switches(campaign: Campaign) -> Switches:
    """The switches of a campaign as it stands."""
    return gather_switches(
        campaign.account,
        lane=Lane.STANDARD,
        purpose=campaign.purpose,
        domain=campaign.sender.domain if campaign.sender else None,
        campaign=campaign.tracking,
        lists=campaign.lists.all(),
    )
