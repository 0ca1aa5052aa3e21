"""Make the stored schedules equal the table in code."""

from typing import Any

from django.core.management.base import BaseCommand

from campaigns import jobs
from campaigns.management.schedules import SCHEDULES


class Command(BaseCommand):
    help = "Write the schedules of the code into the database and remove all others."

    def handle(self, **options: Any) -> None:
        kept, removed = jobs.sync_schedules(SCHEDULES)
        self.stdout.write(f"{kept} schedules kept, {removed} removed.")
