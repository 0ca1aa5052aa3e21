"""The gate fails closed, whatever happens inside or before it."""

from __future__ import annotations

import logging
from dataclasses import fields, replace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance import gate
from compliance.checks import check_rule_book
from compliance.facts import AttachmentFacts, Finding, SendFacts
from compliance.registry import BOOK, Feature, RegistrationError, RuleBook
from tests.test_compliance_rules import FINE

FEATURE = Feature("campaign.broadcast", False, "Because.", "The clause.", frozenset({"test.always-there"}))


def make_book() -> RuleBook:
    """A book with one feature and the one rule it needs, which passes everything."""
    book = RuleBook()
    book.add_feature(FEATURE)

    @book.rule("test.always-there", citation="RFC 0")
    def check_nothing(facts: SendFacts) -> Finding | None:
        """Everything passes."""
        return None

    return book


def codes(facts: SendFacts, book: RuleBook) -> list[str]:
    verdict = gate.decide(facts, book=book)
    assert verdict.allowed is (not verdict.findings)
    return [finding.code for finding in verdict.findings]


def test_a_mail_that_is_in_order_is_allowed() -> None:
    assert gate.decide(FINE) == gate.Verdict(True, ())


def test_an_unknown_feature_is_blocked() -> None:
    assert codes(replace(FINE, feature="campaign.carrier-pigeon"), BOOK) == ["gate.unknown-feature"]


def test_an_unknown_lane_is_blocked() -> None:
    assert "gate.unknown-lane" in codes(replace(FINE, lane="fast"), BOOK)


def test_an_unknown_purpose_is_blocked() -> None:
    assert codes(replace(FINE, purpose="newsletter"), BOOK) == ["gate.unknown-purpose"]


def test_an_empty_rule_set_blocks() -> None:
    book = RuleBook()
    book.add_feature(FEATURE)
    assert codes(FINE, book) == ["gate.no-rules"]


def test_a_missing_rule_blocks() -> None:
    book = make_book()
    book.add_feature(replace(FEATURE, key="campaign.test-send", requires=frozenset({"test.gone"})))
    assert codes(replace(FINE, feature="campaign.test-send"), book) == ["gate.rule-missing"]


def test_a_rule_that_raises_blocks_and_the_log_names_only_its_id_and_the_exception_type(
    caplog: pytest.LogCaptureFixture,
) -> None:
    book = make_book()

    @book.rule("test.broken", citation="RFC 0")
    def check_broken(facts: SendFacts) -> Finding | None:
        """Breaks."""
        raise KeyError("ada@example.com")

    with caplog.at_level(logging.DEBUG):
        assert codes(FINE, book) == ["gate.rule-failed"]
    assert caplog.messages == ["compliance rule test.broken failed: KeyError"]
    assert "ada" not in caplog.text


@pytest.mark.parametrize("answer", [True, False, "", "no", 0, (), Finding("other.rule", "Text.", "Action.")], ids=repr)
def test_a_rule_that_answers_anything_else_blocks(answer: object) -> None:
    book = make_book()

    @book.rule("test.strange", citation="RFC 0")
    def check_strangely(facts: SendFacts) -> Finding | None:
        """Answers something else."""
        return cast("Finding | None", answer)

    assert codes(FINE, book) == ["gate.rule-wrong-answer"]


def test_a_rule_that_fails_does_not_hide_what_the_others_find() -> None:
    book = make_book()

    @book.rule("test.broken", citation="RFC 0")
    def check_broken(facts: SendFacts) -> Finding | None:
        """Breaks."""
        raise RecursionError

    @book.rule("test.strict", citation="RFC 1")
    def check_strictly(facts: SendFacts) -> Finding | None:
        """Blocks."""
        return Finding("test.strict", "No.", "Do not.")

    assert codes(FINE, book) == ["gate.rule-failed", "test.strict"]


def test_a_rule_for_another_feature_is_not_asked() -> None:
    book = make_book()

    @book.rule("test.elsewhere", citation="RFC 0", features={"campaign.test-send"})
    def check_elsewhere(facts: SendFacts) -> Finding | None:
        """Blocks tests."""
        return Finding("test.elsewhere", "No.", "Do not.")

    assert codes(FINE, book) == []
    assert book.find_problems() == [
        "Rule test.elsewhere names the feature campaign.test-send, which is not registered."
    ]


def test_a_rule_registered_later_is_asked_at_once() -> None:
    book = make_book()
    assert codes(FINE, book) == []

    @book.rule("test.late", citation="RFC 0")
    def check_late(facts: SendFacts) -> Finding | None:
        """Blocks."""
        return Finding("test.late", "No.", "Do not.")

    assert codes(FINE, book) == ["test.late"]


def test_a_note_that_raises_informs_of_nothing_and_blocks_nothing() -> None:
    book = make_book()

    @book.note("test.note", citation="RFC 0")
    def note_broken(facts: SendFacts) -> Finding | None:
        """Breaks."""
        raise ValueError

    assert gate.list_notes(FINE, book=book) == ()
    assert codes(FINE, book) == []


def test_what_is_not_facts_at_all_is_blocked() -> None:
    assert codes(cast("SendFacts", None), BOOK) == ["gate.failed"]
    assert codes(replace(FINE, feature=cast("str", [])), BOOK) == ["gate.failed"]


_TEXTS = st.sampled_from(
    [
        "campaign.broadcast", "campaign.test-send", "standard", "hipaa", "marketing", "transactional", "none", "active",
        "sandbox", "smtp", "", "suppressed", "unsubscribed", "list-unsubscribed",
    ]
)  # fmt: skip
_ANYTHING = st.one_of(_TEXTS, st.text(max_size=5), st.none(), st.booleans(), st.integers(), st.floats(), st.just([]))
_ATTACHMENT = st.builds(
    AttachmentFacts,
    name=st.one_of(st.text(max_size=20), st.sampled_from(["a.pdf", "a.exe"]), st.none()),
    detected_type=st.one_of(st.none(), st.just("application/pdf"), st.text(max_size=5)),
    size=st.integers(),
)
_FACTS = st.fixed_dictionaries(
    {field.name: st.one_of(st.just(getattr(FINE, field.name)), _ANYTHING) for field in fields(SendFacts)}
    | {"attachments": st.one_of(st.tuples(_ATTACHMENT), st.just(()), _ANYTHING)}
)


@given(changes=_FACTS)
def test_allowed_means_no_finding_and_nothing_ever_escapes(changes: dict[str, Any]) -> None:
    facts = SendFacts(**changes)
    verdict = gate.decide(facts)
    assert verdict.allowed is (verdict.findings == ())
    assert all(type(finding) is Finding and finding.text and finding.action for finding in verdict.findings)
    gate.list_notes(facts)
    if verdict.allowed:
        assert facts.recipient_block == ""
        assert facts.account_baa_status == "none"


def test_a_rule_cannot_be_registered_with_a_bad_id() -> None:
    for bad in ("nodot", "Upper.case", "a.b_c", "a.b.c", "a.", ".b", "a.b-", "a.ž", "a.b\n", "a." + "b" * 60):
        with pytest.raises(RegistrationError, match=r"area\.kebab-case"):
            register(RuleBook(), rule_id=bad)


def test_a_rule_cannot_be_registered_twice() -> None:
    book = make_book()
    with pytest.raises(RegistrationError, match="twice"):
        register(book, rule_id="test.always-there")


def test_a_note_cannot_take_the_id_of_a_rule() -> None:
    book = make_book()
    with pytest.raises(RegistrationError, match="twice"):
        book.note("test.always-there", citation="RFC 0")(_check_documented)


def test_a_rule_needs_a_citation() -> None:
    with pytest.raises(RegistrationError, match="citation"):
        register(RuleBook(), citation=" ")


def test_a_rule_needs_a_docstring() -> None:
    with pytest.raises(RegistrationError, match="docstring"):
        RuleBook().rule("test.rule", citation="RFC 0")(lambda _: None)


def test_a_rule_takes_the_facts_and_nothing_else() -> None:
    def check_two(facts: SendFacts, other: int) -> Finding | None:
        """Wants too much."""
        return None

    with pytest.raises(RegistrationError, match="one argument"):
        RuleBook().rule("test.rule", citation="RFC 0")(cast("Any", check_two))


def test_a_feature_needs_a_reason_and_a_clause() -> None:
    with pytest.raises(RegistrationError, match="reason"):
        RuleBook().add_feature(replace(FEATURE, reason=""))


def test_the_system_check_finds_nothing_to_say_about_our_rules() -> None:
    assert check_rule_book(None) == []


def test_a_feature_without_a_rule_it_needs_is_a_problem() -> None:
    book = RuleBook()
    book.add_feature(FEATURE)
    assert book.find_problems() == [
        "Feature campaign.broadcast needs the rule test.always-there, which is not registered."
    ]


def register(book: RuleBook, *, rule_id: str = "test.rule", citation: str = "RFC 0") -> None:
    book.rule(rule_id, citation=citation)(_check_documented)


def _check_documented(facts: SendFacts) -> Finding | None:
    """Passes."""
    return None
