"""The end of a submission: nothing of it waits any more."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from campaigns.models import Campaign, CampaignState, Message, Submission, SubmissionState
from campaigns.outbox import control, counts, states


def finish_submissions(*, now: datetime, only: int | None = None) -> int:
    """Close open submissions without waiting messages, and the campaigns they were; returns how many."""
    waiting = Message.objects.filter(submission=OuterRef("pk"), state__in=[state.value for state in states.WAITING])
    candidates = Submission.objects.filter(~Exists(waiting), state=SubmissionState.OPEN)
    if only is not None:
        candidates = candidates.filter(pk=only)
    ids = list(candidates.values_list("pk", flat=True))
    if not ids:
        return 0
    with transaction.atomic():
        control.lock_campaigns(ids)
        done = Submission.objects.filter(pk__in=ids, state=SubmissionState.OPEN).update(
            state=SubmissionState.DONE, finished_at=now
        )
        Campaign.objects.filter(submissions__in=ids, state=CampaignState.SENDING).update(state=CampaignState.SENT)
    counts.recount(ids)
    return done
