"""Verify the audit trail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from campaigns.accounts.tenancy import find_account
from compliance.audit import checkpoints
from compliance.audit.verify import Report, verify
from compliance.management.base import ComplianceCommand


class Command(ComplianceCommand):
    help = "Follow every chain of the audit trail and say what does not fit. Exit code 1 when anything does not."

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--account", default="", help="Short name of one account (default: everything).")
        which.add_argument("--installation", action="store_true", help="Only the installation's own chain.")
        parser.add_argument(
            "--checkpoints",
            type=Path,
            help="A copy of the checkpoint file, kept where the database's owner cannot write.",
        )
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(
        self, *, account: str, installation: bool, checkpoints: Path | None, as_json: bool, **options: Any
    ) -> None:
        owner = str(find_account(account).public_id) if account else "" if installation else None
        report = verify(owner=owner, published=_read(checkpoints))
        if as_json:
            self.stdout.write(json.dumps(_as_json(report)))
        else:
            self._show(report)
        if not report.is_sound:
            raise CommandError("The audit trail does not fit together: see above.")

    def _show(self, report: Report) -> None:
        for problem in report.problems:
            self.stdout.write(f"{problem.owner or 'installation'} {problem.seq}: {problem.code}")
        self.stdout.write(
            f"{report.events:,} events in {report.chains:,} chains, {report.checkpoints:,} checkpoints, "
            f"{len(report.problems):,} problems."
        )


def _read(path: Path | None) -> list[tuple[dict[str, Any], str]]:
    if path is None:
        return []
    try:
        return list(checkpoints.read_file(path))
    except OSError as error:
        raise CommandError("The checkpoint file cannot be read.") from error
    except ValueError:
        raise CommandError("The checkpoint file holds a line that is no checkpoint.") from None


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "sound": report.is_sound,
        "events": report.events,
        "chains": report.chains,
        "checkpoints": report.checkpoints,
        "problems": [
            {"account": problem.owner, "seq": problem.seq, "code": problem.code} for problem in report.problems
        ],
    }
