"""The key ring: made once, never overwritten, readable by its owner only, never quoted."""

import json
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config import keyring


def test_keys_are_made_on_first_use_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ring.json"
    first = keyring.load(path, create=True)
    assert keyring.load(path, create=True) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({first.index, first.token, *first.sealing.values()}) == 3


def test_many_first_users_at_once_get_the_same_keys(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    with ThreadPoolExecutor(16) as pool:
        rings = list(pool.map(lambda _: keyring.load(path, create=True), range(64)))
    assert all(ring == rings[0] for ring in rings)
    assert [entry.name for entry in tmp_path.iterdir()] == ["ring.json"]


def test_a_missing_ring_is_not_made_where_keys_are_required(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"python -m config\.keyring"):
        keyring.load(tmp_path / "ring.json", create=False)


@pytest.mark.parametrize("change", ["{", '{"active": "x"}', "[]", "short"])
def test_a_damaged_ring_stops_the_start_and_quotes_no_key(tmp_path: Path, change: str) -> None:
    path = tmp_path / "ring.json"
    keyring.write_new(path)
    content = json.loads(path.read_text())
    if change == "short":
        content["token"] = content["token"][:8]
        change = json.dumps(content)
    path.write_text(change)
    with pytest.raises(ImproperlyConfigured, match="damaged") as raised:
        keyring.load(path, create=True)
    assert content["index"] not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_ring_shows_nothing_in_its_repr(tmp_path: Path) -> None:
    ring = keyring.load(tmp_path / "ring.json", create=True)
    assert repr(ring.index) not in repr(ring)


def test_the_command_makes_a_ring_and_never_touches_an_existing_one(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    command = [sys.executable, "-m", "config.keyring", str(path)]
    assert subprocess.run(command, cwd=settings.BASE_DIR, check=False).returncode == 0
    content = path.read_bytes()
    again = subprocess.run(command, cwd=settings.BASE_DIR, check=False, capture_output=True)
    assert again.returncode == 1
    assert b"stays as it is" in again.stderr
    assert path.read_bytes() == content


def test_a_new_sealing_key_becomes_active_and_the_old_ones_stay(tmp_path: Path) -> None:
    ring = keyring.load(tmp_path / "ring.json", create=True)
    first, second = ring.add_sealing_key(), ring.add_sealing_key()
    fresh = ring.fresh()
    assert fresh.active == second
    assert set(fresh.sealing) == {ring.active, first, second}
    assert (fresh.index, fresh.token) == (ring.index, ring.token)
    assert stat.S_IMODE((tmp_path / "ring.json").stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["ring.json"]


def test_a_removed_sealing_key_is_gone_from_the_file_and_the_active_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    ring = keyring.load(path, create=True)
    kid = ring.add_sealing_key()
    ring.remove_sealing_key(ring.active)
    assert set(ring.fresh().sealing) == {kid}
    with pytest.raises(ValueError, match="active"):
        ring.remove_sealing_key(kid)
    assert set(ring.fresh().sealing) == {kid}


def test_the_bytes_of_a_changed_ring_are_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    ring = keyring.load(path, create=True)
    with path.open("rb") as old:
        ring.add_sealing_key()
        assert set(old.read()) == {0}


def test_keys_added_at_once_are_all_kept(tmp_path: Path) -> None:
    ring = keyring.load(tmp_path / "ring.json", create=True)
    with ThreadPoolExecutor(8) as pool:
        added = list(pool.map(lambda _: ring.add_sealing_key(), range(16)))
    assert set(ring.fresh().sealing) == {ring.active, *added}
    assert len(set(added)) == 16


def test_a_ring_whose_file_vanished_goes_on_with_the_keys_it_has(tmp_path: Path) -> None:
    path = tmp_path / "ring.json"
    ring = keyring.load(path, create=True)
    path.unlink()
    assert ring.fresh() == ring
