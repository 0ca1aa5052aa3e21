"""Write a backup of the whole database, its data keys apart."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from compliance.management.base import ComplianceCommand, operator
from compliance.oversight.backup import DATA, KEYS, write_backup


class Command(ComplianceCommand):
    help = (
        f"Write everything in the database to DIR/{DATA} and the wrapped data keys to DIR/{KEYS}, both of one moment, while "
        "mail leaves. Move the keys to another place and keep them for days; without the key ring neither opens anything."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="A folder without an earlier backup in it.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, folder: Path, as_json: bool, **options: Any) -> None:
        made = write_backup(folder, actor=operator(), now=timezone.now())
        if as_json:
            self.stdout.write(json.dumps([dataclasses.asdict(manifest) for manifest in made]))
            return
        for manifest in made:
            self.stdout.write(f"{folder / manifest.part}: {len(manifest.files)} tables, {manifest.rows:,} rows.")
        self.stdout.write(f"Rehearse it: manage.py hipaa_restore {folder} --verify")
