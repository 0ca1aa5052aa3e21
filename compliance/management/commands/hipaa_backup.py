"""Write a backup of the whole database and of what lies beside it, its data keys apart."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from compliance.management.base import ComplianceCommand, operator
from compliance.oversight.backup import DATA, KEYS, write_backup


class Command(ComplianceCommand):
    help = (
        f"Write everything in the database, uploads and archived mails to DIR/{DATA} and the wrapped data keys to DIR/{KEYS}, both of one moment, while "
        "mail leaves. Move the keys to another place and keep them for days; without the key ring neither opens anything."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR", help="A folder without an earlier backup in it.")
        parser.add_argument(
            "--without-archive",
            action="store_true",
            help="Leave out archived mails: a bucket that is backed up itself.",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, folder: Path, without_archive: bool, as_json: bool, **options: Any) -> None:
        made = write_backup(folder, actor=operator(), now=timezone.now(), with_archive=not without_archive)
        if as_json:
            self.stdout.write(json.dumps([dataclasses.asdict(manifest) for manifest in made]))
        else:
            for manifest in made:
                files = "".join(f", {bundle.files:,} files in {bundle.name}" for bundle in manifest.bundles)
                self.stdout.write(
                    f"{folder / manifest.part}: {len(manifest.files)} tables, {manifest.rows:,} rows{files}."
                )
            self.stdout.write(f"Rehearse it: manage.py hipaa_restore {folder} --verify")
        if missing := sum(manifest.missing for manifest in made):
            raise CommandError(
                f"The backup is there, but {missing:,} archived mails could not be read and are not in it."
            )
