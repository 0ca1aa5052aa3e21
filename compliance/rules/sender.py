"""Who the mail comes from."""

from __future__ import annotations

from compliance.facts import Finding, SendFacts
from compliance.registry import note, rule

# The one way out that keeps every mail on this machine, so nobody can be impersonated through it.
SANDBOX = "sandbox"

_CITATION = "standards MP-01; Email API docs: Prerequisites, verified sending domain"


@rule("sender.domain-unverified", citation=_CITATION)
def check_sender_domain(facts: SendFacts) -> Finding | None:
    """Mail leaves this machine only from a verified domain."""
    if facts.transport_kind == SANDBOX or facts.sender_domain_verified is True:
        return None
    return Finding(
        "sender.domain-unverified",
        "The sender's domain is not verified.",
        "Publish the records shown on the domain's page, then check the domain again.",
    )


@rule(
    "sender.dmarc-missing",
    citation="Email API docs: Prerequisites, verified sending domain; RFC 9989; 45 CFR 164.312(c)(1)",
    features=["hipaa.send", "hipaa.endpoint"],
)
def check_dmarc(facts: SendFacts) -> Finding | None:
    """Nobody can send protected mail's look-alikes: its domain says by DMARC what becomes of mail that only claims to be from it."""
    if facts.transport_kind == SANDBOX or facts.sender_dmarc == "":
        return None
    return Finding(
        "sender.dmarc-missing",
        f"Mail under HIPAA needs a DMARC record of the sender's domain. {facts.sender_dmarc or 'Nobody has looked yet.'}",
        "Publish the record shown on the domain's page, then check the domain again.",
    )


@note("sender.sandbox-needs-no-domain", citation=_CITATION)
def note_sandbox(facts: SendFacts) -> Finding | None:
    """The sandbox sends nothing out, so it alone works without a verified domain."""
    if facts.transport_kind != SANDBOX or facts.sender_domain_verified is True:
        return None
    return Finding(
        "sender.sandbox-needs-no-domain",
        "The sandbox keeps every mail on this machine, so the sender's domain need not be verified yet.",
        "Verify the domain before you switch to a transport that sends.",
    )
