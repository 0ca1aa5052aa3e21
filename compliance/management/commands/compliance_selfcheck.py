"""The installation checks its own safeguards."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from compliance.management.base import ComplianceCommand, operator
from compliance.oversight import kept_checks, selfcheck


class Command(ComplianceCommand):
    help = (
        "Check each safeguard of the software in this installation, and say why one is not in force. Exits with 1 then."
    )
    # It runs them itself, and reports them.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--keep", action="store_true", help="Keep what is found, as the worker does every year.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, as_json: bool, keep: bool, **options: Any) -> None:
        now = timezone.now()
        results = selfcheck.run(now=now)
        failing = [result for result in results if not result.is_ok]
        if keep:
            kept_checks.keep(results, actor=operator(), now=now)
        if as_json:
            rows = [kept_checks.as_row(row) for row in results]
            self.stdout.write(json.dumps({"at": now.isoformat(), "ok": not failing, "controls": rows}, indent=1))
        else:
            for row in results:
                self.stdout.write(f"{'ok     ' if row.is_ok else 'failing'}  {row.title} ({row.citation})")
                if row.why:
                    self.stdout.write(f"         {row.why}")
        if failing:
            raise CommandError(f"{len(failing)} of {len(results)} controls are not in force.")
