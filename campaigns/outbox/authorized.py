"""Marketing with protected data leaves only for whom an authorization is on file at that moment (45 CFR 164.508(a)(3))."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaigns.models import Lane, Purpose, Submission
from compliance import authorizations

NOT_AUTHORIZED = "not-authorized"


def find_unauthorized(submission: Submission, keys: Sequence[str], *, now: datetime) -> dict[str, str]:
    """The address keys of these that may not be written to, each with the block the gate knows; asked once a batch."""
    campaign = submission.campaign
    if submission.lane != Lane.HIPAA or submission.purpose != Purpose.MARKETING or campaign is None:
        return {}
    is_paid = bool(campaign.terms.answers.get("paid", True))
    found = authorizations.find_authorized(submission.account_id, keys, is_paid=is_paid, on=now.date())
    return {key: NOT_AUTHORIZED for key in keys if key not in found}
