"""django-post_office, as its manual has it: python -m bench.lab.peers.office PROCESSES.

The queue is written first and timed by itself; then `send_queued_mail` works it off. Links stay as they are.
"""

from __future__ import annotations

import logging
import sys
import time

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connections  # noqa: E402
from post_office import mail  # type: ignore[import-not-found]  # noqa: E402
from post_office.models import EmailTemplate  # type: ignore[import-not-found]  # noqa: E402

from bench.lab import newsletter  # noqa: E402
from bench.lab.children import work_on_signal  # noqa: E402
from bench.lab.peers.models import Reader  # noqa: E402


def queue() -> None:
    """One mail a reader, rendered when it leaves."""
    template, _ = EmailTemplate.objects.update_or_create(
        name="newsletter",
        defaults={
            "subject": newsletter.SUBJECT, "html_content": newsletter.html(), "content": newsletter.text(),
        },
    )  # fmt: skip
    unsubscribe = "https://news.example.com/u/x"
    mail.send_many(
        {
            "recipients": reader.email,
            "sender": "Bench News <news@news.example.com>",
            "template": template,
            "context": {**reader.values, "unsubscribe_url": unsubscribe, "postal_address": "12 Quay Street"},
            "render_on_delivery": True,
            "headers": {"List-Unsubscribe": f"<{unsubscribe}>"},
        }
        for reader in Reader.objects.iterator()
    )


def send(processes: int) -> dict[str, object]:
    began = time.perf_counter()
    queue()
    queued = time.perf_counter() - began
    # Its processes are forked: they must not share a socket with this one.
    connections.close_all()
    logging.disable(logging.INFO)
    call_command("send_queued_mail", processes=processes)
    return {"queue_seconds": queued}


if __name__ == "__main__":
    work_on_signal(lambda: send(int(sys.argv[1])))
