"""The book of features and rules the gate decides by; no Django.

A feature names the rules it cannot go without: when one of them is not registered, the feature is blocked.
Registration checks its input like Django's checks do: a rule with a bad id, a twin or no citation stops the start.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from compliance.facts import Finding, SendFacts

Check = Callable[[SendFacts], Finding | None]

_ID = re.compile(r"[a-z]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


class RegistrationError(Exception):
    """A rule or feature is declared wrongly; the text says how to put it right."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Something the product can do; `clause` quotes what decides whether it may carry PHI, `reason` explains it."""

    key: str
    hipaa_eligible: bool
    reason: str
    clause: str
    requires: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """A pure check with a stable id; `features` None means every feature."""

    id: str
    citation: str
    summary: str
    features: frozenset[str] | None
    check: Check


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run for one feature: its rules and notes in order of id, and required rules nobody registered."""

    feature: Feature
    rules: tuple[Rule, ...]
    notes: tuple[Rule, ...]
    missing: tuple[str, ...]


class RuleBook:
    """Features, rules that block, and notes that only inform."""

    def __init__(self) -> None:
        self.features: dict[str, Feature] = {}
        self.rules: dict[str, Rule] = {}
        self.notes: dict[str, Rule] = {}
        self._plans: dict[str, Plan] = {}

    def add_feature(self, feature: Feature) -> Feature:
        """Register a feature; raises RegistrationError for a bad or repeated key or an empty reason."""
        _check_id(feature.key, self.features)
        if not feature.reason or not feature.clause:
            raise RegistrationError(f"Feature {feature.key} needs a reason and the clause it rests on.")
        self.features[feature.key] = feature
        self._plans.clear()
        return feature

    def rule(self, rule_id: str, *, citation: str, features: Iterable[str] | None = None) -> Callable[[Check], Check]:
        """Decorator registering a rule that blocks when it returns a finding; raises RegistrationError."""
        return self._registrar(self.rules, rule_id, citation, features)

    def note(self, rule_id: str, *, citation: str, features: Iterable[str] | None = None) -> Callable[[Check], Check]:
        """Decorator registering a note: its finding informs a preflight and never blocks."""
        return self._registrar(self.notes, rule_id, citation, features)

    def plan(self, feature: str) -> Plan | None:
        """The plan for a feature, or None when nobody registered it."""
        plan = self._plans.get(feature)
        if plan is None and feature in self.features:
            plan = self._plans[feature] = self._make_plan(self.features[feature])
        return plan

    def find_problems(self) -> list[str]:
        """Sentences about features that cannot work: required rules missing, or rules for unknown features."""
        problems = [
            f"Feature {key} needs the rule {rule_id}, which is not registered."
            for key, feature in sorted(self.features.items())
            for rule_id in sorted(feature.requires - self.rules.keys())
        ]
        for rule in (*self.rules.values(), *self.notes.values()):
            unknown = (rule.features or frozenset()) - self.features.keys()
            problems += [f"Rule {rule.id} names the feature {key}, which is not registered." for key in sorted(unknown)]
        return problems

    def _registrar(
        self, table: dict[str, Rule], rule_id: str, citation: str, features: Iterable[str] | None
    ) -> Callable[[Check], Check]:
        def register(check: Check) -> Check:
            _check_id(rule_id, {**self.rules, **self.notes})
            summary = inspect.getdoc(check) or ""
            if not summary or not citation.strip():
                raise RegistrationError(f"Rule {rule_id} needs a docstring and a citation.")
            if len(inspect.signature(check).parameters) != 1:
                raise RegistrationError(f"Rule {rule_id} must take exactly one argument, the facts.")
            named = None if features is None else frozenset(features)
            table[rule_id] = Rule(rule_id, citation, summary, named, check)
            self._plans.clear()
            return check

        return register

    def _make_plan(self, feature: Feature) -> Plan:
        def applying(table: dict[str, Rule]) -> tuple[Rule, ...]:
            return tuple(r for _, r in sorted(table.items()) if r.features is None or feature.key in r.features)

        rules = applying(self.rules)
        missing = feature.requires - {rule.id for rule in rules}
        return Plan(feature, rules, applying(self.notes), tuple(sorted(missing)))


def _check_id(key: str, taken: Iterable[str]) -> None:
    if not _ID.fullmatch(key) or len(key) > 60:
        raise RegistrationError(f"{key!r} is not an id of the form area.kebab-case with at most 60 characters.")
    if key in taken:
        raise RegistrationError(f"{key} is registered twice.")


BOOK = RuleBook()
features = BOOK.features
rules = BOOK.rules
rule = BOOK.rule
note = BOOK.note

# What every mail of every feature must pass. Written out, so that a rule lost from the code is noticed here.
_EVERY_MAIL = frozenset(
    {
        "attachment.content-mismatch",
        "attachment.name-unsafe",
        "attachment.type-refused",
        "content.postal-address-missing",
        "content.unsubscribe-link-missing",
        "hipaa.feature-ineligible",
        "hipaa.lane-mismatch",
        "hipaa.tracking-ineligible",
        "message.too-large",
        "recipient.authorization-revoked",
        "recipient.list-unsubscribed",
        "recipient.no-email",
        "recipient.not-looked-up",
        "recipient.restriction",
        "recipient.suppressed",
        "recipient.too-often",
        "recipient.unsubscribed",
        "sender.domain-unverified",
    }
)

BROADCAST = BOOK.add_feature(
    Feature(
        "campaign.broadcast",
        hipaa_eligible=False,
        reason="A broadcast to lists says of everybody on them that they deal with this organisation.",
        clause="HIPAA-ineligible services and features: Broadcast and Forms",
        requires=_EVERY_MAIL,
    )
)
EMAIL_API = BOOK.add_feature(
    Feature(
        "api.email",
        hipaa_eligible=False,
        reason="The ordinary HTTP API is not the dedicated endpoint that mail with PHI must go through.",
        clause="HIPAA-eligible Email API access is provided exclusively through a dedicated, non-public endpoint",
        requires=_EVERY_MAIL,
    )
)
SMTP_API = BOOK.add_feature(
    Feature(
        "smtp.email",
        hipaa_eligible=False,
        reason="The ordinary SMTP API is not the dedicated endpoint that mail with PHI must go through.",
        clause="HIPAA-eligible Email API access is provided exclusively through a dedicated, non-public endpoint",
        requires=_EVERY_MAIL,
    )
)
NOTICE = BOOK.add_feature(
    Feature(
        "notice.personal",
        hipaa_eligible=False,
        reason="A notice about somebody's own preferences goes out over the standard lane.",
        clause="Any feature, functionality, or use case not explicitly listed as supported is excluded",
        requires=_EVERY_MAIL,
    )
)
FORWARD = BOOK.add_feature(
    Feature(
        "inbound.forward",
        hipaa_eligible=False,
        reason="Mail that came in is not passed on: a reply quotes what it answers.",
        clause="HIPAA-ineligible services and features: Inbound emails",
        requires=_EVERY_MAIL,
    )
)
TEST_SEND = BOOK.add_feature(
    Feature(
        "campaign.test-send",
        hipaa_eligible=False,
        reason="A test goes out over the standard lane, which is not a HIPAA-eligible endpoint.",
        clause="Any feature, functionality, or use case not explicitly listed as supported is excluded",
        requires=_EVERY_MAIL,
    )
)
HIPAA_SEND = BOOK.add_feature(
    Feature(
        "hipaa.send",
        hipaa_eligible=True,
        reason="Approved by others, to recipients of that send only, with sealed values.",
        clause="User interfaces for composing, reviewing and sending are designed to comply with the rules for business"
        " associates",
        requires=_EVERY_MAIL | {"recipient.not-authorized", "sender.dmarc-missing"},
    )
)
OFFICER_NOTICE = BOOK.add_feature(
    Feature(
        "hipaa.officer-notice",
        hipaa_eligible=True,
        reason="It says that something happened and where to look, and nothing about anybody who is written to.",
        clause="User interfaces for composing, reviewing and sending are designed to comply with the rules for business"
        " associates",
        requires=_EVERY_MAIL,
    )
)
HIPAA_TEST_SEND = BOOK.add_feature(
    Feature(
        "hipaa.test-send",
        hipaa_eligible=True,
        reason="It carries made-up values to the account's own staff, by the same relay and encryption.",
        clause="User interfaces for composing, reviewing and sending are designed to comply with the rules for business"
        " associates",
        requires=_EVERY_MAIL,
    )
)
HIPAA_ENDPOINT = BOOK.add_feature(
    Feature(
        "hipaa.endpoint",
        hipaa_eligible=True,
        reason="It is the one way in for protected information.",
        clause="Dedicated HIPAA endpoint for PHI traffic",
        requires=_EVERY_MAIL | {"sender.dmarc-missing"},
    )
)
