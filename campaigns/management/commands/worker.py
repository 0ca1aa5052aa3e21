"""Background jobs: imports, planning, dispatch, schedules."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from campaigns import jobs
from campaigns.management.schedules import SCHEDULES
from campaigns.outbox import recovery


class Command(BaseCommand):
    help = "Run background jobs until SIGTERM or SIGINT. Any number of these may run, on any number of hosts."
    requires_migrations_checks = True

    stopping = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--workers", type=int, default=settings.WORKERS, help="Processes (default: WORKERS).")

        parser.add_argument(
            "--stale-after",
            type=float,
            default=jobs.STALE_AFTER,
            metavar="SECONDS",
            help="Start the processes over when none shows a sign of life for so long (default: %(default)g).",
        )

    def handle(self, *, workers: int, stale_after: float, **options: Any) -> None:
        if not 1 <= workers <= 64:
            raise CommandError("--workers must be from 1 to 64.")
        if stale_after < 5:
            raise CommandError("--stale-after must be at least 5 seconds.")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_stop)
        jobs.sync_schedules(SCHEDULES)
        # What the last run left behind is looked for now; the first look at the schedules is half a minute away, and
        # may be another host's, which cannot read the journals of this one.
        recovery.settle_dead(now=timezone.now())
        for entry in SCHEDULES:
            jobs.ring(entry.job)
        self.stdout.write(f"Worker with {workers} processes is up.")
        self.stdout.flush()
        jobs.run_cluster(workers=workers, should_stop=lambda: self.stopping, stale_after=stale_after)
        self.stdout.write("Worker has stopped.")

    def _note_stop(self, *_: object) -> None:
        # Only a flag: stopping the cluster inside a handler waits for locks the interrupted code may hold.
        self.stopping = True
