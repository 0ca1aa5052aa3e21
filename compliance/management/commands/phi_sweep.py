"""Prove on this installation that protected data stays where it belongs."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

from django.core.management.base import CommandError, CommandParser

from compliance.management.apart import environment_apart, manage_apart
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
    with environment_apart(**{_REHEARSING: "1"}) as environment:
        # Its data is made up: a complaint may quote it.
        report: dict[str, Any] = json.loads(manage_apart(["phi_sweep"], environment).splitlines()[-1])
        return report
