"""Agreements: turned on by evidence, off at once, never back to ordinary, and nothing leaves without one in effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from campaigns.errors import CampaignError
from campaigns.models import Account
from compliance import standing, tasks
from compliance.agreements import recording, status, terms
from compliance.agreements.recording import Agreement
from compliance.approvals import stopping
from compliance.approvals.states import State
from compliance.audit.verify import verify
from compliance.models import Acknowledgement, AuditEvent, Baa, Terms
from tests.approvals import NOW, Scene, make_person, make_scene
from tests.factories import make_account

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
SIGNED = Agreement(
    counterparty="Harbour Clinic", signatory="Head of clinic", reference="2026-17", signed_on=TODAY,
    effective_from=TODAY, document_sha256="ab" * 32,
)  # fmt: skip


@pytest.fixture
def scene() -> Scene:
    """An account with a policy and people, under no agreement yet."""
    scene = make_scene()
    Account.objects.filter(pk=scene.account.pk).update(baa_status="none")
    return scene


def refusal(call: Callable[..., Any], *args: Any, **options: Any) -> str:
    try:
        with transaction.atomic():
            call(*args, **options)
    except CampaignError as error:
        return error.code if error.action else "no action"
    return ""


def record(scene: Scene, agreement: Agreement = SIGNED, **options: Any) -> Baa:
    given: dict[str, Any] = {"owner": scene.owner, "by": scene.officer, "now": NOW} | options
    return recording.record_customer(scene.account.pk, agreement, **given)


def accept(scene: Scene, **options: Any) -> Acknowledgement:
    given: dict[str, Any] = {"owner": scene.owner, "version": 1, "by": scene.officer, "now": NOW} | options
    return terms.accept_terms(scene.account.pk, **given)


def go(scene: Scene, to: str, **options: Any) -> str:
    given: dict[str, Any] = {"reason": "onboarding", "by": scene.officer, "now": NOW} | options
    return status.change_status(scene.account.pk, to=to, **given)


def activate(scene: Scene) -> Baa:
    baa = record(scene)
    terms.current_terms(now=NOW)
    accept(scene)
    go(scene, "pending")
    go(scene, "active")
    return baa


def hold(scene: Scene, *, now: datetime = NOW) -> str:
    found = standing.find_hold(scene.account.pk, now=now)
    return found.code if found else ""


# --- The way in ---------------------------------------------------------------------------------------------------


def test_an_account_is_active_once_everything_is_there_and_not_before(scene: Scene) -> None:
    go(scene, "pending")
    for step in (lambda: record(scene), lambda: (terms.current_terms(now=NOW), accept(scene))):
        assert refusal(go, scene, "active") == "baa.not-ready"
        step()
    assert all(step.is_done for step in status.list_onboarding(scene.account.pk, now=NOW))
    assert go(scene, "active") == "pending"
    assert status.read_status(scene.account.pk) == "active"
    assert hold(scene) == ""
    changes = AuditEvent.objects.filter(action="baa.status-changed").values_list("data", flat=True)
    assert [(data["from"], data["to"]) for data in changes] == [("none", "pending"), ("pending", "active")]
    assert verify().is_sound


def test_without_a_policy_for_approvals_nothing_is_turned_on() -> None:
    scene = make_scene()
    scene.account = make_account()
    record(scene)
    terms.current_terms(now=NOW)
    accept(scene)
    go(scene, "pending")
    assert refusal(go, scene, "active") == "baa.not-ready"
    assert [step.code for step in status.list_onboarding(scene.account.pk, now=NOW) if not step.is_done] == ["policy"]


@pytest.mark.parametrize(
    ("before", "allowed"),
    [
        ("none", {"pending"}), ("pending", {"active", "ended"}), ("active", {"suspended", "ended"}),
        ("suspended", {"active", "ended"}), ("ended", {"pending"}),
    ],
)  # fmt: skip
def test_an_account_moves_along_the_table_and_never_back_to_none(scene: Scene, before: str, allowed: set[str]) -> None:
    record(scene)
    terms.current_terms(now=NOW)
    accept(scene)
    for target in status.STEPS:
        Account.objects.filter(pk=scene.account.pk).update(baa_status=before)
        assert (refusal(go, scene, target) == "") is (target in allowed)


def test_a_change_says_why(scene: Scene) -> None:
    assert refusal(go, scene, "pending", reason="hm") == "baa.reason-unknown"


CHANGES: dict[str, Callable[[Scene, Any], Any]] = {
    "record": lambda scene, by: record(scene, by=by),
    "status": lambda scene, by: go(scene, "pending", by=by),
    "terms": lambda _, by: terms.publish_terms("x", by=by, now=NOW),
    "accept": lambda scene, by: accept(scene, by=by),
    "end": lambda scene, by: recording.end_agreement(Baa.objects.get(), on=TODAY, owner=scene.owner, by=by, now=NOW),
    "subcontractor": lambda _, by: recording.record_subcontractor(
        "smtp.example.com", SIGNED, onward="tls-only", by=by, now=NOW
    ),
    "no data": lambda _, by: recording.record_without_data(
        "dns.example.com", counterparty="DNS", because="names only", by=by, now=NOW
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("role", ["author", "approver", "compliance", "operator", "auditor", "viewer"])
def test_agreements_are_the_officers(scene: Scene, change: str, role: str) -> None:
    record(scene)
    terms.current_terms(now=NOW)
    person = make_person(scene.account, role)
    assert refusal(CHANGES[change], scene, person) == ("" if role == "compliance" else "approval.role-missing")


@pytest.mark.parametrize("change", CHANGES)
def test_officers_show_their_second_factor_and_superusers_count_as_officers(scene: Scene, change: str) -> None:
    record(scene)
    terms.current_terms(now=NOW)
    assert refusal(CHANGES[change], scene, replace(scene.officer, factor_age=None)) == "approval.factor-stale"
    assert refusal(CHANGES[change], scene, replace(scene.officer, is_service=True)) == "approval.role-missing"
    assert refusal(CHANGES[change], scene, replace(scene.officer, is_active=False)) == "approval.role-missing"
    assert refusal(CHANGES[change], scene, replace(scene.author, is_superuser=True)) == ""


# --- The agreement itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"counterparty": " "}, {"document_sha256": "x"}, {"document_sha256": ""}, {"signed_on": None},
        {"effective_to": TODAY - timedelta(days=1)},
    ],
)  # fmt: skip
def test_an_agreement_that_is_none_is_refused(scene: Scene, change: dict[str, Any]) -> None:
    assert refusal(record, scene, replace(SIGNED, **change)) == "baa.invalid"


@pytest.mark.parametrize(
    ("on", "is_in_effect"), [(TODAY - timedelta(days=1), False), (TODAY, True), (TODAY + timedelta(days=30), True),
                             (TODAY + timedelta(days=31), False)],
)  # fmt: skip
def test_an_agreement_is_in_effect_from_its_first_to_its_last_day(scene: Scene, on: date, is_in_effect: bool) -> None:
    record(scene, replace(SIGNED, effective_to=TODAY + timedelta(days=30)))
    assert (recording.find_customer(scene.account.pk, on=on) is not None) is is_in_effect
    assert recording.find_customer(make_account().pk, on=on) is None


def test_a_host_is_known_with_its_agreement_or_with_the_reason_for_none(scene: Scene) -> None:
    recording.record_subcontractor("SMTP.Example.com.", SIGNED, onward="tls-only", by=scene.officer, now=NOW)
    recording.record_without_data(
        "dns.example.com", counterparty="DNS", because="names only", by=scene.officer, now=NOW
    )
    relay = recording.find_subcontractor("smtp.example.com", on=TODAY)
    dns = recording.find_subcontractor("dns.example.com", on=TODAY)
    assert relay is not None
    assert relay.no_phi_because == ""
    assert dns is not None
    assert dns.no_phi_because == "names only"
    assert recording.find_subcontractor("other.example.com", on=TODAY) is None
    assert recording.find_subcontractor("smtp.example.com", on=TODAY - timedelta(days=1)) is None
    for onward in ("", "maybe"):
        assert (
            refusal(recording.record_subcontractor, "x.example", SIGNED, onward=onward, by=scene.officer, now=NOW)
            == "baa.invalid"
        )
    for host in ("", "not a host", "a..b", "-x"):
        assert (
            refusal(recording.record_subcontractor, host, SIGNED, onward="tls-only", by=scene.officer, now=NOW)
            == "baa.invalid"
        )
    assert (
        refusal(recording.record_without_data, "x.example", counterparty="X", because=" ", by=scene.officer, now=NOW)
        == "baa.invalid"
    )


def test_evidence_of_an_agreement_is_kept_for_six_years_after_its_last_day(scene: Scene) -> None:
    baa = record(scene)
    long_ago = timezone.now() - timedelta(days=7 * 366)
    Baa.objects.update(recorded_at=long_ago, effective_from=long_ago.date())
    with pytest.raises(IntegrityError), transaction.atomic():
        baa.delete()
    Baa.objects.update(effective_to=long_ago.date(), kept_from=long_ago)
    Baa.objects.all().delete()
    assert not Baa.objects.exists()


def test_an_agreement_ends_after_it_began(scene: Scene) -> None:
    baa = activate(scene)
    yesterday = TODAY - timedelta(days=1)
    assert (
        refusal(recording.end_agreement, baa, on=yesterday, owner=scene.owner, by=scene.officer, now=NOW)
        == "baa.invalid"
    )


# --- Terms --------------------------------------------------------------------------------------------------------


def test_new_terms_hold_every_account_until_they_are_accepted(scene: Scene) -> None:
    activate(scene)
    terms.publish_terms("Another text.", by=scene.officer, now=NOW)
    assert hold(scene) == "hipaa.ack-required"
    assert refusal(accept, scene, version=1) == "terms.changed"
    accept(scene, version=2)
    assert hold(scene) == ""


def test_terms_are_accepted_once_a_year(scene: Scene) -> None:
    activate(scene)
    assert hold(scene, now=NOW + timedelta(days=364)) == ""
    assert hold(scene, now=NOW + timedelta(days=365)) == "hipaa.ack-required"


def test_the_first_terms_come_with_the_program_and_say_what_the_customer_answers_for() -> None:
    first = terms.current_terms(now=NOW)
    assert terms.current_terms(now=NOW) == first
    assert first.version == 1
    for words in (
        "attempts to deliver",
        "164.502 to 164.512",
        "authorization or consent",
        "164.514",
        "other applicable law",
    ):
        assert words in " ".join(first.text.split())
    assert "HIPAA compliant" not in first.text
    assert refusal(terms.publish_terms, " ", by=make_scene().officer, now=NOW) == "terms.empty"


# --- The way out --------------------------------------------------------------------------------------------------


def test_an_ended_agreement_holds_mail_the_next_day_whatever_the_state_says(scene: Scene) -> None:
    baa = activate(scene)
    recording.end_agreement(baa, on=TODAY, owner=scene.owner, by=scene.officer, now=NOW)
    assert hold(scene) == ""
    tomorrow = NOW + timedelta(days=1)
    assert status.read_status(scene.account.pk) == "active"
    assert hold(scene, now=tomorrow) == "hipaa.baa-required"
    with time_machine.travel(tomorrow, tick=False):
        tasks.suspend_lapsed()
        tasks.suspend_lapsed()
    assert status.read_status(scene.account.pk) == "suspended"
    assert hold(scene, now=tomorrow) == "hipaa.account-not-active"
    assert AuditEvent.objects.filter(action="baa.status-changed", actor_kind="system").count() == 1


@pytest.mark.parametrize("target", ["suspended", "ended"])
def test_turning_off_holds_at_once_voids_what_was_approved_and_deletes_nothing(scene: Scene, target: str) -> None:
    activate(scene)
    approval = scene.started()
    assert standing.find_send_hold(approval.pk, account_id=scene.account.pk, now=NOW) is None
    go(scene, target, reason="breach")
    approval.refresh_from_db()
    assert approval.state == State.VOIDED
    assert hold(scene) == "hipaa.account-not-active"
    assert Baa.objects.exists()
    assert Acknowledgement.objects.exists()


def test_a_suspended_account_goes_on_when_it_is_active_again_and_its_sends_do_not(scene: Scene) -> None:
    activate(scene)
    approval = scene.started()
    go(scene, "suspended")
    go(scene, "active")
    assert hold(scene) == ""
    held = standing.find_send_hold(approval.pk, account_id=scene.account.pk, now=NOW)
    assert held is not None
    assert held.code == "hipaa.not-approved"


def test_a_stop_holds_before_everything_else(scene: Scene) -> None:
    activate(scene)
    stopping.order_stop(scene.account.pk, owner=scene.owner, by=scene.officer, reason="incident", now=NOW)
    assert hold(scene) == "hipaa.stopped"


def test_an_account_that_was_set_active_by_hand_sends_nothing(scene: Scene) -> None:
    Account.objects.filter(pk=scene.account.pk).update(baa_status="active")
    assert hold(scene) == "hipaa.baa-required"


@pytest.mark.parametrize("before", ["none", "pending", "suspended", "ended", "nonsense"])
def test_only_an_active_account_sends(scene: Scene, before: str) -> None:
    activate(scene)
    Account.objects.filter(pk=scene.account.pk).update(baa_status=before)
    assert hold(scene) == "hipaa.account-not-active"


def test_an_approval_of_another_account_opens_nothing(scene: Scene) -> None:
    activate(scene)
    other = make_scene().started()
    held = standing.find_send_hold(other.pk, account_id=scene.account.pk, now=NOW)
    assert held is not None
    assert held.code == "hipaa.not-approved"


def test_asking_whether_mail_may_leave_is_cheap(scene: Scene) -> None:
    activate(scene)
    with connection.execute_wrapper(count := _Counter()):
        assert hold(scene) == ""
    assert count.queries == 5


class _Counter:
    def __init__(self) -> None:
        self.queries = 0

    def __call__(self, execute: Callable[..., Any], *args: Any) -> Any:
        self.queries += 1
        return execute(*args)


def test_terms_and_acceptances_are_never_changed(scene: Scene) -> None:
    activate(scene)
    for rows, change in ((Terms.objects, {"text": "x"}), (Acknowledgement.objects, {"at": NOW})):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**change)
