"""A whole installation of its own, worked through its commands in real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from tests.migrated import copy_file, create_database, drop_database, template

MANAGE = Path(settings.BASE_DIR) / "manage.py"


class Installation:
    """Settings, keys and database in one folder; nothing is shared with the tests' own."""

    def __init__(self, folder: Path, *, database_url: str = "") -> None:
        self.folder = folder
        self.database_url = database_url
        # Everything its processes write to standard error, and what its servers print.
        self.log = folder / "everything.log"
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "ENV_FILE": os.devnull,
            "VAR_DIR": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": settings.REDIS_URL,
            # On a shared queue somebody else's worker would take our jobs.
            "INSTANCE": f"test-{uuid.uuid4().hex}",
        }

    def manage(self, *words: str, text: str = "") -> str:
        """Run one command to its end and return what it printed; raises with its complaint when it fails."""
        done = subprocess.run(
            [sys.executable, str(MANAGE), *words],
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(done.stderr)
        assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
        return done.stdout

    def python(self, code: str) -> str:
        """What the code prints inside the installation."""
        return self.manage("shell", "--no-imports", "-c", code)

    def query(self, sql: str) -> int:
        """The one number a query gives, asked directly: a command takes a second to start."""
        if self.database_url:
            with psycopg.connect(self.database_url, autocommit=True) as postgres:
                row = postgres.execute(sql.encode()).fetchone()
        else:
            with contextlib.closing(sqlite3.connect(self.folder / "sealpost.sqlite3", timeout=60)) as sqlite:
                row = sqlite.execute(sql).fetchone()
        assert row is not None
        return int(row[0])

    def report(self, account: str, campaign: str) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.manage("campaign_report", account, campaign, "--json"))
        return report

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.start("worker")

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """One command as a process that goes on, with everything it says in the log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, str(MANAGE), *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.running("worker") as process:
            yield process

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """The command while the block runs, stopped as an operator would stop it."""
        process = self.start(*words)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(120)


@contextmanager
def installed(folder: Path, *, migrated: bool = True) -> Iterator[Installation]:
    """An installation with a new database, on the engines the tests run on."""
    if connection.vendor == "sqlite":
        folder.mkdir(mode=0o700, exist_ok=True)
        if migrated:
            copy_file(folder / "sealpost.sqlite3")
        yield Installation(folder)
        return
    name = f"sealpost_test_{uuid.uuid4().hex[:12]}"
    address = create_database(name, like=template()) if migrated else create_database(name)
    try:
        yield Installation(folder, database_url=address)
    finally:
        drop_database(name)


def wait_until(condition: Callable[[], bool], *, seconds: float, pause: float = 0.1) -> None:
    """Return when the condition holds; fails when it does not in time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(pause)
