"""What the screens of protected mail say: states, reasons and questions in words for people."""

from __future__ import annotations

from collections.abc import Mapping

from compliance.approvals.attest import LegalBasis
from compliance.approvals.states import State

STATES: Mapping[str, tuple[str, str]] = {
    State.IN_REVIEW: ("In review", "is-info"),
    State.APPROVED: ("Approved", "is-ok"),
    State.SENDING: ("Sending", "is-info"),
    State.STOPPED: ("Stopped", "is-bad"),
    State.SENT: ("Sent", "is-ok"),
    State.REJECTED: ("Rejected", "is-warn"),
    State.VOIDED: ("Void", "is-warn"),
    State.EXPIRED: ("Expired", "is-warn"),
}
ENDED: Mapping[str, str] = {
    "agreement-ended": "the agreement ended",
    "account-suspended": "the account was suspended",
    "domain-unverified": "the sending domain is not verified any more",
    "edited": "it was edited",
    "integrity": "something was changed after the approval; nothing of that was sent",
    "person-deactivated": "somebody who submitted or approved it was deactivated",
    "policy-changed": "the approval policy changed",
    "protocol-ended": "the protocol it ran under ended",
    "relay-changed": "the way to send changed",
    "suppression-changed": "the rules for opting out changed",
    "terms-changed": "the terms changed",
    "withdrawn": "it was taken back",
    "ended": "somebody ended it",
    "time": "its time was over",
    "sent": "everything was handed over",
    "content": "the content",
    "recipients": "the recipients",
    "purpose": "the purpose",
    "legal-basis": "the legal basis",
    "schedule": "the time",
    "sender": "the sender",
    "other": "another reason",
}
BASES: Mapping[str, str] = {
    LegalBasis.TO_INDIVIDUAL: "To the person themselves (45 CFR 164.502(a)(1)(i))",
    LegalBasis.TREATMENT: "Treatment (45 CFR 164.506)",
    LegalBasis.PAYMENT: "Payment (45 CFR 164.506)",
    LegalBasis.OPERATIONS: "Health care operations (45 CFR 164.506)",
    LegalBasis.AUTHORIZATION: "An authorization of each recipient (45 CFR 164.508)",
    LegalBasis.OTHER: "Another permission (45 CFR 164.512): name it as reference",
}
AUTHORIZATIONS: Mapping[str, str] = {
    "not-required-treatment": "Not required: treatment",
    "not-required-payment": "Not required: payment",
    "not-required-operations": "Not required: health care operations",
    "not-required-individual": "Not required: to the person themselves",
    "not-required-refill": "Not required: reminder of a current drug, paid at cost at most",
    "not-required-other": "Not required: another permission (45 CFR 164.512)",
    "on-file": "Required, and a valid one is on file for every recipient that will be sent",
}
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "basis": BASES,
    "authorization": AUTHORIZATIONS,
    "substance": {
        "none": "No records of substance-use treatment are in it (42 CFR Part 2)",
        "consent-on-file": "Records of substance-use treatment, with the consent that 42 CFR Part 2 asks for",
    },
    "psychotherapy": {
        "none": "No psychotherapy notes are in it (45 CFR 164.508(a)(2))",
        "present": "Psychotherapy notes are in it",
    },
    "minors": {
        "none": "It is about no minors",
        "considered": "It is about minors too, and goes to whom the law of their state says",
    },
}
ANSWER_LABELS: Mapping[str, str] = {
    "basis": "Why it is permitted",
    "authorization": "Authorization or consent",
    "substance": "Substance-use records",
    "psychotherapy": "Psychotherapy notes",
    "minors": "Minors",
}
REJECTIONS = ("content", "recipients", "purpose", "legal-basis", "schedule", "sender", "other")
STOP_REASONS: Mapping[str, str] = {
    "wrong-recipients": "Wrong recipients",
    "wrong-content": "Wrong content",
    "incident": "A security incident",
    "test": "A test of the stop",
    "other": "Another reason",
}
OVERRIDES: Mapping[str, str] = {
    "own-name": "It is our own name or address",
    "public": "It is public and about nobody in particular",
    "general-information": "It is general health information for everybody",
    "nobody-meant": "It means nobody: a word or a number like another",
    "other": "Another reason",
}
PARTS: Mapping[str, str] = {
    "content": "content and purpose",
    "values": "what the values are",
    "recipients": "recipients",
    "attestations": "statements",
    "template": "template",
    "schedule": "time",
    "from": "sender",
    "legal_basis": "legal basis",
    "terms": "purpose and values",
    "purpose": "purpose",
    "relay": "way to send",
    "reply_to": "address for replies",
    "tls_policy": "encryption",
}


def state_of(approval_state: str) -> tuple[str, str]:
    """(word, tone of its badge)."""
    return STATES.get(approval_state, (approval_state, "is-muted"))
