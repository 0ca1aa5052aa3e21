"""Delete copies of mails whose time is over."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from campaigns.management.base import RoomCommand
from campaigns.storage import retention


class Command(RoomCommand):
    help = "Delete copies of mails in active storage and archive whose time is over. A schedule does it every day."

    def handle(self, *args: Any, **options: Any) -> None:
        count = retention.expire(now=timezone.now())
        self.stdout.write(f"{count:,} copies deleted.")
