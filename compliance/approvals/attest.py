"""The seven attestations: what the author of a send and whoever approves it state, each for themselves.

The texts are versioned: a changed text is another version, and what somebody stated keeps the version and its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from campaigns.errors import CampaignError

VERSION = 1


@dataclass(frozen=True, slots=True)
class Statement:
    """One attestation; `needs` are the answers that belong to it, each with the values it may have."""

    code: str
    topic: str
    text: str
    citation: str
    needs: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of what was shown, in hex."""
        return hashlib.sha256(f"{VERSION}\n{self.code}\n{self.text}".encode()).hexdigest()


class LegalBasis(StrEnum):
    """Why the disclosure is permitted (45 CFR 164.502(a), 164.506, 164.508, 164.512)."""

    TO_INDIVIDUAL = "to-individual"
    TREATMENT = "treatment"
    PAYMENT = "payment"
    OPERATIONS = "operations"
    AUTHORIZATION = "authorization"
    OTHER = "other"


class Side(StrEnum):
    """Who states it."""

    AUTHOR = "author"
    APPROVER = "approver"


STATEMENTS = (
    Statement(
        "A1", "Permitted disclosure",
        "I have determined that giving this information to the recipients' email providers is permitted under 45 CFR "
        "164.502–164.512, on the basis I selected.",
        "45 CFR 164.502–164.512",
        {"basis": frozenset(LegalBasis)},
    ),
    Statement(
        "A2", "Authorization and consent",
        "An authorization or consent is not required for the reason I selected, or a valid and unexpired one is on file "
        "for every recipient that will be sent.",
        "45 CFR 164.508",
        {"authorization": frozenset({
            "not-required-treatment", "not-required-payment", "not-required-operations", "not-required-individual",
            "not-required-refill", "not-required-other", "on-file",
        })},
    ),
    Statement(
        "A3", "Minimum necessary",
        "The fields listed here are the least needed for this purpose.",
        "45 CFR 164.514(d)",
    ),
    Statement(
        "A4", "Other applicable law",
        "I have considered other law that applies: substance-use records (42 CFR Part 2), psychotherapy notes, minors, "
        "the law of the recipients' states, and the rules for commercial mail.",
        "45 CFR 160.203; 42 CFR Part 2; 45 CFR 164.508(a)(2)",
        {
            "substance": frozenset({"none", "consent-on-file"}),
            "psychotherapy": frozenset({"none", "present"}),
            "minors": frozenset({"none", "considered"}),
        },
    ),
    Statement(
        "A5", "Delivery to third parties",
        "I understand that delivery is to mailboxes run by third parties without a contract with us, and may itself be a "
        "disclosure of protected health information.",
        "Email API docs: customer responsibilities for HIPAA-eligible email services",
    ),
    Statement(
        "A6", "Recipients",
        "The addresses were checked against the records of the organisation, and in the masked sample rows name and "
        "address belong together.",
        "45 CFR 164.530(c)",
    ),
    Statement(
        "A7", "Content",
        "I have read the preview with sample data to its end. Subject, link texts and attachment names contain no health "
        "information.",
        "45 CFR 164.502(b)",
    ),
)  # fmt: skip
# Why no authorization is needed follows from the basis; a consent may be on file for any of them, and one stands on it alone.
ANSWERS_FITTING: Mapping[str, frozenset[str]] = {
    LegalBasis.TO_INDIVIDUAL: frozenset({"not-required-individual", "not-required-refill", "on-file"}),
    LegalBasis.TREATMENT: frozenset({"not-required-treatment", "not-required-refill", "on-file"}),
    LegalBasis.PAYMENT: frozenset({"not-required-payment", "on-file"}),
    LegalBasis.OPERATIONS: frozenset({"not-required-operations", "not-required-refill", "on-file"}),
    LegalBasis.AUTHORIZATION: frozenset({"on-file"}),
    LegalBasis.OTHER: frozenset({"not-required-other", "on-file"}),
}
BY_CODE = {statement.code: statement for statement in STATEMENTS}


class AttestationMissing(CampaignError):
    """`codes` are the statements that were not made, or whose answer is missing."""

    def __init__(self, codes: Collection[str]) -> None:
        topics = ", ".join(BY_CODE[code].topic.lower() for code in sorted(codes))
        super().__init__(
            "approval.attestation-missing",
            f"Not everything has been attested: {topics}.",
            action="Read each statement, answer what it asks and tick it.",
            status=409,
        )
        self.codes = frozenset(codes)


def check_attested(made: Mapping[str, Mapping[str, str]], *, basis: str) -> None:
    """Returns when every statement was made with answers that fit it and the send's legal basis; made: code → answers.

    Raises AttestationMissing, and CampaignError `hipaa.psychotherapy-notes`.
    """
    missing = {statement.code for statement in STATEMENTS if not _is_made(statement, made.get(statement.code))}
    if not missing and made["A1"]["basis"] != basis:
        missing = {"A1"}
    elif not missing and made["A2"]["authorization"] not in ANSWERS_FITTING.get(basis, frozenset()):
        missing = {"A2"}
    if missing:
        raise AttestationMissing(missing)
    if made["A4"]["psychotherapy"] != "none":
        raise CampaignError(
            "hipaa.psychotherapy-notes",
            "Psychotherapy notes are not sent from here: each use of them needs an authorization of its own (45 CFR 164.508(a)(2)).",
            action="Take them out of the send.",
            status=409,
        )


def summarise(made: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What was stated, as the manifest holds it."""
    return {
        code: {"version": VERSION, "text": BY_CODE[code].digest, "answers": dict(answers)}
        for code, answers in sorted(made.items())
        if code in BY_CODE
    }


def _is_made(statement: Statement, answers: Mapping[str, str] | None) -> bool:
    if answers is None or answers.keys() != statement.needs.keys():
        return False
    return all(answers[name] in allowed for name, allowed in statement.needs.items())
