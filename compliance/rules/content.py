"""What marketing mail must show its reader."""

from __future__ import annotations

from compliance.facts import Finding, SendFacts
from compliance.registry import rule

TRANSACTIONAL = "transactional"


@rule(
    "content.unsubscribe-link-missing",
    citation="16 CFR 316.5; CAN-SPAM 15 USC 7704(a)(3); standards MP-04; Email API docs: Always include an unsubscribe link",
)
def check_unsubscribe_link(facts: SendFacts) -> Finding | None:
    """Marketing shows an unsubscribe link in its body."""
    if facts.purpose == TRANSACTIONAL or facts.has_unsubscribe_link is True:
        return None
    return Finding(
        "content.unsubscribe-link-missing",
        "Marketing mail needs a visible unsubscribe link, and none was found in the template.",
        "Put {{ unsubscribe_url }} into a link in the HTML and into the text.",
    )


@rule(
    "content.postal-address-missing",
    citation="CAN-SPAM 15 USC 7704(a)(5)(A)(iii); 16 CFR 316.2(p); standards LA-01",
)
def check_postal_address(facts: SendFacts) -> Finding | None:
    """Marketing shows the sender's valid physical postal address."""
    if facts.purpose == TRANSACTIONAL or facts.has_postal_address is True:
        return None
    return Finding(
        "content.postal-address-missing",
        "Marketing mail needs the organisation's postal address, and none was found.",
        "Fill in the account's postal address and put {{ postal_address }} into the template.",
    )
