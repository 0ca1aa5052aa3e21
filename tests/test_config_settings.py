"""Settings as a whole: what a start does on one's own machine and on a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from config import keyring

BARE = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}} | {
    "ENV_FILE": os.devnull
}


def manage(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=settings.BASE_DIR,
        env=BARE | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def production(tmp_path: Path) -> dict[str, str]:
    """The environment of a sound server."""
    ring, var = tmp_path / "ring.json", tmp_path / "var"
    keyring.write_new(ring)
    var.mkdir(mode=0o700)
    return {
        "LOCAL": "false",
        "SECRET_KEY": "".join(chr(33 + number) for number in range(64)),
        "KEY_RING_FILE": str(ring),
        "VAR_DIR": str(var),
        "PUBLIC_URL": "https://mail.example.com",
        "ALLOWED_HOSTS": "mail.example.com",
        "BEHIND_PROXY": "true",
        "DATABASE_URL": "postgres://sealpost@localhost/sealpost",
        "REDIS_URL": "redis://localhost:6379/0",
    }


def test_a_sound_server_passes_the_deployment_check(production: dict[str, str]) -> None:
    result = manage("check", "--deploy", "--fail-level", "WARNING", **production)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("missing", ["SECRET_KEY", "KEY_RING_FILE"])
def test_a_server_without_its_keys_does_not_start(production: dict[str, str], missing: str) -> None:
    del production[missing]
    result = manage("check", **production)
    assert result.returncode != 0
    assert f"Write {missing}=" in result.stderr


def test_a_server_makes_no_folder_of_its_own(production: dict[str, str], tmp_path: Path) -> None:
    result = manage("check", **(production | {"VAR_DIR": str(tmp_path / "typo")}))
    assert "sealpost.E012" in result.stderr
    assert not (tmp_path / "typo").exists()


def test_ones_own_machine_needs_no_setting_at_all(tmp_path: Path) -> None:
    result = manage("migrate", "-v0", VAR_DIR=str(tmp_path / "var"))
    assert result.returncode == 0, result.stderr
    files = {path.name for path in (tmp_path / "var").iterdir()}
    assert {"keyring.json", "secret_key", "sealpost.sqlite3"} <= files
    assert (tmp_path / "var").stat().st_mode & 0o077 == 0


def test_sqlite_waits_for_the_write_lock_instead_of_failing(tmp_path: Path) -> None:
    code = (
        "from django.db import connection, transaction\n"
        "ask = lambda name: connection.cursor().execute(f'PRAGMA {name}').fetchone()[0]\n"
        "with transaction.atomic(): locked = connection.connection.in_transaction\n"
        "print(ask('journal_mode'), ask('busy_timeout'), ask('synchronous'), ask('foreign_keys'), locked)"
    )
    result = manage("shell", "--no-imports", "-c", code, VAR_DIR=str(tmp_path))
    assert result.stdout.split() == ["wal", "20000", "1", "1", "True"]


def test_two_writers_on_sqlite_take_turns(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "from django.db import transaction\n"
        "from django_q.models import Schedule\n"
        "for _ in range(10):\n"
        "    with transaction.atomic():\n"
        "        n = Schedule.objects.count()\n"
        "        time.sleep(0.01)\n"
        "        Schedule.objects.create(func='x', name=str(n))\n"
    )
    environment = BARE | {"VAR_DIR": str(tmp_path)}
    manage("migrate", "-v0", "django_q", VAR_DIR=str(tmp_path))
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    writers = [subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment) for _ in range(3)]
    assert [writer.wait(timeout=200) for writer in writers] == [0, 0, 0]
    count = "from django_q.models import Schedule; print(Schedule.objects.values('name').distinct().count())"
    assert manage("shell", "--no-imports", "-c", count, VAR_DIR=str(tmp_path)).stdout.strip() == "30"
