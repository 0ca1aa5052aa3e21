"""The audit trail: in the transaction of what it tells, one chain an account, nothing personal, nothing changed later."""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from campaigns.models import Account
from compliance import audit
from compliance.audit import SYSTEM, AuditRefused, Ref, checkpoints, checks
from compliance.audit.retention import purge_events
from compliance.audit.verify import verify
from compliance.models import AuditChain, AuditCheckpoint, AuditEvent
from compliance.models.guards import install_guards, remove_guards
from tests.factories import make_account

BAA = Ref("baa", "7d9f", "BAA 2026-11")
NOW = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)


def tell(owner: str = "a", *, action: str = "baa.recorded", **changes: Any) -> AuditEvent:
    with transaction.atomic():
        return audit.record(action, owner=owner, **({"actor": SYSTEM, "about": BAA} | changes))


@pytest.mark.django_db
def test_an_event_keeps_who_did_what_to_what_as_values() -> None:
    data = {"from": "none", "to": "active", "count": 3, "ids": ["a", "b"], "forced": False, "reason": None}
    tell(actor=Ref("person", "17", "Compliance officer"), data=data, now=NOW)
    event = AuditEvent.objects.get()
    assert (event.owner, event.seq, event.at, event.action) == ("a", 1, NOW, "baa.recorded")
    assert (event.actor_kind, event.actor_id, event.actor_label) == ("person", "17", "Compliance officer")
    assert (event.thing_kind, event.thing_id, event.thing_label) == ("baa", "7d9f", "BAA 2026-11")
    assert event.data == data


@pytest.mark.django_db
def test_each_account_has_a_chain_of_its_own() -> None:
    for owner in ("a", "b", "a", "", "a"):
        tell(owner)
    assert list(AuditEvent.objects.values_list("owner", "seq")) == [("", 1), ("a", 1), ("a", 2), ("a", 3), ("b", 1)]
    assert verify().is_sound


@pytest.mark.django_db(transaction=True)
def test_without_a_transaction_nothing_is_recorded() -> None:
    with pytest.raises(AuditRefused):
        audit.record("baa.recorded", owner="a", actor=SYSTEM, about=BAA)
    audit.note("hipaa.blocked", owner="a", actor=SYSTEM, about=BAA)
    assert AuditEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_change_that_rolls_back_leaves_no_event_and_an_event_that_fails_leaves_no_change() -> None:
    account = make_account(name="Before")
    with contextlib.suppress(RuntimeError), transaction.atomic():
        tell()
        raise RuntimeError
    with contextlib.suppress(AuditRefused), transaction.atomic():
        Account.objects.update(name="After")
        tell(action="nobody.knows")
    assert not AuditEvent.objects.exists()
    account.refresh_from_db()
    assert account.name == "Before"
    tell()
    assert verify().is_sound


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes",
    [
        {"action": "baa.unheard-of"},
        {"actor": Ref("person", "ada@example.org")},
        {"actor": Ref("person", "17", "ada@example.org")},
        {"about": Ref("baa", "7d9f", 'Ada "Lovelace"')},
        {"about": Ref("baa", "x" * 65)},
        {"about": Ref("baa", "line\nbreak")},
        {"data": {"note": "Ada Lovelace <ada@example.org>"}},
        {"data": {"note": "Ona Žemaitė"}},
        {"data": {"note": "x" * 201}},
        {"data": {"list": ["fine", "ada@example.org"]}},
        {"data": {"Name": "x"}},
        {"data": {"nested": {"a": "b"}}},
        {"data": {"float": 0.1}},
        {"data": {"big": 2**53}},
        {"data": {"bytes": b"x"}},
    ],
)
def test_what_could_carry_personal_data_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(AuditRefused):
        tell(**changes)
    assert not AuditEvent.objects.exists()


# --- What the database refuses ------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["auditevent", "auditcheckpoint"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE compliance_{0} SET digest = 'x'", "UPDATE compliance_{0} SET at = at", "DELETE FROM compliance_{0}"],
)
def test_the_database_refuses_to_change_or_delete_evidence(table: str, statement: str) -> None:
    make_evidence(timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table))
    assert AuditEvent.objects.count() == AuditCheckpoint.objects.count() == 1


@pytest.mark.django_db
def test_the_orm_cannot_change_or_delete_an_event() -> None:
    event = tell()
    for change in (lambda: AuditEvent.objects.update(seq=7), event.save, event.delete, AuditEvent.objects.all().delete):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite knows no TRUNCATE")
def test_postgresql_refuses_to_empty_the_table() -> None:
    tell()
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE compliance_auditevent")


@pytest.mark.django_db
def test_evidence_of_less_than_six_years_stays_and_older_may_go() -> None:
    for age in (timedelta(days=6 * 365 - 1), timedelta(days=6 * 366 + 1)):
        make_evidence(timezone.now() - age, seq=age.days)
    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEvent.objects.filter(seq=6 * 365 - 1).delete()
    assert AuditEvent.objects.filter(seq=6 * 366 + 1).delete()[0] == 1


@pytest.mark.django_db
def test_a_database_without_its_triggers_is_told_about() -> None:
    assert checks.check_guards(databases=["default"]) == []
    remove_guards(connection)
    assert [check.id for check in checks.check_guards(databases=["default"])] == ["compliance.E006"]
    install_guards(connection)
    assert checks.check_guards(databases=["default"]) == []


def make_evidence(at: datetime, *, seq: int = 1) -> None:
    AuditEvent.objects.create(owner="a", seq=seq, at=at, action="baa.recorded", digest="0" * 64, mac="0" * 64)
    AuditCheckpoint.objects.create(owner="a", seq=seq, at=at, digest="0" * 64, signature="0" * 128)


# --- At once ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_events_of_one_account_written_at_once_make_one_whole_chain() -> None:
    start = threading.Barrier(6)

    def work() -> None:
        start.wait()
        for _ in range(5):
            tell("a")
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(AuditEvent.objects.values_list("seq", flat=True)) == list(range(1, 31))
    assert verify().is_sound


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_an_open_transaction_of_one_account_holds_up_no_other() -> None:
    done = threading.Event()

    def work() -> None:
        tell("b")
        done.set()
        connection.close()

    tell("a")
    with transaction.atomic():
        tell("a")
        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(60)
    thread.join()


# --- Retention ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_old_events_go_up_to_a_checkpoint_and_the_rest_still_verifies() -> None:
    long_ago = timezone.now() - timedelta(days=7 * 366)
    for number in range(5):
        tell(now=long_ago + timedelta(days=number))
        if number == 2:
            mark_chain(at=long_ago + timedelta(days=number))
    tell()
    assert purge_events("a", now=timezone.now()) == 3
    assert list(AuditEvent.objects.values_list("seq", "action")) == [
        (4, "baa.recorded"),
        (5, "baa.recorded"),
        (6, "baa.recorded"),
        (7, "retention.purged"),
    ]
    assert verify().is_sound
    assert purge_events("a", now=timezone.now()) == 0


@pytest.mark.django_db
def test_without_a_checkpoint_and_without_age_nothing_is_purged() -> None:
    tell(now=timezone.now() - timedelta(days=7 * 366))
    assert purge_events("a", now=timezone.now()) == 0
    tell("b")
    mark_chain(at=timezone.now(), owner="b")
    assert purge_events("b", now=timezone.now()) == 0
    assert AuditEvent.objects.count() == 2


def mark_chain(*, at: datetime, owner: str = "a") -> None:
    checkpoints._write(owner, now=at)


@pytest.mark.django_db
def test_recording_costs_few_milliseconds() -> None:
    tell()
    began = time.process_time()
    for _ in range(20):
        tell()
    assert (time.process_time() - began) / 20 < 0.1
    assert AuditChain.objects.get().seq == 21
