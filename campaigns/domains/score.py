"""How well mail of a domain can arrive: a number out of 100, and what to put right first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.domains.traffic import Share, add_up

# Gmail: stay under 0.10 %, never reach 0.30 % (MP-05).
WARN_COMPLAINTS, STOP_COMPLAINTS = 0.1, 0.3
WARN_BOUNCES, STOP_BOUNCES = 2.0, 5.0
# Fewer mails say nothing: one complaint more would be chance.
ENOUGH_FOR_COMPLAINTS, ENOUGH_FOR_BOUNCES, ENOUGH_REPORTED = 1_000, 100, 100
_GOOD_PASS, _FAIR_PASS = 98.0, 90.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last look at DNS said about one record."""

    ok: bool
    code: str = ""
    text: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything the score is made of; `records` by their kind, a record nobody looked up is absent."""

    is_verified: bool
    is_failing: bool
    records: Mapping[str, Seen]
    has_return_path: bool
    has_tracking_host: bool
    shares: Sequence[Share] = ()
    reported: int = 0
    reported_passed: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the score: points of how many, why it counts, and how to gain the rest.

    `place` names the page or record to go to; a part that cannot be known yet has all its points, and says so.
    """

    key: str
    title: str
    points: int
    of: int
    why: str
    how: str = ""
    place: str = ""
    known: bool = True

    @property
    def lost(self) -> int:
        return self.of - self.points


@dataclass(frozen=True, slots=True)
class Score:
    """The parts in the order to put them right: what costs most first."""

    parts: tuple[Part, ...]

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def to_fix(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.lost)

    @property
    def fine(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if not part.lost)


def judge_standing(standing: Standing) -> Score:
    """The score of a domain that was looked up at least once; its parts have 100 points together."""
    parts = (
        _judge_proof(standing),
        _judge_dmarc(standing),
        _judge_policy(standing),
        _judge_record(standing, "spf", "Servers that may send (SPF)", 15, _WHY_SPF),
        _judge_return_path(standing),
        _judge_record(standing, "inbound-mx", "Answers reach you", 5, _WHY_ANSWERS),
        _judge_links(standing),
        _judge_complaints(standing),
        _judge_bounces(standing),
        _judge_reports(standing),
    )
    return Score(tuple(sorted(parts, key=lambda part: -part.lost)))


_WHY_SPF = "Outlook and others refuse mail whose server the return path does not allow."
_WHY_ANSWERS = "Mailboxes trust a sender that can be written to, and people do answer newsletters."


def _judge_proof(standing: Standing) -> Part:
    why = "Nothing leaves from a domain that is not proved to be yours and whose signature cannot be checked."
    if standing.is_verified and not standing.is_failing:
        return Part("proof", "Proof and signature (DKIM)", 25, 25, why)
    how = "Publish the records that are marked as needed; the page says what is wrong with each."
    return Part("proof", "Proof and signature (DKIM)", 10 if standing.is_verified else 0, 25, why, how, "records")


def _judge_dmarc(standing: Standing) -> Part:
    why = "Gmail, Yahoo and Outlook turn mail from domains without DMARC away."
    seen = standing.records.get("dmarc")
    if seen and seen.ok:
        return Part("dmarc", "DMARC", 10, 10, why)
    return Part("dmarc", "DMARC", 0, 10, why, seen.text if seen else "Publish the DMARC record.", "record-dmarc")


def _judge_policy(standing: Standing) -> Part:
    why = "p=none only watches: anybody can still send mail that looks like yours."
    seen = standing.records.get("dmarc")
    if seen and seen.policy in {"quarantine", "reject"}:
        return Part("policy", "Forgeries are stopped (DMARC policy)", 5, 5, why)
    how = "When the reports show that all your own mail passes, change p=none to p=quarantine, and later to p=reject."
    return Part("policy", "Forgeries are stopped (DMARC policy)", 0, 5, why, how, "reports")


def _judge_record(standing: Standing, kind: str, title: str, of: int, why: str) -> Part:
    seen = standing.records.get(kind)
    if seen is None:
        return Part(kind, title, of, of, why, known=False)
    if seen.ok:
        return Part(kind, title, of, of, why)
    return Part(kind, title, 0, of, why, seen.text, f"record-{kind}")


def _judge_return_path(standing: Standing) -> Part:
    title, why = (
        "Bounces come back",
        "An address that no longer exists must be found out, or mailboxes take you for a spammer.",
    )
    if not standing.has_return_path:
        how = "Set a return path such as bounces@ a name below your domain."
        return Part("return-path", title, 4, 10, why, how, "sending")
    seen = standing.records.get("return-mx")
    if seen and not seen.ok:
        return Part("return-path", title, 4, 10, why, seen.text, "record-return-mx")
    return Part("return-path", title, 10, 10, why, known=seen is not None)


def _judge_links(standing: Standing) -> Part:
    title, why = (
        "Links under your own name",
        "Links to a foreign host look like phishing, and share the reputation of whoever else uses it.",
    )
    if not standing.has_tracking_host:
        how = "Set a host of links such as click. and your domain, and publish its CNAME record."
        return Part("links", title, 2, 5, why, how, "sending")
    seen = standing.records.get("tracking")
    if seen and not seen.ok:
        return Part("links", title, 0, 5, why, seen.text, "record-tracking")
    return Part("links", title, 5, 5, why, known=seen is not None)


def _judge_complaints(standing: Standing) -> Part:
    """By the provider with the most complaints: each judges by its own readers."""
    title = "Few readers call it spam"
    why = f"Above {WARN_COMPLAINTS:g} % mailboxes sort mail out; at {STOP_COMPLAINTS:g} % they block the domain."
    known = [
        share for share in (*standing.shares, add_up(list(standing.shares))) if share.arrived >= ENOUGH_FOR_COMPLAINTS
    ]
    if not known:
        return Part("complaints", title, 10, 10, why, known=False)
    worst = max(known, key=lambda share: share.complaint_percent)
    rate = worst.complaint_percent
    points = 10 if rate < WARN_COMPLAINTS else 5 if rate < STOP_COMPLAINTS else 0
    how = (
        f"{rate:.2f} % of the readers at {_name(worst, standing)} complained lately. Write only to people who asked for it, "
        "leave out who has not opened for long, and make unsubscribing easy to find."
    )
    return Part("complaints", title, points, 10, why, "" if points == 10 else how, "providers")


def _judge_bounces(standing: Standing) -> Part:
    title = "Little mail comes back"
    why = f"More than {WARN_BOUNCES:g} % of dead addresses look like a bought list; above {STOP_BOUNCES:g} % mail is blocked."
    total = add_up(list(standing.shares))
    if total.mails < ENOUGH_FOR_BOUNCES:
        return Part("bounces", title, 10, 10, why, known=False)
    rate = total.bounce_percent
    points = 10 if rate < WARN_BOUNCES else 5 if rate < STOP_BOUNCES else 0
    how = f"{rate:.1f} % of the mail came back lately. Find out where these addresses are from, and confirm new ones by a mail."
    return Part("bounces", title, points, 10, why, "" if points == 10 else how, "providers")


def _judge_reports(standing: Standing) -> Part:
    title, why = (
        "Mail in your name passes (DMARC reports)",
        "What fails is either yours and badly set up, or somebody who pretends to be you.",
    )
    if standing.reported < ENOUGH_REPORTED:
        how = "No reports are here yet: name a mailbox for them under “How mail leaves”, and take the reports in."
        return Part("reports", title, 5, 5, why, how, "reports", known=False)
    rate = 100 * standing.reported_passed / standing.reported
    points = 5 if rate >= _GOOD_PASS else 3 if rate >= _FAIR_PASS else 0
    how = f"{rate:.1f} % of the mail mailboxes saw lately passed. Look at the servers that fail."
    return Part("reports", title, points, 5, why, "" if points == 5 else how, "reports")


def _name(share: Share, standing: Standing) -> str:
    return share.provider if any(share is known for known in standing.shares) else "all mailboxes"
