"""What our commands share: the one translator from our errors to theirs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns.errors import CampaignError


class RoomCommand(BaseCommand):
    """A command that calls a room: what the room refuses is printed as sentences, and the exit code is 1."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except CampaignError as error:
            reasons = [(finding.text, finding.action) for finding in getattr(error, "findings", ())]
            lines = reasons or [(error.safe_text, error.action)]
            raise CommandError("\n".join(f"{text} {action}".strip() for text, action in lines)) from error
