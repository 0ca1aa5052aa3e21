"""The whole main job, once, for real."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from campaigns.audiences.importing import DEMO_CONTACTS
from campaigns.demo.story import tell_story
from campaigns.management.base import RoomCommand
from campaigns.management.terminal import act_bars, draw_import, draw_report


class Command(RoomCommand):
    help = "Import contacts, send a newsletter into the sandbox, unsubscribe some, send again, and print the report."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--contacts", type=Path, default=DEMO_CONTACTS, help="A CSV file, plain or .gz.")
        parser.add_argument("--workers", type=int, default=1, help="Worker processes to start (0: some are running).")

    def handle(self, *, contacts: Path, workers: int, **options: Any) -> None:
        call_command("migrate", verbosity=0)
        console = Console()
        with act_bars(console) as on_progress:
            outcome = tell_story(contacts, workers=workers, on_progress=on_progress)
        console.print(draw_import(outcome.job))
        for campaign, report in outcome.sends:
            console.print(draw_report(campaign.name, report))
            told = f"manage.py campaign_report {campaign.account.slug} {campaign.public_id} --json"
            console.print(told, soft_wrap=True)
        if wrong := outcome.find_contradictions():
            raise CommandError("The figures do not add up: " + "; ".join(wrong))
        self.stdout.write(outcome.line)
