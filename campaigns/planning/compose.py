"""Making a campaign, and changing a draft."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction

from campaigns.accounts import tenancy
from campaigns.errors import CampaignError
from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    ContactList,
    EmailTemplate,
    LandingPage,
    Purpose,
    Sender,
    TemplateVersion,
    Transport,
)
from campaigns.planning.pace import Pace
from campaigns.planning.tracking import Tracking

Person = AbstractBaseUser | AnonymousUser | None


def create_campaign(
    account: Account,
    *,
    name: str,
    content: TemplateVersion,
    sender: Sender,
    lists: Sequence[ContactList],
    excluded_lists: Sequence[ContactList] = (),
    purpose: str = Purpose.MARKETING,
    transport: Transport | None = None,
    pace: Pace | None = None,
    tracking: Tracking | None = None,
    landing_page: LandingPage | None = None,
    in_archive: bool = False,
    by: Person = None,
) -> Campaign:
    """A draft campaign; raises CampaignError when a part belongs to another account."""
    _refuse_foreign(account.pk, content.template, sender, transport, landing_page, *lists, *excluded_lists)
    with transaction.atomic():
        campaign = Campaign.objects.create(
            account=account,
            name=name,
            content=content,
            sender=sender,
            purpose=purpose,
            transport=transport,
            landing_page=landing_page,
            in_archive=in_archive,
            created_by_id=by.pk if by is not None else None,
            **asdict(pace or Pace()),
            **asdict(tracking or Tracking()),
        )
        campaign.lists.set(lists)
        campaign.excluded_lists.set(excluded_lists)
    return campaign


def create_from_names(
    account: Account, *, name: str, template: str, sender: str, lists: list[str], exclude: list[str], purpose: str
) -> Campaign:
    """A draft from what people call its parts: template name, from-address, short names of lists; raises NotFound."""
    content = tenancy.find_template(account, template).latest
    if content is None:
        raise CampaignError("template.empty", "This template has no content yet.", action="Write it and save it.")
    return create_campaign(
        account,
        name=name,
        content=content,
        sender=tenancy.find_sender(account, sender),
        lists=[tenancy.find_list(account, slug) for slug in lists],
        excluded_lists=[tenancy.find_list(account, slug) for slug in exclude],
        purpose=purpose,
    )


def change_campaign(
    campaign: Campaign,
    *,
    name: str,
    content: TemplateVersion,
    sender: Sender,
    lists: Sequence[ContactList],
    excluded_lists: Sequence[ContactList],
    purpose: str,
    transport: Transport | None,
    landing_page: LandingPage | None = None,
    pace: Pace | None = None,
    tracking: Tracking | None = None,
    in_archive: bool | None = None,
) -> None:
    """Give a draft these parts, all from its own account; raises CampaignError once it is no longer a draft.

    Without a pace or a choice about tracking or the archive it keeps the one it has.
    """
    parts = (content.template, sender, transport, landing_page, *lists, *excluded_lists)
    _refuse_foreign(campaign.account_id, *parts)
    with transaction.atomic():
        # The state is part of the filter: a campaign that somebody starts meanwhile stays what was confirmed.
        changed = Campaign.objects.filter(pk=campaign.pk, state=CampaignState.DRAFT).update(
            name=name,
            content=content,
            sender=sender,
            purpose=purpose,
            transport=transport,
            landing_page=landing_page,
            **(asdict(pace) if pace else {}),
            **(asdict(tracking) if tracking else {}),
            **({} if in_archive is None else {"in_archive": in_archive}),
        )
        if not changed:
            raise CampaignError(
                "campaign.wrong-state",
                "This campaign is no longer a draft.",
                action="Load the page again to see where it stands.",
                status=409,
            )
        campaign.lists.set(lists)
        campaign.excluded_lists.set(excluded_lists)
    campaign.refresh_from_db()


def _refuse_foreign(
    account_id: int, *parts: EmailTemplate | Sender | Transport | LandingPage | ContactList | None
) -> None:
    if {part.account_id for part in parts if part is not None} != {account_id}:
        raise CampaignError("campaign.foreign-part", "Everything in a campaign must belong to its account.", status=404)
