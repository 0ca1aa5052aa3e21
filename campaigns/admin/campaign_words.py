"""What campaign screens say: states as calm badges, codes as sentences a marketer understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.models import CampaignState, Purpose
from campaigns.replies import meaning as refusals
from campaigns.replies.meaning import MEANINGS

# The tone picks a colour; the word beside it says the same, so that nothing hangs on colour alone.
TONES = {
    CampaignState.DRAFT: "is-muted",
    CampaignState.SCHEDULED: "is-info",
    CampaignState.SENDING: "is-info",
    CampaignState.PAUSED: "is-warn",
    CampaignState.SENT: "is-ok",
    CampaignState.CANCELLED: "is-muted",
}
PURPOSES = (
    (
        Purpose.MARKETING,
        "Marketing: newsletters, offers, invitations. Goes only to people who have not unsubscribed.",
    ),
    (
        Purpose.TRANSACTIONAL,
        "Transactional: something the person asked for or must know, such as a change of terms. Carries no advertising.",
    ),
)
_REASONS = {
    "recipient.authorization-revoked": "Revoked their authorization",
    "recipient.no-email": "Asked to be reached another way than by email",
    "recipient.not-authorized": "No valid authorization on file",
    "recipient.restriction": "Asked that their information is not sent",
    "recipient.suppressed": "The address is on the suppression list",
    "recipient.unsubscribed": "Unsubscribed from all marketing before the mail left",
    "recipient.list-unsubscribed": "Unsubscribed from the list before the mail left",
    "recipient.contact-removed": "The contact was deleted before the mail left",
    "recipient.not-looked-up": "It could not be checked whether this person may be written to",
    "content.unsubscribe-link-missing": "The mail had no unsubscribe link",
    "content.postal-address-missing": "The mail had no postal address",
    "hipaa.batch-paused": "Waiting until the first messages have arrived",
    "hipaa.feature-ineligible": "This account may not send ordinary campaigns",
    "message.too-large": "The mail was larger than 10 MB",
    "message.expired": "Could not be delivered in time",
    "message.seal-broken": "The personal values of this mail could not be read",
    "sender.domain-unverified": "The sender's domain was not verified",
    "message.uncertain": "Nobody knows whether they have it: the connection broke before the answer came",
    "smtp.550-5.1.1": "The address does not exist",
    "smtp.452-4.2.2": "The mailbox is full",
    "smtp.552-5.2.2": "The mailbox is full",
    "smtp.451-4.3.0": "The receiving side asked to try again later",
    "smtp.554-5.7.1": "The receiving side refused the mail by its own rules",
    "smtp.550-5.7.1": "The receiving side refused the mail by its own rules",
    "smtp.outcome-unknown": "The answer of the receiving side got lost",
    "infobip.52": "The address does not exist",
    "infobip.6002": "The mail was taken for spam",
    "infobip.6003": "Unsubscribed at the provider",
    "infobip.6006": "The address does not exist",
    "infobip.6009": "The address does not exist",
    "infobip.6010": "The mailbox is full",
    "infobip.6012": "The address does not exist",
    "infobip.6034": "The provider does not write to this address any more",
    "infobip.6035": "The provider does not write to this address any more",
    "infobip.6037": "The domain of the address takes no mail",
    "infobip.6043": "The mail was taken for spam",
    "infobip.braces": "The mail has {{ or {$ in its text, which the provider takes for placeholders of its own",
    "infobip.outcome-unknown": "The answer of the provider got lost",
    "machine.burst": "A machine: it followed many links at once",
    "machine.decoy": "A machine: it followed a link that no reader can see",
    "machine.head": "A machine: it only looked whether the link works",
    "machine.nameless": "A machine: it does not say what it is",
    "machine.prefetch": "A machine: it fetched ahead, whoever reads",
    "machine.rewriter": "A machine: a security service looked at the link",
    "machine.robot": "A machine, by its name",
    "machine.too-soon": "A machine: it came together with the mail",
    "proxy": "A mailbox fetched it for its reader; nobody can tell when",
    "unknown": "Something nobody knows",
    "provider.blocked": "The provider does not write to this address any more",
    "provider.braces": "The mail has {{ in its text, which the provider takes for placeholders of its own",
    "provider.invalid": "The address does not exist",
    "provider.outcome-unknown": "The answer of the provider got lost",
    "provider.spam": "The provider does not write to this address any more",
    "provider.unsubscribed": "Unsubscribed at the provider",
}
_AREAS = {
    "address": "The address cannot be written to",
    "bounce": "The mail came back",
    "attachment": "An attachment was refused",
    "content": "The mail could not be made for this person; a value it needs is missing or wrong",
    "delivery": "The receiving side did not take it",
    "infobip": "The provider did not deliver it",
    "provider": "The provider did not deliver it",
    "gate": "A safety check could not be completed",
    "smtp": "The receiving side did not take it",
    "transport": "The way out did not work",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why some mails did not arrive, and how many."""

    text: str
    count: int


def explain_reasons(reasons: Mapping[str, int]) -> list[Reason]:
    """Codes with counts as sentences with counts, most frequent first; codes with one sentence are one line."""
    counts: dict[str, int] = {}
    for code, count in reasons.items():
        counts[explain(code)] = counts.get(explain(code), 0) + count
    return [Reason(text, count) for text, count in sorted(counts.items(), key=lambda row: (-row[1], row[0]))]


def explain(code: str) -> str:
    """A sentence for a code; a code nobody put into words yet is told by its area."""
    area, _, rest = code.partition(".")
    if area == "bounce" and rest in MEANINGS:
        return MEANINGS[refusals.Reason(rest)].text.removesuffix(".")
    return _REASONS.get(code) or _AREAS.get(area) or "Another reason"


def people(count: int) -> str:
    """`1 person`, `48,112 people`."""
    return f"{count:,} {'person' if count == 1 else 'people'}"
