"""Marketing, and whatever else stands on authorizations, leaves only for whom one is on file at that moment (45 CFR 164.508)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from campaigns.models import Lane, Purpose, SendTerms, Submission
from compliance import authorizations
from compliance.approvals.attest import LegalBasis

NOT_AUTHORIZED = "not-authorized"


def find_unauthorized(submission: Submission, keys: Sequence[str], *, now: datetime) -> dict[str, str]:
    """The address keys of these that may not be written to, each with the block the gate knows; asked once a batch."""
    if submission.lane != Lane.HIPAA or submission.campaign_id is None:
        return {}
    terms = SendTerms.objects.filter(campaign=submission.campaign_id).only("legal_basis", "answers").first()
    is_marketing = submission.purpose == Purpose.MARKETING
    if not is_marketing and (terms is None or terms.legal_basis != LegalBasis.AUTHORIZATION):
        return {}
    is_paid = terms is None or bool(terms.answers.get("paid", True))
    found = authorizations.find_authorized(
        submission.account_id, keys, is_paid=is_paid, is_marketing=is_marketing, on=now.date()
    )
    return {key: NOT_AUTHORIZED for key in keys if key not in found}
