"""Read mails as bounces, complaints and automatic answers, and print what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from campaigns.inbound.reports import Report, describe_report, read_report


class Command(BaseCommand):
    help = "Read every mail in a folder as a bounce, a complaint or an automatic answer. Nothing is recorded."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "folder", type=Path, help="A folder of mails, one in each file, with its subfolders; or one such file."
        )
        parser.add_argument("--jsonl", action="store_true", help="Print one JSON object a line for programs.")

    def handle(self, *, folder: Path, jsonl: bool, **_: Any) -> None:
        if not folder.exists():
            raise CommandError("There is no such folder.")
        is_folder = folder.is_dir()
        for path in sorted(folder.rglob("*")) if is_folder else [folder]:
            if path.is_file():
                name = str(path.relative_to(folder)) if is_folder else path.name
                report = self._read(path)
                self.stdout.write(
                    json.dumps({"file": name, **describe_report(report)}) if jsonl else _say(name, report)
                )

    def _read(self, path: Path) -> Report:
        """The report in a file; of one that cannot be opened, that it is none."""
        try:
            return read_report(path.read_bytes())
        except OSError as error:
            self.stderr.write(f"{path.name}: cannot be read ({error.strerror}).")
            return read_report(b"")


def _say(name: str, report: Report) -> str:
    rows = describe_report(report)["recipients"]
    told = "; ".join(f"{row['class']} {row['reason']} {row['status']} {row['address']}".strip() for row in rows)
    return f"{name}: {report.kind}{': ' if told else ''}{told}"
