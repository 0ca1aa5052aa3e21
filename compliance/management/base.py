"""What the commands of compliance share: who is said to have acted, and how refusals are printed."""

from __future__ import annotations

import getpass
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from campaigns.errors import CampaignError
from compliance.audit import Ref


class ComplianceCommand(BaseCommand):
    """A command whose refusals are sentences, with the exit code 1."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except CampaignError as error:
            raise CommandError(f"{error.safe_text} {error.action}".strip()) from error


def operator() -> Ref:
    """Whoever runs the command owns the machine; the audit trail names their system account."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "unknown"
    return Ref("operator", re.sub(r"[^A-Za-z0-9._-]", "-", name)[:64])
