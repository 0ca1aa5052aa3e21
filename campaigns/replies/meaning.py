"""The closed vocabulary of refusals: why, of which class, and what we do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Class(StrEnum):
    """What a refusal asks of us; `docs/bounces.md` has the same table for people."""

    HARD = "hard"  # nobody is there: suppress the address at once
    SOFT = "soft"  # the mailbox or its system has trouble: suppress after many, over a long time
    BLOCK = "block"  # they do not want this mail or its sender: never the address's fault
    SENDER = "sender"  # our own set-up: a person must mend it
    THROTTLE = "throttle"  # too fast: slow down for this destination
    CONTENT = "content"  # this one mail
    UNKNOWN = "unknown"  # counts as soft


class Reason(StrEnum):
    """Why; part of stored codes, so never renamed and never reused."""

    NO_MAILBOX = "no-mailbox"
    NO_DOMAIN = "no-domain"
    MOVED = "moved"
    NO_MAIL = "no-mail"

    MAILBOX_FULL = "mailbox-full"
    DISABLED = "disabled"
    TRY_LATER = "try-later"
    EXPIRED = "expired"
    NETWORK = "network"
    SYSTEM = "system"
    SYSTEM_FULL = "system-full"
    LOCAL_DELIVERY = "local-delivery"
    NO_TLS = "no-tls"

    FILTERED = "filtered"
    BLOCKED = "blocked"
    REPUTATION = "reputation"
    SENDER_REFUSED = "sender-refused"
    SPAM = "spam"
    VIRUS = "virus"
    POLICY = "policy"
    SECURITY = "security"

    AUTHENTICATION = "authentication"
    NO_PTR = "no-ptr"
    NO_RELAY = "no-relay"

    TOO_FAST = "too-fast"

    TOO_LARGE = "too-large"
    BAD_CONTENT = "bad-content"
    NOT_STANDARD = "not-standard"
    SYNTAX = "syntax"

    UNPROVEN = "unproven"
    ON_HOLD = "on-hold"
    UNDEFINED = "undefined"


@dataclass(frozen=True, slots=True)
class Meaning:
    """`text` is a sentence for the people of a campaign."""

    bounce_class: Class
    text: str


MEANINGS: dict[Reason, Meaning] = {
    Reason.NO_MAILBOX: Meaning(Class.HARD, "This mailbox does not exist."),
    Reason.NO_DOMAIN: Meaning(Class.HARD, "The domain of this address does not exist."),
    Reason.MOVED: Meaning(Class.HARD, "The person has moved to another address."),
    Reason.NO_MAIL: Meaning(Class.HARD, "The domain of this address takes no mail."),
    Reason.MAILBOX_FULL: Meaning(Class.SOFT, "The mailbox is full."),
    Reason.DISABLED: Meaning(Class.SOFT, "The mailbox is switched off for now."),
    Reason.TRY_LATER: Meaning(Class.SOFT, "The other side could not say yes at that time."),
    Reason.EXPIRED: Meaning(Class.SOFT, "Mail servers tried for days and gave up."),
    Reason.NETWORK: Meaning(Class.SOFT, "The mail servers could not talk to each other."),
    Reason.SYSTEM: Meaning(Class.SOFT, "The other mail server had trouble of its own."),
    Reason.SYSTEM_FULL: Meaning(Class.SOFT, "The other mail server had no room left."),
    Reason.LOCAL_DELIVERY: Meaning(Class.SOFT, "A program on the other side failed to take the mail."),
    Reason.NO_TLS: Meaning(Class.SOFT, "The mail servers could not agree on encryption."),
    Reason.FILTERED: Meaning(Class.BLOCK, "The reader's filter refused this mail."),
    Reason.BLOCKED: Meaning(Class.BLOCK, "The other side blocks the server this mail came from."),
    Reason.REPUTATION: Meaning(Class.BLOCK, "The other side distrusts the server or domain this mail came from."),
    Reason.SENDER_REFUSED: Meaning(Class.BLOCK, "The other side does not take mail from this sender."),
    Reason.SPAM: Meaning(Class.BLOCK, "The other side took this mail for spam."),
    Reason.VIRUS: Meaning(Class.BLOCK, "The other side took this mail for a virus."),
    Reason.POLICY: Meaning(Class.BLOCK, "A rule of the other side refuses this mail."),
    Reason.SECURITY: Meaning(Class.BLOCK, "The other side did not let this mail in for security reasons."),
    Reason.AUTHENTICATION: Meaning(Class.SENDER, "SPF, DKIM or DMARC of the sender's domain failed."),
    Reason.NO_PTR: Meaning(Class.SENDER, "The sending server has no proper reverse DNS name."),
    Reason.NO_RELAY: Meaning(Class.SENDER, "A mail server refused to pass this mail on."),
    Reason.TOO_FAST: Meaning(Class.THROTTLE, "Too much mail at once for the other side."),
    Reason.TOO_LARGE: Meaning(Class.CONTENT, "This mail is too large."),
    Reason.BAD_CONTENT: Meaning(Class.CONTENT, "Something in this mail was not accepted."),
    Reason.NOT_STANDARD: Meaning(Class.CONTENT, "This mail broke a rule of the mail standards."),
    Reason.SYNTAX: Meaning(Class.CONTENT, "The mail servers misunderstood each other."),
    Reason.UNPROVEN: Meaning(
        Class.UNKNOWN, "Somebody says that this mailbox does not exist, but no mail server's code does."
    ),
    Reason.ON_HOLD: Meaning(Class.UNKNOWN, "The other side gave no clear reason."),
    Reason.UNDEFINED: Meaning(Class.UNKNOWN, "The other side gave no reason."),
}


def class_of(reason: Reason) -> Class:
    return MEANINGS[reason].bounce_class
