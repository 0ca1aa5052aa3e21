"""Pause, resume and cancel a submission, together with its campaign."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from campaigns.models import Campaign, CampaignState, Door, Message, MessageState, Submission, SubmissionState
from campaigns.outbox import counts, states
from campaigns.outbox.recovery import UNCERTAIN
from campaigns.outbox.windows import read_window, valid_for


def pause_submission(submission: Submission) -> bool:
    """Within two seconds no message leaves any more; False when it was not running."""
    return _step(submission, SubmissionState.PAUSED, of=[SubmissionState.OPEN, SubmissionState.PLANNING])


def stop_submission(submission: Submission, *, because: str) -> bool:
    """Pause a submission and its campaign for a reason a person must mend; `because` is shown on the campaign.

    A test mail ends instead: there is no page to resume it on. False when it was not running.
    """
    if submission.door == Door.TEST:
        return cancel_submission(submission, now=timezone.now())
    with transaction.atomic():
        lock_campaigns([submission.pk])
        if not pause_submission(submission):
            return False
        running = Campaign.objects.filter(submissions=submission, state=CampaignState.SENDING)
        running.update(state=CampaignState.PAUSED, stopped_because=because[:200])
        return True


def lock_campaigns(submission_ids: Collection[int]) -> None:
    """Lock the campaigns of submissions for the rest of the transaction.

    Whoever changes both takes the campaign first: a person pausing and a worker finishing wait instead of deadlocking.
    """
    of_them = Submission.objects.filter(pk__in=submission_ids).values("campaign")
    list(Campaign.objects.select_for_update(no_key=True).filter(pk__in=of_them).order_by("pk"))


def resume_submission(submission: Submission, *, now: datetime) -> bool:
    """Messages leave again; planning goes on where it stopped, and ends at once when it was complete.

    The time they have starts anew: nothing expires because somebody took days to decide.
    """
    paused = Submission.objects.filter(pk=submission.pk, state=SubmissionState.PAUSED)
    valid_until = max(submission.valid_until, now + valid_for(read_window(submission.options)))
    fresh = {"valid_until": valid_until, "resumed_at": now, "waits_until": None, "waits_because": ""}
    return paused.update(state=SubmissionState.PLANNING, **fresh) == 1


def cancel_submission(submission: Submission, *, now: datetime) -> bool:
    """Everything not yet handed over is `cancelled`; what is on the wire is recorded as it ends."""
    with transaction.atomic():
        of = [SubmissionState.PLANNING, SubmissionState.OPEN, SubmissionState.PAUSED]
        if not _step(submission, SubmissionState.CANCELLED, of=of):
            return False
        cancel_waiting(submission_ids=[submission.pk], now=now)
    counts.recount([submission.pk])
    return True


def cancel_released(*, now: datetime, only: Collection[int] | None = None) -> int:
    """Cancel what a worker still held when its submission was cancelled, and gave back since; returns how many."""
    waiting = Message.objects.filter(submission=OuterRef("pk"), state__in=states.sources(MessageState.CANCELLED))
    cancelled = Submission.objects.filter(Exists(waiting), state=SubmissionState.CANCELLED)
    if only is not None:
        cancelled = cancelled.filter(pk__in=only)
    ids = list(cancelled.values_list("pk", flat=True))
    done = cancel_waiting(submission_ids=ids, now=now)
    counts.recount(ids)
    return done


def cancel_waiting(*, submission_ids: list[int], now: datetime) -> int:
    """Cancel the queued and held messages of submissions; returns how many."""
    waiting = Message.objects.filter(submission_id__in=submission_ids, state__in=states.sources(MessageState.CANCELLED))
    return waiting.update(state=MessageState.CANCELLED, done_at=now, lease_until=None)


def count_held(submission_ids: Collection[int]) -> int:
    """How many messages may or may not have left and wait for a person to decide."""
    return _uncertain(submission_ids).count()


def release_held(submission: Submission, *, now: datetime) -> int:
    """Send the messages that may or may not have left once more, with the same Message-ID; returns how many.

    They stay known to be in doubt, by which a provider recognises the repeated ones.
    """
    return _uncertain([submission.pk]).update(state=MessageState.QUEUED, next_attempt_at=now)


def give_up_held(submission: Submission, *, now: datetime) -> int:
    """Leave the messages that may or may not have left as they are, `cancelled`; returns how many."""
    return _uncertain([submission.pk]).update(state=MessageState.CANCELLED, done_at=now)


def _uncertain(submission_ids: Collection[int]) -> QuerySet[Message]:
    return Message.objects.filter(submission__in=submission_ids, state=MessageState.HELD, error_code=UNCERTAIN)


def _step(submission: Submission, target: SubmissionState, *, of: list[SubmissionState]) -> bool:
    return Submission.objects.filter(pk=submission.pk, state__in=of).update(state=target) == 1
