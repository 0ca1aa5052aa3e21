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
