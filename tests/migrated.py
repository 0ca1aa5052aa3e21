"""One database that is really migrated in each run of the tests; all others begin as copies of it.

To migrate takes ten seconds of a processor, to copy takes none.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.conf import settings
from django.db import connection
from psycopg import sql

# The folder of the whole run, whichever of its processes asks.
_ROOT = Path(os.environ["SEALPOST_TEST_ROOT"])
_FOLDER = _ROOT / "template"
# Of the same name as the database of the run, so that what cleans up after a killed one finds it.
_NAME = urlsplit(settings.DATABASE_URL).path.strip("/")
_TEMPLATE = f"{_NAME}_{hashlib.sha256(str(_ROOT).encode()).hexdigest()[:12]}"


def copy_file(path: Path) -> None:
    """Make `path` a migrated SQLite database."""
    _migrate_once()
    shutil.copyfile(_FOLDER / "sealpost.sqlite3", path)


def template() -> str:
    """The name of a migrated PostgreSQL database that nobody is connected to."""
    _migrate_once()
    return _TEMPLATE


def drop_template() -> None:
    """At the end of a run; the one on SQLite goes with its folder."""
    if _on_postgresql() and (_FOLDER / "done").exists():
        drop_database(_TEMPLATE)


def create_database(name: str, *, like: str = "template1") -> str:
    """A new PostgreSQL database beside the one of the tests; returns its address."""
    _tell_server(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(like)))
    return _address(name)


def drop_database(name: str) -> None:
    _tell_server(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _migrate_once() -> None:
    """Whichever process comes first does it; the others wait."""
    _FOLDER.mkdir(mode=0o700, exist_ok=True)
    done = _FOLDER / "done"
    with (_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return
        address = create_database(_TEMPLATE) if _on_postgresql() else ""
        migrate = subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "VAR_DIR": str(_FOLDER),
                "DATABASE_URL": address,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert migrate.returncode == 0, migrate.stderr
        done.touch()


def _on_postgresql() -> bool:
    return connection.vendor == "postgresql"


def _address(name: str) -> str:
    return urlsplit(settings.DATABASE_URL)._replace(path=f"/{name}").geturl()


def _tell_server(statement: sql.Composed) -> None:
    with psycopg.connect(_address("postgres"), autocommit=True) as server:
        server.execute(statement)
