"""Prove on this installation that protected data stays where it belongs."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connection

from compliance.management.base import ComplianceCommand
from compliance.sweep.rehearsal import rehearse

_REHEARSING = "PHI_SWEEP_REHEARSAL"


class Command(ComplianceCommand):
    help = (
        "Send a made-up patient through every door, then look for them in database, files, logs, cache, queue, sessions and "
        "answers. Works in a database, a folder and a queue of its own, with the settings of this installation. Exits with 1 "
        "when they are found anywhere but in the encrypted mail, or when a leak made on purpose goes unnoticed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        if os.environ.get(_REHEARSING):
            self.stdout.write(json.dumps(dataclasses.asdict(rehearse())))
            return
        report = _rehearse_apart()
        faults = [
            *(f"Found in {found['place']}: {found['where']} ({found['form']})." for found in report["found"]),
            *(f"A temporary file was written: {name}." for name in report["temporary"]),
            *(f"Not delivered as it should: {name}." for name in report["undelivered"]),
            *(f"A leak made on purpose went unnoticed: {name}." for name in report["blind"]),
        ]
        if as_json:
            self.stdout.write(json.dumps(report | {"clean": not faults}, indent=1))
        else:
            self.stdout.write(f"{len(report['doors'])} doors, {len(report['places'])} places.")
            for fault in faults:
                self.stdout.write(fault)
        if faults:
            raise CommandError(f"The sweep is not clean: {len(faults)} findings.")
        if not as_json:
            self.stdout.write(
                "Clean: only the encrypted mail knows the patient, and every leak made on purpose was noticed."
            )


def _rehearse_apart() -> dict[str, Any]:
    """The report of a process of its own, whose database, folder and queue are thrown away afterwards."""
    with tempfile.TemporaryDirectory() as folder, _database() as database_url:
        var, tmp = Path(folder) / "var", Path(folder) / "tmp"
        for made in (var, tmp):
            made.mkdir(mode=0o700)
        environment = {
            **os.environ, _REHEARSING: "1", "VAR_DIR": str(var), "TMPDIR": str(tmp), "DATABASE_URL": database_url,
            # Another name for the queue and the cache: no worker of the installation may take up what is rehearsed.
            "INSTANCE": f"sweep-{secrets.token_hex(8)}",
        }  # fmt: skip
        environment.pop("AUDIT_CHECKPOINT_FILE", None)
        _manage(["migrate", "--verbosity", "0"], environment)
        report: dict[str, Any] = json.loads(_manage(["phi_sweep"], environment).splitlines()[-1])
        return report


@contextmanager
def _database() -> Iterator[str]:
    """The address of an empty database beside the real one."""
    if connection.vendor == "sqlite":
        # Without an address it lies among the files of the rehearsal, where deleted rows are looked for as well.
        yield ""
        return
    name = f"sealpost_sweep_{secrets.token_hex(6)}"
    place = urlsplit(str(settings.DATABASE_URL))
    with connection.cursor() as cursor:
        try:
            cursor.execute(f"CREATE DATABASE {name}")
        except Exception as error:
            raise CommandError("The database's user may not create a database, which the sweep works in.") from error
        try:
            yield place._replace(path=f"/{name}").geturl()
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _manage(words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(  # noqa: S603 - ourselves
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # The rehearsal's data is made up: its complaint may be shown.
        raise CommandError(f"The rehearsal did not come to its end.\n{done.stderr[-3000:]}")
    return done.stdout
