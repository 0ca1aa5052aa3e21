"""Whether the recipient agreed, or asked not, to be written to. The caller looks it up at hand-over (UN-11)."""

from __future__ import annotations

from compliance.facts import Finding, SendFacts
from compliance.registry import rule

_NEVER = "Leave the person out; only they themselves can subscribe again."


@rule("recipient.not-looked-up", citation="standards UN-11")
def check_looked_up(facts: SendFacts) -> Finding | None:
    """A recipient whose suppressions nobody looked up gets no mail."""
    if isinstance(facts.recipient_block, str):
        return None
    return Finding(
        "recipient.not-looked-up",
        "Whether this person may be written to was not looked up.",
        "Try again; if it stays, tell the operator of this installation.",
    )


@rule("recipient.unsubscribed", citation="16 CFR 316.5; RFC 8058; standards UN-12")
def check_unsubscribed(facts: SendFacts) -> Finding | None:
    """A person who unsubscribed from marketing gets none."""
    if facts.recipient_block != "unsubscribed":
        return None
    return Finding("recipient.unsubscribed", "This person unsubscribed from marketing mail.", _NEVER)


@rule("recipient.list-unsubscribed", citation="16 CFR 316.5; RFC 8058; standards UN-12")
def check_list_unsubscribed(facts: SendFacts) -> Finding | None:
    """A person who left the lists of this mail does not get it."""
    if facts.recipient_block != "list-unsubscribed":
        return None
    return Finding("recipient.list-unsubscribed", "This person unsubscribed from the lists of this mail.", _NEVER)


@rule("recipient.too-often", citation="standards evil input 39; GDPR art. 21")
def check_frequency(facts: SendFacts) -> Finding | None:
    """A person who wants mail less often does not get this one."""
    if facts.recipient_block != "too-often":
        return None
    return Finding(
        "recipient.too-often",
        "This person chose to get marketing mail less often, and had some lately.",
        "Nothing to do: the next campaign after their pause reaches them.",
    )


@rule("recipient.not-authorized", citation="45 CFR 164.508(a)(3), (b)(5), (c)")
def check_authorized(facts: SendFacts) -> Finding | None:
    """Marketing, and what else stands on authorizations, goes to nobody without a valid one at the moment it would leave."""
    if facts.recipient_block != "not-authorized":
        return None
    return Finding(
        "recipient.not-authorized",
        "No valid authorization for this use is on file for this person.",
        "Record one, or leave the person out (45 CFR 164.508).",
    )


@rule("recipient.authorization-revoked", citation="45 CFR 164.508(b)(5)")
def check_not_revoked(facts: SendFacts) -> Finding | None:
    """A person who revoked their authorization gets nothing that needs one."""
    if facts.recipient_block != "revoked-auth":
        return None
    return Finding(
        "recipient.authorization-revoked",
        "This person revoked their authorization.",
        "Leave the person out, unless they sign a new one.",
    )


@rule("recipient.restriction", citation="45 CFR 164.522(a)")
def check_not_restricted(facts: SendFacts) -> Finding | None:
    """A person whose restriction was agreed to gets no mail."""
    if facts.recipient_block != "restriction":
        return None
    return Finding(
        "recipient.restriction",
        "It was agreed with this person that their information is not sent.",
        "Leave the person out until they or you end the restriction (45 CFR 164.522(a)(2)).",
    )


@rule("recipient.no-email", citation="45 CFR 164.522(b)")
def check_wants_email(facts: SendFacts) -> Finding | None:
    """A person who asked to be reached another way gets no mail."""
    if facts.recipient_block != "no-email":
        return None
    return Finding(
        "recipient.no-email", "This person asked to be reached another way than by email.", "Reach them that way."
    )


_KNOWN = (
    "", None, "unsubscribed", "list-unsubscribed", "too-often", "not-authorized", "revoked-auth", "restriction", "no-email",
)  # fmt: skip


@rule("recipient.suppressed", citation="16 CFR 316.5; standards UN-12, FB-02")
def check_suppressed(facts: SendFacts) -> Finding | None:
    """A suppressed address gets no mail; a reason this rule does not know counts as suppressed."""
    if facts.recipient_block in _KNOWN:
        return None
    return Finding(
        "recipient.suppressed",
        "This address is suppressed.",
        "Leave the person out; lift the suppression only when you know its reason no longer holds.",
    )
