"""The gate: may a mail with these facts go out? It fails closed: whatever goes wrong here blocks.

Deciding is pure and takes microseconds; callers decide once per distinct facts and record how many
recipients shared the verdict.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from compliance.facts import Finding, SendFacts
from compliance.registry import BOOK, Plan, Rule, RuleBook

log = logging.getLogger(__name__)

LANES = frozenset({"standard", "hipaa"})
PURPOSES = frozenset({"marketing", "transactional"})

_OURS = "This is a fault of the installation: tell its operator."
_CITATION = "house rule: a rule that cannot decide, blocks"
_UNKNOWN_FEATURE = Finding("gate.unknown-feature", "This way of sending is not known to the gate.", _OURS, _CITATION)
_UNKNOWN_LANE = Finding("gate.unknown-lane", "The lane of this mail is not known to the gate.", _OURS, _CITATION)
_UNKNOWN_PURPOSE = Finding(
    "gate.unknown-purpose", "The purpose of this mail is neither marketing nor transactional.", _OURS, _CITATION
)
_NO_RULES = Finding("gate.no-rules", "No rules are loaded for this way of sending.", _OURS, _CITATION)
_RULE_MISSING = Finding("gate.rule-missing", "A rule this way of sending needs is missing.", _OURS, _CITATION)
_RULE_FAILED = Finding("gate.rule-failed", "A rule could not come to a decision.", _OURS, _CITATION)
_RULE_ANSWER = Finding("gate.rule-wrong-answer", "A rule gave an answer the gate does not know.", _OURS, _CITATION)
_FAILED = Finding("gate.failed", "The gate could not come to a decision.", _OURS, _CITATION)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's answer: allowed exactly when there is no finding."""

    allowed: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict on some facts of a submission and the number of recipients it was applied to."""

    submission_id: int
    facts: SendFacts
    verdict: Verdict
    recipients: int


_ALLOWED = Verdict(True, ())


def decide(facts: SendFacts, *, book: RuleBook = BOOK) -> Verdict:
    """The verdict on the facts; never raises. A preflight passes recipient_block="" and learns all but the recipient."""
    try:
        findings = _find(facts, book)
    except Exception as error:
        # The gate's edge: facts no rule foresaw must block, not escape. No traceback: its text could quote a fact.
        log.error("the gate failed: %s", type(error).__name__)  # noqa: TRY400
        findings = [_FAILED]
    return Verdict(False, tuple(findings)) if findings else _ALLOWED


def list_notes(facts: SendFacts, *, book: RuleBook = BOOK) -> tuple[Finding, ...]:
    """Things worth saying in a preflight that block nothing; never raises."""
    try:
        plan = book.plan(facts.feature)
    except TypeError:
        return ()
    answers = ((note.id, _ask(note, facts)) for note in plan.notes) if plan else ()
    # A note that failed has been logged; only a rule that fails blocks.
    return tuple(answer for note_id, answer in answers if answer is not None and answer.code == note_id)


def record(decided: Iterable[Decided], *, now: datetime) -> None:
    """Keep many decisions in one statement; the newest verdict on the same facts of a submission stands."""
    rows: dict[tuple[int, str, str], Decided] = {}
    for entry in decided:
        key = (entry.submission_id, entry.facts.feature, entry.facts.digest())
        earlier = rows[key].recipients if key in rows else 0
        rows[key] = replace(entry, recipients=entry.recipients + earlier)
    if not rows:
        return
    stamp = str(connection.ops.adapt_datetimefield_value(now))
    values: list[int | bool | str] = []
    # In key order: two workers that lock the same rows lock them in the same order.
    for (submission_id, feature, digest), entry in sorted(rows.items(), key=lambda row: row[0]):
        proof = json.dumps([_as_dict(finding) for finding in entry.verdict.findings])
        values += [submission_id, feature, entry.verdict.allowed, digest, proof, entry.recipients, stamp]
    with connection.cursor() as cursor:
        cursor.execute(_RECORD.format(rows=", ".join([_ROW] * len(rows))), values)


# One upsert for both databases: adding in the database loses no count when workers record at the same time.
_ROW = "(%s, %s, %s, %s, %s, %s, %s)"
_RECORD = """
INSERT INTO compliance_decision
    (submission_id, feature, allowed, facts_digest, findings, recipients, decided_at)
VALUES {rows}
ON CONFLICT (submission_id, feature, facts_digest) DO UPDATE SET
    allowed = excluded.allowed,
    findings = excluded.findings,
    recipients = compliance_decision.recipients + excluded.recipients,
    decided_at = excluded.decided_at
"""


def _find(facts: SendFacts, book: RuleBook) -> list[Finding]:
    plan = book.plan(facts.feature)
    if plan is None:
        return [_UNKNOWN_FEATURE]
    findings = _find_gaps(facts, plan)
    for rule in plan.rules:
        answer = _ask(rule, facts)
        if answer is not None and answer not in findings:
            findings.append(answer)
    return findings


def _find_gaps(facts: SendFacts, plan: Plan) -> list[Finding]:
    findings = []
    if facts.lane not in LANES:
        findings.append(_UNKNOWN_LANE)
    if facts.purpose not in PURPOSES:
        findings.append(_UNKNOWN_PURPOSE)
    if not plan.rules:
        findings.append(_NO_RULES)
    elif plan.missing:
        findings.append(_RULE_MISSING)
    return findings


def _ask(rule: Rule, facts: SendFacts) -> Finding | None:
    try:
        answer = rule.check(facts)
    except Exception as error:
        # A broken rule blocks, whatever broke it. No traceback: its text could quote a fact.
        log.error("compliance rule %s failed: %s", rule.id, type(error).__name__)  # noqa: TRY400
        return _RULE_FAILED
    if answer is None:
        return None
    if type(answer) is not Finding or answer.code != rule.id:
        log.error("compliance rule %s failed: wrong answer", rule.id)
        return _RULE_ANSWER
    return answer if answer.citation else replace(answer, citation=rule.citation)


def _as_dict(finding: Finding) -> dict[str, str]:
    return {"code": finding.code, "text": finding.text, "action": finding.action, "citation": finding.citation}
