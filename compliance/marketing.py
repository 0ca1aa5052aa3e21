"""Is it marketing? Four answers, and what the law makes of them (45 CFR 164.501, 164.508(a)(3); 42 USC 17936). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from campaigns.errors import CampaignError
from compliance.approvals.attest import LegalBasis

_PARAGRAPH = re.compile(r"164\.512 ?\([a-l]\)")


@dataclass(frozen=True, slots=True)
class Question:
    """One question to the author: its name, what is asked, and what helps to answer it."""

    name: str
    text: str
    hint: str


QUESTIONS = (
    Question(
        "promotes",
        "Does the mail encourage people to buy or use a product or a service?",
        "Also one of your own, and also when it costs nothing.",
    ),
    Question(
        "paid",
        "Does somebody else pay you for sending it?",
        "Whoever makes or sells what the mail is about, directly or through others.",
    ),
    Question(
        "refill",
        "Is it a reminder of a drug the person takes now, and paid with no more than it costs to send?",
        "Refills, generics of it, taking it as prescribed; a prescription that lapsed at most 90 days ago.",
    ),
    Question(
        "care",
        "Is it about the person's own treatment, or about services of your own plan or practice?",
        "Such as an appointment, a result, a referral, or another treatment for the same person.",
    ),
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a send is: whether it is marketing, whether somebody else pays for it, and why, in a sentence for people."""

    is_marketing: bool
    is_paid: bool
    why: str

    @property
    def purpose(self) -> str:
        """The purpose of its mail, which decides about unsubscribe links and postal addresses."""
        return "marketing" if self.is_marketing else "transactional"


def judge(answers: Mapping[str, bool]) -> Judgement:
    """The judgement; raises CampaignError `hipaa.purpose-unanswered` unless every question has an answer."""
    if answers.keys() != {one.name for one in QUESTIONS}:
        raise CampaignError(
            "hipaa.purpose-unanswered", "Not every question about the purpose is answered.", action="Answer all four."
        )
    paid = answers["paid"]
    if answers["refill"]:
        return Judgement(False, paid, "A reminder of a current drug, at no more than its cost, is not marketing.")
    if paid:
        # 42 USC 17936(a): who is paid for it cannot call it treatment or operations.
        return Judgement(
            True, True, "Somebody else pays for it, and it is no reminder of a current drug: it is marketing."
        )
    if answers["promotes"] and not answers["care"]:
        return Judgement(True, False, "It encourages people to buy or use something: it is marketing.")
    if answers["care"]:
        return Judgement(
            False, False, "It is about the person's own care or your own services, and nobody pays for it."
        )
    return Judgement(False, False, "It does not encourage anybody to buy or use anything, and nobody pays for it.")


def needs_authorizations(judgement: Judgement, *, basis: str) -> bool:
    """Whether each recipient must have signed an authorization: for marketing, and for whatever else stands on one."""
    return judgement.is_marketing or basis == LegalBasis.AUTHORIZATION


def check_basis(judgement: Judgement, *, basis: str, reference: str) -> None:
    """Returns when the basis carries the send; `reference` is what the author wrote beside it.

    Raises CampaignError `hipaa.marketing-authorization` for marketing on any basis but an authorization, and
    `hipaa.citation-missing` for another permission whose paragraph is not named.
    """
    if judgement.is_marketing and basis != LegalBasis.AUTHORIZATION:
        raise CampaignError(
            "hipaa.marketing-authorization",
            f"{judgement.why} Marketing with protected information needs an authorization of every recipient "
            "(45 CFR 164.508(a)(3)).",
            action="Choose “authorization”, or correct the answers.",
            status=422,
        )
    if basis == LegalBasis.OTHER and not _PARAGRAPH.search(reference):
        raise CampaignError(
            "hipaa.citation-missing",
            "Another permission holds only by a paragraph of 45 CFR 164.512, and none is named.",
            action="Write it as reference, such as 45 CFR 164.512(b)(1)(i).",
            status=422,
        )
