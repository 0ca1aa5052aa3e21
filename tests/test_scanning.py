"""Answering the check: authors for a send, officers for an exact text and a time, and never for some rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from campaigns.errors import CampaignError
from compliance import scanning
from compliance.approvals.quorum import Person
from compliance.audit.verify import verify
from compliance.models import AuditEvent, DetectorException
from compliance.oversight.precision import read_precision
from compliance.scanning import Scan
from tests.approvals import NOW, Scene, make_person, make_scene

pytestmark = pytest.mark.django_db
WARNS = {"text": "Ask our oncology team."}
BLOCKS = {"text": "MRN: 00482913"}
NEVER = {"text": "536-22-1873"}


@pytest.fixture
def scene() -> Scene:
    return make_scene()


def scan(scene: Scene, parts: dict[str, str], *, send: str = "s1", **options: Any) -> Scan:
    return scanning.scan(scene.account.pk, owner=scene.owner, send=send, parts=parts, **({"now": NOW} | options))


def note(scene: Scene, parts: dict[str, str], *, send: str, now: datetime = NOW) -> None:
    hits = scan(scene, parts, send=send, now=now).hits
    scanning.note_hits(scene.account.pk, send=send, hits=hits, now=now)


def override(scene: Scene, parts: dict[str, str], *, by: Person | None = None, reason: str = "nobody-meant") -> None:
    (hit,) = scan(scene, parts).hits
    scanning.override(
        scene.account.pk, owner=scene.owner, send="s1", hit=hit, by=by or scene.author, reason=reason, now=NOW
    )


def except_text(scene: Scene, parts: dict[str, str], *, by: Person | None = None, **options: Any) -> DetectorException:
    (hit,) = scan(scene, parts).hits
    given: dict[str, Any] = {"reason": "own-name", "now": NOW} | options
    return scanning.except_text(scene.account.pk, owner=scene.owner, hit=hit, by=by or scene.officer, **given)


def refusal(call: Any, *args: Any, **options: Any) -> str:
    try:
        with transaction.atomic():
            call(*args, **options)
    except CampaignError as error:
        return error.code
    return ""


def test_an_answered_warning_is_answered_for_that_send_and_text_only(scene: Scene) -> None:
    override(scene, WARNS)
    (hit,) = scan(scene, WARNS).hits
    assert hit.overridden_by == scene.author.id
    assert scan(scene, WARNS, send="s2").hits[0].overridden_by == 0
    assert scan(scene, {"text": "Ask our dialysis team."}).hits[0].overridden_by == 0
    assert scan(scene, WARNS, now=NOW + scanning.OVERRIDE_TIME).hits[0].overridden_by == 0


def test_what_blocks_is_not_for_the_author_to_override(scene: Scene) -> None:
    assert refusal(override, scene, BLOCKS) == "detector.blocks"
    assert refusal(override, scene, WARNS, by=replace(scene.author, roles=frozenset({"viewer"}))) == (
        "approval.role-missing"
    )
    assert refusal(override, scene, WARNS, reason="because") == "detector.reason-unknown"


def test_an_officers_exception_holds_for_every_send_of_the_account_until_it_ends(scene: Scene) -> None:
    exception = except_text(scene, BLOCKS)
    assert scan(scene, BLOCKS, send="s2").hits[0].overridden_by == scene.officer.id
    other = make_scene()
    assert scan(other, BLOCKS).hits[0].overridden_by == 0
    assert scan(scene, BLOCKS, now=NOW + timedelta(days=90)).hits[0].overridden_by == 0
    assert scanning.end_exception(exception, owner=scene.owner, by=scene.officer, now=NOW)
    assert not scanning.end_exception(exception, owner=scene.owner, by=scene.officer, now=NOW)
    assert scan(scene, BLOCKS).hits[0].overridden_by == 0


@pytest.mark.parametrize("role", ["author", "approver", "operator", "auditor", "viewer"])
def test_only_the_officer_makes_exceptions_and_ends_them(scene: Scene, role: str) -> None:
    person = make_person(scene.account, role)
    assert refusal(except_text, scene, BLOCKS, by=person) == "approval.role-missing"
    exception = except_text(scene, BLOCKS)
    assert refusal(scanning.end_exception, exception, owner=scene.owner, by=person, now=NOW) == "approval.role-missing"


def test_some_rules_know_no_exception_and_none_lasts_for_long(scene: Scene) -> None:
    assert refusal(except_text, scene, NEVER) == "detector.no-exception"
    assert refusal(except_text, scene, BLOCKS, time=timedelta(days=91)) == "detector.too-long"
    assert refusal(except_text, scene, BLOCKS, by=replace(scene.officer, factor_age=None)) == "approval.factor-stale"


def test_the_answer_goes_into_the_approval(scene: Scene) -> None:
    assert refusal(scene.submit, hits=scan(scene, WARNS).for_approval()) == "approval.scanner-unanswered"
    assert refusal(scene.submit, hits=scan(scene, BLOCKS).for_approval()) == "approval.scanner-blocked"
    override(scene, WARNS)
    approval = scene.submit(hits=scan(scene, WARNS).for_approval())
    assert approval.needed == 2
    (hit,) = approval.manifest["scanner"]["hits"]
    assert hit["override_by"] == scene.author.id


def test_nothing_of_what_was_found_is_stored(scene: Scene) -> None:
    except_text(scene, BLOCKS)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM compliance_detectorexception")
        stored = repr(cursor.fetchall())
        cursor.execute("SELECT * FROM compliance_auditevent")
        stored += repr(cursor.fetchall())
    assert "00482913" not in stored
    assert [event.action for event in AuditEvent.objects.exclude(action="policy.changed")] == ["detector.excepted"]
    assert verify().is_sound


def test_a_short_number_cannot_be_guessed_from_its_digest(scene: Scene) -> None:
    one = scanning.digest_text(scene.owner, rule="phi.ssn", text="536-22-1873")
    assert one != scanning.digest_text("other", rule="phi.ssn", text="536-22-1873")
    assert one != scanning.digest_text(scene.owner, rule="phi.mbi", text="536-22-1873")
    assert one == scanning.digest_text(scene.owner, rule="phi.ssn", text="536\u201122\u20111873")


def test_how_often_each_rule_is_right_is_told_week_by_week(scene: Scene) -> None:
    """§5.4: each text counts once a send; an exception of the account answers for all sends, one taken back for none."""
    for number in range(10):
        note(scene, WARNS | {"subject": ""}, send=f"s{number}")
        note(scene, WARNS, send=f"s{number}", now=NOW + timedelta(days=1))
    override(scene, WARNS)
    note(scene, BLOCKS, send="later", now=NOW + timedelta(days=8))
    exception = except_text(scene, BLOCKS)
    note(make_scene(), WARNS, send="s1")
    together, weekly = read_precision([scene.account.pk], now=NOW + timedelta(days=9))
    told = [(row.rule, row.hits, row.overridden, row.percent) for row in together]
    assert told == [("phi.condition", 10, 1, 90), ("phi.record-number", 1, 1, None)]
    assert sorted({row.week for row in weekly if row.week}) == [date(2026, 11, 30), date(2026, 12, 7)]
    scanning.end_exception(exception, owner=scene.owner, by=scene.officer, now=NOW)
    assert [row.overridden for row in read_precision([scene.account.pk], now=NOW)[0]] == [1, 0]
    assert scanning.forget_hits(now=NOW + timedelta(days=400)) == 12
