"""Whether a copy of a mail is kept, where and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError

from campaigns.models import Account, BaaStatus, Door, Lane, Submission

# A notice holds a link that hands out or deletes everything about somebody: its copy would be a key left lying around.
_DOORS = frozenset({Door.CAMPAIGN, Door.TEST, Door.HTTP, Door.SMTP})


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a copy is kept in each storage, in days; 0 is not at all."""

    active_days: int
    archive_days: int

    def active_until(self, now: datetime) -> datetime | None:
        return now + timedelta(days=self.active_days) if self.active_days else None

    def archive_until(self, now: datetime) -> datetime | None:
        return now + timedelta(days=self.archive_days) if self.archive_days else None

    def until(self, now: datetime) -> datetime:
        """The copy's last day."""
        return now + timedelta(days=max(self.active_days, self.archive_days))


@dataclass(frozen=True, slots=True)
class Skips:
    """Which storages a request does not want (Infobip's skipActive and skipPassive); it can only ask for less."""

    active: bool = False
    archive: bool = False

    def as_option(self) -> dict[str, bool]:
        return {"skip_active": self.active, "skip_archive": self.archive}


def terms_of(submission: Submission) -> Terms | None:
    """The terms of a submission's mails; None when none is kept, and always under HIPAA, whatever a switch says."""
    account = submission.account
    if submission.lane != Lane.STANDARD or account.baa_status != BaaStatus.NONE or submission.door not in _DOORS:
        return None
    asked: Mapping[str, Any] = submission.options.get("storage", {})
    terms = Terms(
        active_days=0 if asked.get("skip_active") else account.active_storage_days,
        archive_days=0 if asked.get("skip_archive") else account.archive_storage_days,
    )
    return terms if terms.active_days or terms.archive_days else None


def check_days(account: Account, days: int, *, code: str) -> None:
    """Raises ValidationError when an account may not keep copies at all."""
    if days and account.baa_status != BaaStatus.NONE:
        raise ValidationError(
            "Nothing is kept under an agreement that protects health information: content would lie where more people"
            " look, and longer than its last day.",
            code=code,
        )
