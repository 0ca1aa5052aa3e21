"""Watching over it: the trail, weekly reviews, emergency access, incidents, disclosures, retention – and their clocks."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from campaigns import addresses, tokens
from campaigns.models import Account, Membership, Message, Role, Submission
from compliance import audit, disclosures, standing, tasks
from compliance.agreements import recording, terms
from compliance.agreements.recording import Agreement
from compliance.audit import SYSTEM, Ref
from compliance.audit.verify import verify
from compliance.disclosures import Handed
from compliance.models import (
    ActivityReview,
    AuditEvent,
    DetectorException,
    DetectorHit,
    EmergencyAccess,
    Incident,
)
from tests.approvals import Scene, make_scene
from tests.factories import make_account, make_user
from tests.office import squeeze
from tests.people import sign_in

pytestmark = pytest.mark.django_db

HERE = "/admin/compliance/"
# The number of no person, however many the database has seen: a page shows the name of one there is.
NOBODY = "987654321"
REASON = "The officer is on a plane and mail goes to the wrong people."


@pytest.fixture
def clinic() -> Account:
    return make_account(name="Harbour Clinic", baa_status="active")


@pytest.fixture
def officer(client: Client, clinic: Account) -> Client:
    return sign_in(client, make_user(clinic, role=Role.COMPLIANCE, username="officer"))


def note(account: Account, action: str, actor: Ref = SYSTEM, **data: Any) -> AuditEvent:
    return audit.note(action, owner=str(account.public_id), actor=actor, about=Ref("test", "1"), data=data)


def actions(account: Account) -> list[str]:
    return list(
        AuditEvent.objects.filter(owner=str(account.public_id)).order_by("seq").values_list("action", flat=True)
    )


# --- The trail ----------------------------------------------------------------------------------------------------


def test_the_trail_is_filtered_by_area_and_shows_ones_own_accounts_only(officer: Client, clinic: Account) -> None:
    note(clinic, "stop.ordered", reason="test")
    note(clinic, "key.made")
    note(make_account(baa_status="active"), "incident.opened")
    everything = squeeze(officer.get(f"{HERE}auditevent/"))
    assert "All sends were stopped." in everything
    assert "An incident was opened." not in everything
    stops = squeeze(officer.get(f"{HERE}auditevent/?area=stop"))
    assert "All sends were stopped." in stops
    assert "An API key" not in stops


def test_nobody_changes_an_event_and_nothing_is_searched_by_text(officer: Client, clinic: Account) -> None:
    event = note(clinic, "key.made")
    assert officer.get(f"{HERE}auditevent/{event.pk}/change/").status_code == 404
    assert officer.get(f"{HERE}auditevent/add/").status_code == 403
    assert 'name="q"' not in officer.get(f"{HERE}auditevent/").content.decode()


def test_a_bundle_for_support_is_downloaded_by_id_and_names_nobody(officer: Client, clinic: Account) -> None:
    submission = make_send(clinic, people=2)
    answer = officer.post(f"{HERE}auditevent/support/", {"kind": "submission", "public_id": str(submission.public_id)})
    bundle = json.loads(answer.content)
    assert len(bundle["messages"]) == 2
    assert b"@" not in answer.content
    assert actions(clinic)[-1] == "support.bundled"
    stranger = make_send(make_account(), people=1)
    refused = officer.post(f"{HERE}auditevent/support/", {"kind": "submission", "public_id": str(stranger.public_id)})
    assert refused.headers["Content-Type"].startswith("text/html")


# --- Weekly reviews -----------------------------------------------------------------------------------------------


def test_a_week_is_counted_once_signed_by_an_officer_and_never_changed(
    officer: Client, clinic: Account, clock: time_machine.Traveller
) -> None:
    clock.move_to(datetime(2026, 12, 2, 12, tzinfo=UTC))
    note(clinic, "person.sign-in-failed", Ref("person", NOBODY), part="password")
    clock.move_to(datetime(2026, 12, 8, 12, tzinfo=UTC))
    tasks.make_reviews()
    tasks.make_reviews()
    review = ActivityReview.objects.get()
    assert (review.week.isoformat(), review.people) == (
        "2026-11-30",
        {"person.sign-in-failed": {f"person {NOBODY}": 1}},
    )
    sign_in(officer, make_user(clinic, role=Role.COMPLIANCE))
    page = f"{HERE}activityreview/{review.pk}/change/"
    assert f"person {NOBODY} (1)" in squeeze(officer.get(page))
    officer.post(page)
    review.refresh_from_db()
    assert review.signed_at is not None
    assert actions(clinic)[-1] == "audit.reviewed"
    assert officer.post(page).status_code == 404


def test_a_week_nobody_signs_is_overdue_after_another_and_holds_mail_after_thirty_days() -> None:
    scene = make_scene(messages=0)
    now = datetime(2026, 12, 14, tzinfo=UTC)
    prepare(scene, now=now)
    ActivityReview.objects.create(account=scene.account, week="2026-11-30", made_at=now)
    for days, expected in ((0, ""), (22, ""), (23, "hipaa.review-overdue")):
        hold = standing.find_hold(scene.account.pk, now=now + timedelta(days=days))
        assert (hold.code if hold else "") == expected


# --- Emergency access ---------------------------------------------------------------------------------------------


def test_emergency_access_makes_an_officer_for_two_hours_and_another_one_reviews_it(
    officer: Client, clinic: Account, clock: time_machine.Traveller
) -> None:
    author = make_user(clinic, role=Role.AUTHOR)
    door = sign_in(Client(), author)
    assert door.get(f"{HERE}incident/").status_code == 403
    short = door.post(f"{HERE}emergencyaccess/add/", {"account": clinic.pk, "reason": "Hurry!"})
    assert "at least 20 characters" in squeeze(short)
    door.post(f"{HERE}emergencyaccess/add/", {"account": clinic.pk, "reason": REASON})
    access = EmergencyAccess.objects.get()
    assert REASON.encode() not in bytes(access.reason_sealed)
    assert door.get(f"{HERE}incident/").status_code == 200
    page = f"{HERE}emergencyaccess/{access.public_id}/change/"
    assert "to be reviewed by you" in squeeze(officer.get("/admin/"))
    assert REASON in squeeze(officer.get(page))
    assert door.post(page, {"was_right": "yes"}).status_code == 404

    clock.shift(timedelta(hours=2, seconds=1))
    assert not Membership.objects.filter(user=author, role=Role.COMPLIANCE).exists()
    sign_in(door, author)
    assert door.get(f"{HERE}incident/").status_code == 403
    tasks.close_emergencies()
    sign_in(officer, make_user(clinic, role=Role.COMPLIANCE))
    officer.post(page, {"was_right": "yes"})
    told = [action for action in actions(clinic) if action.startswith("breakglass")]
    assert told == ["breakglass.opened", "breakglass.closed", "breakglass.reviewed"]
    assert "to be reviewed by you" not in squeeze(officer.get("/admin/"))
    assert verify().is_sound


def test_who_has_it_may_end_it_and_others_may_not_open_it(officer: Client, clinic: Account) -> None:
    for role in (Role.AUDITOR, Role.VIEWER, Role.COMPLIANCE):
        door = sign_in(Client(), make_user(clinic, role=role))
        door.post(f"{HERE}emergencyaccess/add/", {"account": clinic.pk, "reason": REASON})
    assert not EmergencyAccess.objects.exists()
    door = sign_in(Client(), make_user(clinic, role=Role.OPERATOR))
    door.post(f"{HERE}emergencyaccess/add/", {"account": clinic.pk, "reason": REASON})
    access = EmergencyAccess.objects.get()
    door.post(f"{HERE}emergencyaccess/{access.public_id}/close/")
    assert not Membership.everything.filter(ends_at__isnull=False).exists()
    stranger = sign_in(Client(), make_user(make_account(baa_status="active"), role=Role.COMPLIANCE))
    assert stranger.get(f"{HERE}emergencyaccess/{access.public_id}/change/").status_code == 404


# --- Incidents ----------------------------------------------------------------------------------------------------


def make_send(account: Account, *, people: int) -> Submission:
    submission = Submission.objects.create(
        account=account, door="api", purpose="transactional", transport=account.transports.get(),
        send_at=timezone.now(), valid_until=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    Message.objects.bulk_create(
        Message(
            submission=submission, recipient=f"p{number}@example.org", recipient_domain="example.org",
            address_key=f"{number:043}", state="sent", next_attempt_at=timezone.now(),
        )
        for number in range(people)
    )  # fmt: skip
    return submission


def test_an_incident_counts_whom_it_reached_and_is_judged_before_its_clock_ends(
    officer: Client, clinic: Account
) -> None:
    send = make_send(clinic, people=3)
    known = {"kind": "wrong-recipients", "discovered_at": "2026-11-20T08:00", "reference": "SEC-17"}
    foreign = officer.post(
        f"{HERE}incident/add/", known | {"sends": str(make_send(make_account(), people=1).public_id)}
    )
    assert not Incident.objects.exists()
    assert foreign.status_code in {200, 404}
    officer.post(f"{HERE}incident/add/", known | {"sends": str(send.public_id)})
    incident = Incident.objects.get()
    assert (incident.people, incident.affected) == (3, {"sent": 3})
    page = f"{HERE}incident/{incident.public_id}/"
    shown = squeeze(officer.get(f"{page}change/"))
    assert "19 Jan 2027" in shown
    assert "1 Mar 2027" in shown
    ids = b"".join(officer.get(f"{page}affected/").streaming_content).decode()  # type: ignore[attr-defined]
    assert ids.count("\n") == 3
    assert "@" not in ids

    factors = dict.fromkeys(("data", "receiver", "seen", "mended"), "low")
    assert "not low" in squeeze(
        officer.post(f"{page}assess/", factors | {"data": "high", "decision": "low-probability"})
    )
    officer.post(f"{page}assess/", factors | {"decision": "breach"})
    assert "not everybody was told" in squeeze(officer.post(f"{page}close/"))
    officer.post(f"{page}told/", {"people": "2026-11-25", "authority": "2026-11-25"})
    officer.post(f"{page}close/")
    incident.refresh_from_db()
    assert incident.closed_at is not None
    assert verify().is_sound


def test_evidence_of_oversight_is_not_deleted(officer: Client, clinic: Account) -> None:
    now = timezone.now()
    incident = Incident.objects.create(
        account=clinic, kind="other", discovered_at=now, opened_by=make_user(clinic), opened_at=now
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        incident.delete()


# --- Disclosures and retention ------------------------------------------------------------------------------------


def test_a_person_is_told_whom_their_data_went_to_and_no_address_is_anywhere(officer: Client, clinic: Account) -> None:
    address = "ona.zqcanary@example.org"
    key = tokens.address_key(addresses.parse(address), account=clinic.public_id)
    now = timezone.now()
    disclosures.note_disclosures(
        [Handed(message=uuid4(), address_key=key, at=now)], owner=str(clinic.public_id), approval=None,
        purpose="marketing", legal_basis="other", categories=["appointments"], now=now,
    )  # fmt: skip
    found = officer.post(f"{HERE}disclosure/", {"address": f" {address.upper()} "})
    assert "1 disclosure in the last six years" in squeeze(found)
    assert "appointments" in squeeze(found)
    nobody = officer.post(f"{HERE}disclosure/", {"address": "other@example.org"})
    assert "Nothing went anywhere" in squeeze(nobody)
    events = json.dumps(list(AuditEvent.objects.values()), default=str)
    assert "zqcanary" not in events.lower()
    assert "no-store" in found.headers["Cache-Control"]


def test_an_officer_sees_how_often_each_rule_is_right_in_ones_own_accounts(officer: Client, clinic: Account) -> None:
    """§5.4."""
    now = timezone.now()
    for account, count in ((clinic, 10), (make_account(baa_status="active"), 5)):
        DetectorHit.objects.bulk_create(
            DetectorHit(account=account, send=str(number), rule="phi.condition", digest="ab", seen_at=now)
            for number in range(count)
        )
    DetectorException.objects.create(
        account=clinic, send="1", rule="phi.condition", digest="ab", reason="other", made_by=User.objects.get(),
        made_at=now, expires_at=now,
    )  # fmt: skip
    assert "This names a health condition or treatment. phi.condition 10 1 90 %" in squeeze(
        officer.get(f"{HERE}detectorhit/")
    )
    assert "The check of content" in squeeze(officer.get("/admin/"))


def test_both_clocks_are_shown_and_run(officer: Client, clinic: Account, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Evidence: 6 years" in squeeze(officer.get(f"{HERE}shredcertificate/"))
    call_command("retention", "--run", "--json")
    facts = json.loads(capsys.readouterr().out)
    assert (facts["evidence_years"], facts["overdue"], facts["purged_now"]) == (6, 0, 0)


@pytest.mark.parametrize(
    "screen", ["auditevent", "activityreview", "incident", "disclosure", "shredcertificate", "detectorhit", "selfcheck"]
)
def test_who_has_no_say_in_compliance_sees_no_screen_of_it(client: Client, clinic: Account, screen: str) -> None:
    sign_in(client, make_user(clinic, role=Role.AUTHOR))
    assert client.get(f"{HERE}{screen}/").status_code in {403, 404}
    assert screen not in client.get("/admin/").content.decode()


def prepare(scene: Scene, *, now: datetime) -> None:
    """Everything an account needs so that nothing but the weekly review can hold it."""
    signed = Agreement(
        counterparty="Clinic", signed_on=now.date(), effective_from=now.date(), document_sha256="ab" * 32
    )
    recording.record_customer(scene.account.pk, signed, owner=scene.owner, by=scene.officer, now=now)
    terms.current_terms(now=now)
    terms.accept_terms(scene.account.pk, owner=scene.owner, version=1, by=scene.officer, now=now)
