"""`manage.py rotate_keys`: what the operator sees, and what the audit trail keeps of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from compliance import vault
from compliance.audit.verify import verify
from compliance.models import AuditEvent, DataKey
from compliance.vault import keys
from config import keyring

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def ring(settings: Settings, tmp_path: Path) -> keyring.KeyRing:
    """A key ring of this test's own."""
    made = keyring.load(tmp_path / "ring.json", create=True)
    settings.KEY_RING = made
    return made


def test_a_root_key_is_changed_and_the_old_one_destroyed(
    ring: keyring.KeyRing, capsys: pytest.CaptureFixture[str]
) -> None:
    sealed = vault.seal(b"secret", account="a")
    call_command("rotate_keys", "--new-root", "--retire", ring.active, "--json")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    new = lines[0]["new_root"]
    assert lines[1] == lines[2] == {"active": new, "done": 1, "left": 0, "failed": 0}
    assert lines[3]["retired"] == ring.active
    assert set(ring.fresh().sealing) == {new}
    keys.forget_open_keys()
    assert vault.unseal(sealed, account="a") == b"secret"


def test_each_step_is_in_the_audit_trail_and_names_no_key(ring: keyring.KeyRing) -> None:
    vault.seal(b"secret", account="a")
    call_command("rotate_keys", "--new-root", "--retire", ring.active)
    told = list(AuditEvent.objects.values_list("action", "thing_id", "actor_kind"))
    new = ring.fresh().active
    assert told == [
        ("vault.root-added", new, "operator"),
        ("vault.rotated", new, "operator"),
        ("vault.root-retired", ring.active, "operator"),
    ]
    assert verify().is_sound


def test_a_dry_run_changes_nothing(ring: keyring.KeyRing, capsys: pytest.CaptureFixture[str]) -> None:
    vault.seal(b"secret", account="a")
    DataKey.objects.update(kid="local:1999-01")
    call_command("rotate_keys", "--new-root", "--dry-run")
    assert capsys.readouterr().out == f"1 data keys wait for {ring.active}.\n"
    assert ring.fresh() == ring
    assert not AuditEvent.objects.exists()


def test_a_root_key_in_use_is_refused_with_the_reason(ring: keyring.KeyRing) -> None:
    with pytest.raises(CommandError, match="active root key"):
        call_command("rotate_keys", "--retire", ring.active)


def test_keys_that_do_not_open_fail_the_command() -> None:
    vault.seal(b"secret", account="a")
    DataKey.objects.update(kid="local:1999-01")
    with pytest.raises(CommandError, match="1 data keys do not open"):
        call_command("rotate_keys")


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("rotate_keys", "--batch", "0")
