"""What the product may do for an account under HIPAA."""

from __future__ import annotations

from compliance.facts import Finding, SendFacts
from compliance.registry import features, rule


@rule(
    "hipaa.feature-ineligible",
    citation="Email API docs: HIPAA-ineligible services and features, Broadcast and Forms; 45 CFR 164.504(e)",
)
def check_feature_eligible(facts: SendFacts) -> Finding | None:
    """A feature that may not carry PHI is closed to the HIPAA lane and to any account that has, had or awaits a BAA."""
    if facts.account_baa_status == "none" and facts.lane == "standard":
        return None
    if features[facts.feature].hipaa_eligible:
        return None
    return Finding(
        "hipaa.feature-ineligible",
        "Mail under a Business Associate Agreement may carry protected health information, and this way of sending"
        " may not.",
        "Use the HIPAA-eligible way of sending, or an account without such an agreement.",
    )


@rule(
    "hipaa.lane-mismatch",
    citation="Email API docs: used together with a Business Associate Agreement; 45 CFR 164.504(e)",
)
def check_lane(facts: SendFacts) -> Finding | None:
    """Mail of the HIPAA lane belongs to an account that is or was under an agreement."""
    if facts.lane != "hipaa" or facts.account_baa_status != "none":
        return None
    return Finding(
        "hipaa.lane-mismatch",
        "This mail is in the HIPAA lane, and its account has no Business Associate Agreement.",
        "Record the agreement first, or send by the ordinary endpoint.",
    )


@rule(
    "hipaa.tracking-ineligible",
    citation="Email API docs: HIPAA-eligible features, tracking is not among them; OCR bulletin on tracking technologies",
)
def check_no_tracking(facts: SendFacts) -> Finding | None:
    """No pixel and no link that leads through us in mail that may carry PHI; a mail nobody looked at counts as one."""
    if (facts.account_baa_status == "none" and facts.lane == "standard") or facts.tracks is False:
        return None
    return Finding(
        "hipaa.tracking-ineligible",
        "Open and click tracking is off for mail under a Business Associate Agreement, and this mail holds some.",
        "Report this: such mail is never made with tracking.",
    )
