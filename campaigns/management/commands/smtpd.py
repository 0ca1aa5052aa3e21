"""The SMTP API, and the door for mail from other servers, as a process of its own."""

from __future__ import annotations

import asyncio
import signal
import ssl
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from campaigns.management.base import RoomCommand
from campaigns.smtp.configuration import Wanted, configured_limits, configured_listeners, make_listeners
from campaigns.smtp.server import serve
from campaigns.warm import warm_up


class Command(RoomCommand):
    help = (
        "Take mail by SMTP, of programs and of other servers, until told to stop (docs/smtp-api.md, docs/inbound.md)."
    )

    def handle(self, **options: Any) -> None:
        wanted = configured_listeners()
        if not wanted:
            raise CommandError("No SMTP port is set. Write SMTP_TLS_CERT=… and SMTP_TLS_KEY=…, or SMTP_PORT=….")
        warm_up()
        try:
            asyncio.run(self._serve(wanted))
        except ssl.SSLError as error:
            raise CommandError("SMTP_TLS_CERT and SMTP_TLS_KEY are not a certificate and its key.") from error
        except OSError as error:
            raise CommandError(f"A port cannot be listened on, or a file not be read: {error.strerror}.") from error
        self.stdout.write("SMTP has stopped.")

    async def _serve(self, wanted: list[Wanted]) -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        listeners, certificate = make_listeners(wanted)

        def say_started(ports: list[int]) -> None:
            for port, entry in zip(ports, wanted, strict=True):
                self.stdout.write(f"SMTP listens on port {port} ({entry.words}).")
            self.stdout.flush()

        await serve(
            listeners,
            limits=configured_limits(),
            hostname=settings.SMTP_HOSTNAME,
            inbound_hostname=settings.INBOUND_HOST,
            stop=stop,
            certificate=certificate,
            started=say_started,
        )
