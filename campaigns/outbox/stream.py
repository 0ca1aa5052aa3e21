"""The stream of a way out: mails of API requests leave together, whichever request they came with."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import Transport


def ring(transport: Transport, *, at: datetime, now: datetime) -> None:
    """See to it that somebody looks for new mails of this way out; nothing to do for mails of later."""
