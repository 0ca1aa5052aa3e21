"""Whatever is done to the audit trail behind its back, verifying it tells, and tells where."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import override_settings
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from compliance import audit, tasks
from compliance.audit import SYSTEM, Ref, chain, checkpoints
from compliance.audit.verify import verify
from compliance.models import AuditChain, AuditCheckpoint, AuditEvent
from compliance.models.guards import remove_guards
from compliance.vault import derived
from tests.factories import make_account

NOW = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)


@pytest.fixture
def file(settings: Settings, tmp_path: Path) -> Path:
    settings.AUDIT_CHECKPOINT_FILE = tmp_path / "checkpoints.jsonl"
    return tmp_path / "checkpoints.jsonl"


@pytest.fixture
def unguarded(db: None) -> None:
    """Somebody who owns the database has dropped the triggers."""
    remove_guards(connection)


def tell(count: int = 1, *, owner: str = "a") -> None:
    for number in range(count):
        with transaction.atomic():
            audit.record(
                "baa.recorded", owner=owner, actor=SYSTEM, about=Ref("baa", str(number)), data={"number": number}
            )


def problems(**options: Any) -> set[tuple[int, str]]:
    return {(problem.seq, problem.code) for problem in verify(**options).problems}


def rehash(event: AuditEvent) -> str:
    """The digest somebody without our keys would put there."""
    event.digest = chain.digest_of(chain.as_dict(event))
    return event.digest


# --- Changing -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unguarded")
@pytest.mark.parametrize(
    "change",
    [
        {"action": "baa.amended"}, {"actor_id": "18"}, {"actor_label": "x"}, {"actor_kind": "x"}, {"thing_id": "x"},
        {"thing_kind": "x"}, {"thing_label": "x"}, {"data": {"number": 7}}, {"data": {}}, {"at": NOW},
    ],
)  # fmt: skip
def test_a_changed_event_is_found_whatever_was_changed(change: dict[str, Any]) -> None:
    tell(5)
    AuditEvent.objects.filter(seq=3).update(**change)
    assert problems() == {(3, "event.changed")}


@pytest.mark.usefixtures("unguarded")
def test_recomputing_all_digests_after_a_change_does_not_help_without_the_key() -> None:
    tell(5)
    AuditEvent.objects.filter(seq=3).update(data={"number": 7})
    prev = AuditEvent.objects.get(seq=2).digest
    for event in AuditEvent.objects.filter(seq__gte=3):
        event.prev = prev
        prev = rehash(event)
        AuditEvent.objects.filter(pk=event.pk).update(prev=event.prev, digest=event.digest)
    AuditChain.objects.update(digest=prev)
    assert problems() == {(3, "mac.wrong"), (4, "mac.wrong"), (5, "mac.wrong")}


@pytest.mark.usefixtures("unguarded")
def test_a_removed_event_is_found() -> None:
    tell(5)
    AuditEvent.objects.filter(seq=3).delete()
    assert problems() == {(3, "event.missing")}


@pytest.mark.usefixtures("unguarded")
def test_a_removed_beginning_is_found() -> None:
    tell(5)
    AuditEvent.objects.filter(seq__lte=2).delete()
    assert problems() == {(1, "event.missing")}


@pytest.mark.usefixtures("unguarded")
def test_a_removed_end_is_found() -> None:
    tell(5)
    AuditEvent.objects.filter(seq__gte=4).delete()
    assert problems() == {(4, "end.missing"), (3, "end.differs")}


@pytest.mark.usefixtures("unguarded")
def test_two_events_that_changed_places_are_found() -> None:
    tell(3)
    AuditEvent.objects.filter(seq=2).update(seq=99)
    AuditEvent.objects.filter(seq=3).update(seq=2)
    AuditEvent.objects.filter(seq=99).update(seq=3)
    assert {seq for seq, _ in problems()} == {2, 3}


@pytest.mark.usefixtures("unguarded")
def test_a_whole_chain_that_vanished_is_found_by_its_checkpoint(file: Path) -> None:
    tell(3)
    checkpoints.write_checkpoints(now=NOW)
    AuditEvent.objects.all().delete()
    AuditChain.objects.all().delete()
    assert problems() == {(1, "end.missing"), (0, "end.differs")}


@pytest.mark.usefixtures("unguarded")
def test_an_end_cut_off_with_its_row_and_its_checkpoints_is_found_by_the_copy_elsewhere(file: Path) -> None:
    tell(3)
    checkpoints.write_checkpoints(now=NOW)
    tell(3)
    checkpoints.write_checkpoints(now=NOW)
    AuditEvent.objects.filter(seq__gt=3).delete()
    AuditCheckpoint.objects.filter(seq__gt=3).delete()
    AuditChain.objects.update(seq=3, digest=AuditEvent.objects.get(seq=3).digest)
    assert problems() == set()
    assert problems(published=checkpoints.read_file(file)) == {(6, "published.differs")}


@pytest.mark.usefixtures("unguarded")
def test_a_checkpoint_that_was_forged_or_removed_is_found(file: Path) -> None:
    for _ in range(3):
        tell()
        checkpoints.write_checkpoints(now=NOW)
    AuditCheckpoint.objects.filter(seq=1).update(digest="0" * 64)
    assert problems() == {(1, "checkpoint.forged"), (1, "checkpoint.differs")}
    AuditCheckpoint.objects.filter(seq=1).delete()
    assert problems() == {(2, "checkpoint.missing")}


@pytest.mark.django_db
def test_a_forged_line_of_the_checkpoint_file_is_found(file: Path) -> None:
    tell()
    checkpoints.write_checkpoints(now=NOW)
    content, signature = next(checkpoints.read_file(file))
    assert problems(published=[(content, signature)]) == set()
    for forged in ({**content, "seq": 2}, {**content, "digest": "0" * 64}, {**content, "owner": "b"}):
        assert {code for _, code in problems(published=[(forged, signature)])} == {"published.forged"}


@pytest.mark.django_db
def test_with_another_key_ring_nothing_verifies(settings: Settings) -> None:
    tell(2)
    with override_settings(KEY_RING=replace(settings.KEY_RING, token=bytes(32))):
        assert problems() == {(1, "mac.wrong"), (2, "mac.wrong")}


@pytest.mark.usefixtures("unguarded")
@given(position=st.integers(1, 8), field=st.sampled_from(["seq", "prev", "digest", "mac", "data", "thing_id", "at"]))
@hypothesis_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_single_change_is_found(position: int, field: str) -> None:
    with transaction.atomic():
        tell(8)
        values: dict[str, Any] = {"seq": 77, "data": {"number": 99}, "at": NOW - timedelta(days=9)}
        AuditEvent.objects.filter(seq=position).update(**{field: values.get(field, "0" * 64)})
        assert problems() != set()
        transaction.set_rollback(True)


# --- The format, and the two ends of it ---------------------------------------------------------------------------


def test_the_canonical_form_of_an_event_is_a_format() -> None:
    """Evidence of today is verified in six years: bytes, digest and code must come out the same."""
    event = AuditEvent(
        owner="a", seq=2, at=NOW, action="baa.recorded", actor_kind="system", actor_id="sealpost", thing_kind="baa",
        thing_id="7", thing_label="BAA é", data={"b": 1, "a": None}, prev="00",
    )  # fmt: skip
    assert chain._encode(chain.as_dict(event)) == (
        '{"action":"baa.recorded","actor":["system","sealpost",""],"at":"2026-11-30T09:30:00.000000Z",'
        '"data":{"a":null,"b":1},"owner":"a","prev":"00","seq":2,"thing":["baa","7","BAA \\u00e9"],"v":1}'
    )
    assert chain.digest_of({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_a_code_of_one_purpose_is_none_for_another() -> None:
    assert derived.is_mac("audit chain", b"x", derived.make_mac("audit chain", b"x"))
    assert not derived.is_mac("approval", b"x", derived.make_mac("audit chain", b"x"))
    assert not derived.is_mac("audit chain", b"y", derived.make_mac("audit chain", b"x"))


@pytest.mark.django_db
def test_a_checkpoint_is_written_for_each_chain_that_grew_and_for_no_other(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tell(2)
    tell(owner="b")
    with caplog.at_level("INFO"):
        tasks.write_checkpoints()
    assert checkpoints.write_checkpoints(now=timezone.now()) == 0
    tell(owner="b")
    assert checkpoints.write_checkpoints(now=timezone.now()) == 1
    told = [(content["owner"], content["seq"]) for content, _ in checkpoints.read_file(file)]
    assert told == [("a", 2), ("b", 1), ("b", 2)]
    assert caplog.text.count("audit checkpoint") == 2
    assert verify(published=checkpoints.read_file(file)).is_sound
    assert file.stat().st_mode & 0o077 == 0


# --- The command --------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_command_says_that_all_is_well(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    account = make_account()
    tell(3, owner=str(account.public_id))
    tell()
    checkpoints.write_checkpoints(now=NOW)
    call_command("verify_audit", "--json", "--checkpoints", str(file))
    assert json.loads(capsys.readouterr().out) == {
        "sound": True, "events": 4, "chains": 2, "checkpoints": 4, "problems": [],
    }  # fmt: skip
    call_command("verify_audit", "--account", account.slug)
    assert capsys.readouterr().out == "3 events in 1 chains, 1 checkpoints, 0 problems.\n"


@pytest.mark.usefixtures("unguarded")
def test_the_command_fails_when_something_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    tell(3, owner="")
    AuditEvent.objects.filter(seq=2).update(thing_id="x")
    with pytest.raises(CommandError, match="does not fit"):
        call_command("verify_audit", "--installation", "--json")
    assert json.loads(capsys.readouterr().out)["problems"] == [{"account": "", "seq": 2, "code": "event.changed"}]


@pytest.mark.django_db
@pytest.mark.parametrize("text", [None, "not json\n", "[]\n", '{"seq": 1}\n'])
def test_the_command_refuses_a_file_that_holds_no_checkpoints(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "copy"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CommandError):
        call_command("verify_audit", "--checkpoints", str(path))
