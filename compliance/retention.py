"""Content of HIPAA sends after its time: shredded some hours after the last mail has ended, at the latest on its day.

Two clocks: evidence lives six years (`audit.retention`), content lives hours. The key of a send dies alone, and what was
sealed under it is wiped from the rows; ids, states, codes and the leaves of the approved list stay.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns.models import Door, Lane, Message, MessageFile, SendTerms, Submission, SubmissionState
from compliance import shredding
from compliance.audit import SYSTEM

_OVER = (SubmissionState.DONE, SubmissionState.CANCELLED)


def shred_ended(*, now: datetime) -> int:
    """Destroy the contents of sends that ended long enough ago, or whose day has come; returns how many."""
    ended = now - timedelta(hours=settings.HIPAA_CONTENT_HOURS)
    rows = _with_content().filter(
        Q(state__in=_OVER, finished_at__lte=ended)
        | Q(state=SubmissionState.CANCELLED, finished_at=None)
        | Q(campaign__terms__keep_until__lte=now)
    )
    return sum(_shred(submission, now=now) for submission in rows.select_related("account").order_by("account", "pk"))


def _with_content() -> QuerySet[Submission]:
    """HIPAA sends of which something sealed is left, and nothing is in a worker's hands."""
    sealed = Message.objects.filter(submission=OuterRef("pk"), placeholders_sealed__isnull=False)
    leaving = Message.objects.filter(submission=OuterRef("pk"), state="sending")
    return Submission.objects.filter(Exists(sealed), ~Exists(leaving), lane=Lane.HIPAA, door=Door.CAMPAIGN)


def _shred(submission: Submission, *, now: datetime) -> bool:
    owner, starts = str(submission.account.public_id), f"submission:{submission.public_id}:"
    with transaction.atomic():
        MessageFile.objects.filter(message__submission=submission).delete()
        Message.objects.filter(submission=submission, placeholders_sealed__isnull=False).update(
            placeholders_sealed=None
        )
        SendTerms.objects.filter(campaign=submission.campaign_id).update(samples_sealed=None)
        shredding.shred(owner, scope_starts=starts, reason="retention", actor=SYSTEM, now=now)
    return True
