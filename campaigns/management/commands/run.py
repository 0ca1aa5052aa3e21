"""The whole of Sealpost on one machine: web, worker and SMTP together."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from campaigns.accounts.creation import create_first_superuser
from campaigns.management.base import RoomCommand
from campaigns.management.processes import run_together
from campaigns.smtp.configuration import configured_listeners


class Command(RoomCommand):
    help = "Prepare the database, then serve the web pages, run background jobs and take mail by SMTP until Ctrl-C."

    stopping = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--no-worker", action="store_true", help="Serve the pages only, and no SMTP.")

    def handle(self, *, host: str, port: int, no_worker: bool, **options: Any) -> None:
        # What is made while this runs links to where it runs; an address that was set wins.
        os.environ.setdefault("PUBLIC_URL", f"http://{host}:{port}")
        call_command("migrate", interactive=False, verbosity=0)
        if not settings.LOCAL:
            call_command("collectstatic", interactive=False, verbosity=0)
        elif password := create_first_superuser("admin"):
            self.stdout.write(f"Log in as admin with the password {password} – it is shown only now.")
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note_stop)
        web = [sys.executable, "-m", "granian", "--interface", "wsgi", "--host", host, "--port", str(port)]
        # A granian worker that is told to stop while it loads never hears it: the time limit ends it.
        web += ["--no-ws", "--blocking-threads", "4", "--workers-kill-timeout", "5", "config.wsgi:application"]
        names = [] if no_worker else ["worker", *(["smtpd"] if configured_listeners() else [])]
        others = {name: [sys.executable, sys.argv[0], name] for name in names}
        self.stdout.write(f"Open http://{host}:{port}/admin/ – Ctrl-C stops.")
        self.stdout.flush()
        if ended := run_together({"web": web, **others}, should_stop=lambda: self.stopping):
            raise CommandError(f"The {ended} ended by itself, so everything was stopped. Its reason is above.")

    def _note_stop(self, *_: object) -> None:
        self.stopping = True
