"""Work in a database and a folder of its own, in a process of its own, beside the real ones; thrown away afterwards."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection


@contextmanager
def environment_apart(**changes: str) -> Iterator[dict[str, str]]:
    """The environment of commands that meet an empty database, an empty folder and a queue nobody listens to."""
    with tempfile.TemporaryDirectory() as folder, _database() as database_url:
        var, tmp = Path(folder) / "var", Path(folder) / "tmp"
        for made in (var, tmp):
            made.mkdir(mode=0o700)
        environment = {
            **os.environ, "VAR_DIR": str(var), "TMPDIR": str(tmp), "DATABASE_URL": database_url,
            "ARCHIVE_DIR": str(var / "archive"), "ARCHIVE_S3_BUCKET": "",
            # Another name for the queue and the cache: no worker of the installation may take up what is rehearsed.
            "INSTANCE": f"apart-{secrets.token_hex(8)}",
            **changes,
        }  # fmt: skip
        environment.pop("AUDIT_CHECKPOINT_FILE", None)
        manage_apart(["migrate", "--verbosity", "0"], environment)
        yield environment


def manage_apart(words: list[str], environment: dict[str, str]) -> str:
    """What one command prints there; raises CommandError with its complaint."""
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(f"The rehearsal did not come to its end.\n{done.stderr[-3000:]}")
    return done.stdout


@contextmanager
def _database() -> Iterator[str]:
    """The address of an empty database beside the real one."""
    if connection.vendor == "sqlite":
        # Without an address it lies among the files of the rehearsal, where deleted rows are looked for as well.
        yield ""
        return
    name = f"sealpost_apart_{secrets.token_hex(6)}"
    place = urlsplit(str(settings.DATABASE_URL))
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"CREATE DATABASE {name}")
        except Exception as error:
            raise CommandError("The database's user may not create a database, which this works in.") from error
        try:
            yield place._replace(path=f"/{name}").geturl()
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
