"""Hand over everything that is due, without the queue."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import CommandParser

from campaigns.management.base import RoomCommand
from campaigns.planning.working import work_once


class Command(RoomCommand):
    help = "Plan and hand over what is due now, in this process. Safe beside running workers."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--drain", action="store_true", help="Go on until nothing is due, then stop.")

    def handle(self, *, drain: bool, **options: Any) -> None:
        began = time.monotonic()
        more, total = work_once()
        while drain and more:
            more, claimed = work_once()
            total += claimed
        seconds = time.monotonic() - began
        self.stdout.write(f"{total} messages in {seconds:.1f} s ({total / max(seconds, 0.001):,.0f}/s)")
