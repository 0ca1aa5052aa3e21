"""Is it marketing, and who may then get it (hipaa.md B19, B20)."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from campaigns.errors import CampaignError
from compliance import authorizations, marketing
from compliance.approvals.quorum import NotAllowed
from compliance.authorizations import Signed
from compliance.models import AuditEvent, Authorization
from tests.approvals import NOW, Scene, make_person, make_scene

TODAY = NOW.date()
# promotes, paid, refill, care → marketing; 45 CFR 164.501 (1), (2)(i) and (ii), 42 USC 17936(a).
TABLE = {
    (False, False, False, False): False, (False, False, False, True): False,
    (False, False, True, False): False, (False, False, True, True): False,
    (False, True, False, False): True, (False, True, False, True): True,
    (False, True, True, False): False, (False, True, True, True): False,
    (True, False, False, False): True, (True, False, False, True): False,
    (True, False, True, False): False, (True, False, True, True): False,
    (True, True, False, False): True, (True, True, False, True): True,
    (True, True, True, False): False, (True, True, True, True): False,
}  # fmt: skip


def judge(answers: tuple[bool, ...]) -> marketing.Judgement:
    return marketing.judge(dict(zip([one.name for one in marketing.QUESTIONS], answers, strict=True)))


def test_four_answers_decide_whether_it_is_marketing() -> None:
    assert TABLE.keys() == set(itertools.product((False, True), repeat=4))
    for answers, expected in TABLE.items():
        assert (judge(answers).is_marketing, judge(answers).is_paid) == (expected, answers[1]), answers
        assert judge(answers).purpose == ("marketing" if expected else "transactional")


def test_marketing_stands_on_authorizations_only() -> None:
    paid = judge((False, True, False, True))
    with pytest.raises(CampaignError) as caught:
        marketing.check_basis(paid, basis="treatment", reference="")
    assert caught.value.code == "hipaa.marketing-authorization"
    marketing.check_basis(paid, basis="authorization", reference="")
    marketing.check_basis(judge((False, False, False, True)), basis="treatment", reference="")


def test_another_permission_is_named_by_its_paragraph() -> None:
    """B17: 45 CFR 164.512 permits by purpose, from (a) to (l)."""
    care = judge((False, False, False, True))
    for reference in ("", "P-12", "45 CFR 164.512", "164.512(z)"):
        with pytest.raises(CampaignError) as caught:
            marketing.check_basis(care, basis="other", reference=reference)
        assert caught.value.code == "hipaa.citation-missing"
    marketing.check_basis(care, basis="other", reference="45 CFR 164.512(b)(1)(i)")


def test_an_unanswered_question_is_no_answer() -> None:
    with pytest.raises(CampaignError):
        marketing.judge({"promotes": False})


# --- Authorizations -----------------------------------------------------------------------------------------------


@pytest.fixture
def scene(db: None) -> Scene:
    return make_scene(messages=0)


def record(scene: Scene, key: str = "k1", **fields: Any) -> int:
    signed = Signed(key, fields.pop("reference", "F-1"), fields.pop("signed_on", TODAY - timedelta(days=30)), **fields)
    return authorizations.record(scene.account.pk, [signed], owner=scene.owner, by=scene.author, now=NOW)


def found(scene: Scene, *, is_paid: bool = False, is_marketing: bool = True, on: date = TODAY) -> set[str]:
    asked = {"is_paid": is_paid, "is_marketing": is_marketing, "on": on}
    return authorizations.find_authorized(scene.account.pk, ["k1", "k2"], **asked)  # type: ignore[arg-type]


def test_only_who_signed_is_authorized_and_only_in_their_account(scene: Scene) -> None:
    assert record(scene) == 1
    assert record(scene) == 0
    assert found(scene) == {"k1"}
    assert found(make_scene(messages=0)) == set()


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"expires_on": TODAY - timedelta(days=1)}, {}),
        ({}, {"is_paid": True}),
        ({}, {"is_marketing": False}),
        ({"purpose": "other"}, {}),
        ({}, {"on": TODAY - timedelta(days=31)}),
    ],
)
def test_one_that_ended_or_states_no_payment_or_another_purpose_or_is_not_signed_yet_does_not_count(
    scene: Scene, fields: dict[str, Any], asked: dict[str, Any]
) -> None:
    record(scene, **fields)
    assert found(scene, **asked) == set()


def test_who_revoked_gets_nothing_more(scene: Scene) -> None:
    """164.508(b)(5)."""
    record(scene, is_paid=True)
    assert found(scene, is_paid=True) == {"k1"}
    revoke: dict[str, Any] = {"address_key": "k1", "owner": scene.owner, "by": scene.officer, "now": NOW}
    assert authorizations.revoke(scene.account.pk, **revoke) == 1
    assert authorizations.revoke(scene.account.pk, **revoke) == 0
    assert found(scene) == set()
    assert list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))[-2:] == [
        "authorization.recorded", "authorization.revoked",
    ]  # fmt: skip


def test_what_cannot_have_been_signed_is_refused(scene: Scene) -> None:
    with pytest.raises(CampaignError):
        record(scene, signed_on=TODAY + timedelta(days=1))
    scene.author = make_person(scene.account, "viewer")
    with pytest.raises(NotAllowed):
        record(scene)


def test_evidence_of_an_authorization_is_kept_for_six_years_from_when_it_last_held(scene: Scene) -> None:
    """45 CFR 164.316(b)(2)(i): one that holds still, or did a year ago, was recorded long ago and is kept all the same."""
    record(scene)
    long_ago, today = timezone.now() - timedelta(days=7 * 366), timezone.now().date()
    for row in (
        {},
        {"recorded_at": long_ago},
        {"signed_on": long_ago.date(), "expires_on": today - timedelta(days=366)},
    ):
        Authorization.objects.update(**row)
        with pytest.raises(IntegrityError), transaction.atomic():
            Authorization.objects.all().delete()
    Authorization.objects.update(expires_on=long_ago.date())
    Authorization.objects.all().delete()
