"""The installation checks itself: each control passes when it should, and fails for its own reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from campaigns.models import Role
from campaigns.outbox.transports import seal_config
from compliance import tasks, vault
from compliance.models import ActivityReview, AuditEvent, DataKey, EmergencyAccess, SelfCheck
from compliance.models.guards import remove_guards
from compliance.oversight import selfcheck
from tests.factories import make_account, make_user
from tests.office import squeeze
from tests.people import sign_in

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def failing() -> set[str]:
    return {result.id for result in selfcheck.run(now=NOW) if not result.is_ok}


@pytest.fixture
def sound(settings: Any) -> Any:
    """An installation in which everything is in force."""
    settings.PUBLIC_URL = "https://mail.example.org"
    settings.ALLOWED_HOSTS = ["mail.example.org"]
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    return settings


# Whatever the machine that runs the tests allows.
ELSEWHERE = {"settings.checks", "settings.core-dumps", "settings.logs", "settings.files"}


def test_everything_passes_where_everything_is_in_force(sound: Any) -> None:
    assert failing() - ELSEWHERE == set()


def test_the_command_prints_each_control_and_fails_with_the_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="not in force"):
        call_command("compliance_selfcheck", "--json")
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"]
    found = {row["id"]: row for row in report["controls"]}
    assert found["settings.transport"]["why"] == "PUBLIC_URL is not https."
    assert found["audit.sound"]["ok"]
    assert all(row["citation"] and row["title"] for row in found.values())


def forget_factor() -> None:
    make_user(make_account(baa_status="active"), role=Role.COMPLIANCE)


def leave_week() -> None:
    week = (NOW - timedelta(days=21)).date()
    ActivityReview.objects.create(account=make_account(), week=week, made_at=NOW)


def leave_emergency() -> None:
    opened = NOW - timedelta(hours=25)
    account = make_account()
    EmergencyAccess.objects.create(
        account=account, person=make_user(), reason_sealed=b"", opened_at=opened, until=opened
    )


def send_by_strangers() -> None:
    transport = make_account(baa_status="active").transports.get()
    transport.kind, config = "smtp", {"host": "smtp.relay.example"}
    transport.config_sealed = seal_config(transport, config=config)
    transport.save()


def keep_too_long() -> None:
    vault.prepare(vault.until("", NOW))
    DataKey.objects.filter(expires_on__isnull=False).update(expires_on=(NOW - timedelta(days=2)).date())


FAULTS: dict[str, Callable[[], Any]] = {
    "people.second-factor": forget_factor,
    "people.reviews": leave_week,
    "people.emergencies": leave_emergency,
    "agreements.customers": lambda: make_account(baa_status="active"),
    "agreements.relays": send_by_strangers,
    "retention.content": keep_too_long,
    "audit.guarded": lambda: remove_guards(connection),
}


@pytest.mark.parametrize("control", FAULTS)
def test_each_control_fails_for_its_own_reason(sound: Any, control: str) -> None:
    assert control not in failing()
    FAULTS[control]()
    assert control in failing()


def test_a_service_far_away_that_is_not_encrypted_fails(sound: Any) -> None:
    sound.REDIS_URL = "redis://cache.example.org:6379/0"
    assert "settings.services" in failing()


def test_a_control_that_breaks_does_not_pass_and_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_: object) -> str:
        raise RuntimeError("secret details")

    broken = selfcheck.Control("test.broken", "Broken", "none", break_down)
    monkeypatch.setattr(selfcheck, "CONTROLS", [broken, *selfcheck.CONTROLS])
    results = {result.id: result.why for result in selfcheck.run(now=NOW)}
    assert results["test.broken"] == "It could not be looked at: RuntimeError."
    assert len(results) == len(selfcheck.CONTROLS)


def test_once_a_year_what_was_found_is_kept_and_shown(client: Client) -> None:
    """164.308(a)(8): as evidence, also when something fails; why names other accounts and is for the operator."""
    tasks.keep_selfcheck()
    assert not SelfCheck.objects.exists(), "nobody is under an agreement"
    clinic = make_account(baa_status="active")
    tasks.keep_selfcheck()
    tasks.keep_selfcheck()
    kept = SelfCheck.objects.get()
    assert kept.failing + kept.passed == len(kept.controls) == len(selfcheck.CONTROLS)
    assert AuditEvent.objects.get(action="selfcheck.kept").data == {"passed": kept.passed, "failing": kept.failing}
    sign_in(client, make_user(clinic, role=Role.COMPLIANCE))
    assert f"{kept.failing} not in force" in squeeze(client.get("/admin/compliance/selfcheck/"))
    page = squeeze(client.get(f"/admin/compliance/selfcheck/{kept.pk}/change/"))
    assert "The audit trail is whole" in page
    assert "Ask whoever runs this installation why" in page
    assert clinic.slug not in page
    with time_machine.travel(NOW + timedelta(days=366)):
        tasks.keep_selfcheck()
    assert SelfCheck.objects.count() == 2
