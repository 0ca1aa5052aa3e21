"""Both clocks of retention: content in days, evidence in years."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from compliance.management.base import ComplianceCommand
from compliance.oversight import clocks


class Command(ComplianceCommand):
    help = (
        "Say what is kept and for how long. With --run, shred content and purge evidence whose time is over; the worker "
        "does it every day by itself."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--run", action="store_true", dest="does_run", help="Do it now.")
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, does_run: bool, as_json: bool, **options: Any) -> None:
        now = timezone.now()
        certificates, events = clocks.run(now=now) if does_run else (0, 0)
        found = clocks.read_clocks(now=now)
        if as_json:
            facts = dataclasses.asdict(found) | {"shredded_now": certificates, "purged_now": events}
            self.stdout.write(json.dumps(facts, default=lambda moment: moment.isoformat()))
            return
        if does_run:
            self.stdout.write(f"{certificates:,} scopes were shredded, {events:,} events purged.")
        self.stdout.write(f"Content: {found.sealed_scopes:,} scopes are sealed, {found.overdue:,} of them overdue.")
        self.stdout.write(f"Evidence: {found.events:,} events, kept for {found.evidence_years} years.")
