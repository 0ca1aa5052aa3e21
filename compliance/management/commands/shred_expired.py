"""Shred content whose time is over."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from compliance import shredding
from compliance.management.base import ComplianceCommand


class Command(ComplianceCommand):
    help = "Destroy the keys of sealed content whose last day is over. The worker does it every hour by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="Print JSON for programs.")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        made = shredding.shred_expired(now=timezone.now())
        self.stdout.write(json.dumps({"certificates": made}) if as_json else f"{made:,} scopes were shredded.")
