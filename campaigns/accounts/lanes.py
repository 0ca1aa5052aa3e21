"""Two lanes, each with doors of its own: no key and no account comes in by both (hipaa.md R1)."""

from __future__ import annotations

from campaigns.accounts.credentials import Credential
from campaigns.errors import CampaignError
from campaigns.models import BaaStatus, Lane
from compliance.features import check_eligible


def require_door(credential: Credential, lane: Lane, *, capability: str) -> None:
    """Returns when the credential may come in by a door of this lane; PHI must not even be parsed at an ordinary one.

    `capability` is what the door stands for (compliance.features). Raises CampaignError `key.wrong-lane` or
    `account.no-agreement`, and NotEligible, with status 403.
    """
    if credential.lane != lane:
        where = "HIPAA-eligible" if credential.lane == Lane.HIPAA else "ordinary"
        raise CampaignError(
            "key.wrong-lane",
            f"This key belongs to the {where} endpoint.",
            action=f"Send to the {where} host.",
            status=403,
        )
    if lane == Lane.STANDARD:
        check_eligible(capability, baa_status=credential.account.baa_status)
    if lane == Lane.HIPAA and credential.account.baa_status != BaaStatus.ACTIVE:
        raise CampaignError(
            "account.no-agreement",
            "This account has no Business Associate Agreement in force.",
            action="Send to the ordinary host with a key of that lane.",
            status=403,
        )
