"""The pure part of approvals: steps, statements, and who may approve."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.errors import CampaignError
from compliance.approvals import attest, quorum, states
from compliance.approvals.attest import STATEMENTS, AttestationMissing, LegalBasis
from compliance.approvals.quorum import NotAllowed, Person, Stakes
from compliance.approvals.states import ENDED, LIVE, State, Step

ATTESTED = {
    statement.code: {name: sorted(values)[0] for name, values in statement.needs.items()} for statement in STATEMENTS
} | {"A1": {"basis": "treatment"}, "A2": {"authorization": "not-required-treatment"}}
APPROVER = Person(7, frozenset({"approver"}), timedelta(minutes=1))
STAKES = Stakes("treatment", 480, has_overrides=False)


@given(st.lists(st.sampled_from(Step)))
def test_whatever_is_tried_only_the_table_moves_a_state_and_an_end_is_an_end(steps: list[Step]) -> None:
    state, was_approved = State.IN_REVIEW, False
    for step in steps:
        following = states.after(state, step)
        assert (following is not None) is (state.value in states.sources(step))
        if following is None:
            continue
        assert state in LIVE
        was_approved = was_approved or following is State.APPROVED
        # Nothing is ever sent that was not approved before.
        assert following not in {State.SENDING, State.STOPPED, State.SENT} or was_approved
        state = following


def test_every_state_is_live_or_ended_and_every_live_one_can_be_voided() -> None:
    assert frozenset(State) == LIVE | ENDED
    assert set(states.sources(Step.VOID)) == {state.value for state in LIVE}


def test_there_are_seven_statements_each_with_a_citation_and_a_digest_of_its_text() -> None:
    assert [statement.code for statement in STATEMENTS] == ["A1", "A2", "A3", "A4", "A5", "A6", "A7"]
    assert all(statement.citation and statement.text.endswith(".") for statement in STATEMENTS)
    assert len({statement.digest for statement in STATEMENTS}) == 7


def test_the_texts_of_this_version_never_change() -> None:
    """A changed text is a new version: what somebody stated keeps the text they saw."""
    assert attest.VERSION == 1
    assert [statement.digest[:8] for statement in STATEMENTS] == DIGESTS


DIGESTS = ["3f4960ef", "cbf9c690", "5dea100c", "64a72e22", "0ad43fbb", "16e4896f", "7707003f"]


def test_everything_attested_is_enough() -> None:
    attest.check_attested(ATTESTED, basis="treatment")


@pytest.mark.parametrize("code", sorted(ATTESTED))
def test_each_missing_statement_is_named(code: str) -> None:
    with pytest.raises(AttestationMissing) as caught:
        attest.check_attested({name: answers for name, answers in ATTESTED.items() if name != code}, basis="treatment")
    assert caught.value.codes == {code}
    assert attest.BY_CODE[code].topic.lower() in caught.value.safe_text


@pytest.mark.parametrize(
    "answers", [{}, {"basis": "because"}, {"basis": "treatment", "more": "x"}, {"other": "treatment"}]
)
def test_a_statement_without_its_answer_is_not_made(answers: dict[str, str]) -> None:
    with pytest.raises(AttestationMissing):
        attest.check_attested({**ATTESTED, "A1": answers}, basis="treatment")


@pytest.mark.parametrize("basis", list(LegalBasis))
def test_what_is_stated_about_authorizations_fits_the_basis(basis: LegalBasis) -> None:
    """S34, B17: whatever stands on authorizations has them on file, and nothing else is not required for a foreign reason."""
    for answer in attest.BY_CODE["A2"].needs["authorization"]:
        made: dict[str, dict[str, str]] = {**ATTESTED, "A1": {"basis": basis}, "A2": {"authorization": answer}}
        if answer in attest.ANSWERS_FITTING[basis]:
            attest.check_attested(made, basis=basis)
        else:
            with pytest.raises(AttestationMissing):
                attest.check_attested(made, basis=basis)
    assert basis != "authorization" or attest.ANSWERS_FITTING[basis] == {"on-file"}


def test_psychotherapy_notes_are_never_sent() -> None:
    """B29, 45 CFR 164.508(a)(2)."""
    with pytest.raises(CampaignError) as caught:
        attest.check_attested({**ATTESTED, "A4": {**ATTESTED["A4"], "psychotherapy": "present"}}, basis="treatment")
    assert caught.value.code == "hipaa.psychotherapy-notes"


# --- Quorum -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({}, 1),
        *(({"legal_basis": basis.value}, 1) for basis in LegalBasis if basis not in {"authorization", "other"}),
        ({"legal_basis": "authorization"}, 2),
        ({"legal_basis": "other"}, 2),
        ({"recipients": 10_000}, 1),
        ({"recipients": 10_001}, 2),
        ({"has_overrides": True}, 2),
        ({"allows_plaintext": True}, 2),
    ],
)
def test_more_at_stake_takes_more_eyes(change: dict[str, Any], needed: int) -> None:
    stakes = replace(STAKES, **change)
    assert quorum.needed_approvals(1, stakes) == needed
    assert quorum.needed_approvals(3, stakes) == 3


def may_approve(person: Person = APPROVER, **changes: Any) -> str:
    """'' or the code of the refusal."""
    facts: dict[str, Any] = {"submitted_by": 1, "contributions": {1: {"template"}}} | changes
    try:
        quorum.check_may_approve(person, **facts)
    except NotAllowed as refused:
        return refused.code
    return ""


def test_an_approver_who_had_no_hand_in_it_may_approve() -> None:
    assert may_approve() == ""
    assert may_approve(replace(APPROVER, roles=frozenset({"compliance"}))) == ""


@pytest.mark.parametrize("role", ["author", "operator", "auditor", "viewer", "importer", ""])
def test_no_other_role_may_approve(role: str) -> None:
    assert may_approve(replace(APPROVER, roles=frozenset({role}))) == "approval.role-missing"


@pytest.mark.parametrize("change", [{"is_service": True}, {"is_superuser": True}, {"is_active": False}])
def test_services_superusers_and_people_switched_off_never_approve(change: dict[str, Any]) -> None:
    assert may_approve(replace(APPROVER, **change)) == "approval.role-missing"


@pytest.mark.parametrize("age", [None, timedelta(minutes=10, seconds=1), timedelta(seconds=-1)])
def test_without_a_fresh_second_factor_nobody_approves(age: timedelta | None) -> None:
    assert may_approve(replace(APPROVER, factor_age=age)) == "approval.factor-stale"


def test_whoever_submitted_it_does_not_approve_it() -> None:
    assert may_approve(submitted_by=7) == "approval.own-send"


@pytest.mark.parametrize("part", ["template", "recipients", "schedule", "attestations"])
def test_whoever_had_a_hand_in_any_part_does_not_approve_it(part: str) -> None:
    assert may_approve(contributions={7: {part}}) == "approval.contributor"


def test_a_small_organisation_may_let_the_importer_approve_beside_another() -> None:
    hands = {7: {"recipients"}}
    assert may_approve(contributions=hands, allows_importers=True) == ""
    assert may_approve(contributions={7: {"recipients", "template"}}, allows_importers=True) == "approval.contributor"
    assert not quorum.counts([7], needed=1, contributions=hands)
    assert quorum.counts([7, 8], needed=1, contributions=hands)
    assert not quorum.counts([7, 9], needed=1, contributions={**hands, 9: {"recipients"}})


def test_as_many_approvals_as_needed_are_enough() -> None:
    assert quorum.counts([7], needed=1, contributions={})
    assert not quorum.counts([7], needed=2, contributions={})
    assert quorum.counts([7, 8], needed=2, contributions={})
    assert not quorum.counts([], needed=1, contributions={})
