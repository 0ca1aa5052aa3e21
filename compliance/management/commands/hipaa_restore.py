"""Bring a backup back, or rehearse that."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from compliance import audit
from compliance.audit import Ref
from compliance.management.apart import environment_apart, manage_apart
from compliance.management.base import ComplianceCommand, operator
from compliance.oversight import restore
from compliance.oversight.backup import KEYS
from compliance.oversight.restore import Drill

_REHEARSING = "HIPAA_RESTORE_REHEARSAL"


class Command(ComplianceCommand):
    help = (
        "Fill an empty database, made by manage.py migrate, from a backup, and put uploads and archived mails back; then count, "
        "open a sample of what is sealed and follow the audit trail. With --verify all of that happens in a database of its own, which is thrown away, and the "
        "drill is kept in the audit trail. Exits with 1 when anything is missing, changed or does not open."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="What hipaa_backup wrote.")
        parser.add_argument(
            "--keys", type=Path, metavar="DIR", help=f"Where the data keys are kept (default: DIR/{KEYS})."
        )
        parser.add_argument(
            "--without-keys", action="store_true", help="Evidence alone: nothing that is sealed will ever open."
        )
        parser.add_argument("--verify", action="store_true", help="Rehearse it, and leave this database as it is.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(
        self, *, folder: Path, keys: Path | None, without_keys: bool, verify: bool, as_json: bool, **options: Any
    ) -> None:
        place = None if without_keys else keys or folder / KEYS
        parts = restore.read_parts(folder, keys=place)
        if verify:
            drill = _rehearse(folder, place)
        else:
            # A rehearsal has no place for them: whether they are all there and open is seen where they lie.
            restore.load(parts, with_files=not os.environ.get(_REHEARSING))
            drill = restore.examine(parts)
        _record("backup.verified" if verify else "backup.restored", drill)
        if as_json:
            self.stdout.write(json.dumps(dataclasses.asdict(drill)))
        else:
            self._show(drill)
        if not drill.is_sound and not os.environ.get(_REHEARSING):
            raise CommandError(f"The backup is not whole: {len(drill.faults)} faults.")

    def _show(self, drill: Drill) -> None:
        for fault in drill.faults:
            self.stdout.write(fault)
        self.stdout.write(
            f"{drill.tables} tables, {drill.rows:,} rows, {drill.files:,} files; {drill.opened} sealed values of a sample opened, {drill.shredded} were "
            f"shredded; {drill.events:,} events of the audit trail."
        )


def _rehearse(folder: Path, keys: Path | None) -> Drill:
    place = ["--keys", str(keys.resolve())] if keys else ["--without-keys"]
    with environment_apart(**{_REHEARSING: "1", "KEY_RING_FILE": str(settings.KEY_RING_FILE)}) as environment:
        told = manage_apart(["hipaa_restore", str(folder.resolve()), *place, "--json"], environment)
    return Drill(**json.loads(told.splitlines()[-1]))


def _record(action: str, drill: Drill) -> None:
    data: dict[str, audit.Value] = {
        "sound": drill.is_sound, "rows": drill.rows, "opened": drill.opened, "shredded": drill.shredded, "faults": len(drill.faults),
    }  # fmt: skip
    with transaction.atomic():
        about = Ref("backup", drill.backup)
        audit.record(action, owner="", actor=operator(), about=about, data=data, now=timezone.now())
