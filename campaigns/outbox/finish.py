"""The end of a submission: nothing of it waits any more."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from campaigns.models import LETTER_DOORS, Campaign, CampaignState, Message, MessageState, Submission, SubmissionState
from campaigns.outbox import control, counts, dsn_notices, states


def finish_submissions(*, now: datetime, only: Collection[int] | None = None) -> int:
    """Close open submissions without waiting messages, and the campaigns they were; returns how many.

    What a program handed in is wiped with it: nobody needs the content of a mail that has left. Senders who asked for it
    are told how it ended.
    """
    waiting = Message.objects.filter(submission=OuterRef("pk"), state__in=[state.value for state in states.WAITING])
    candidates = Submission.objects.filter(~Exists(waiting), state=SubmissionState.OPEN)
    if only is not None:
        candidates = candidates.filter(pk__in=only)
    ids = list(candidates.values_list("pk", flat=True))
    if not ids:
        return 0
    with transaction.atomic():
        control.lock_campaigns(ids)
        wipe_contents(ids)
        asking = dsn_notices.lock_asking(ids)
        done = Submission.objects.filter(pk__in=ids, state=SubmissionState.OPEN).update(
            state=SubmissionState.DONE, finished_at=now
        )
        Campaign.objects.filter(submissions__in=ids, state=CampaignState.SENDING).update(state=CampaignState.SENT)
        dsn_notices.tell_ends(asking, now=now)
    counts.recount(ids)
    return done


def wipe_contents(submission_ids: Collection[int]) -> None:
    """Delete what API and SMTP requests among these brought: texts, files, and the values of their recipients."""
    requests = Submission.objects.filter(pk__in=submission_ids, door__in=LETTER_DOORS)
    kept = list(requests.filter(payload_sealed__isnull=False).values_list("pk", flat=True))
    if not kept:
        return
    Message.objects.filter(submission__in=kept, placeholders_sealed__isnull=False).update(placeholders_sealed=None)
    Submission.objects.filter(pk__in=kept).update(payload_sealed=None)


def wipe_stopped() -> None:
    """Delete the contents of API and SMTP requests that were cancelled and are in no worker's hands; for the sweep."""
    on_its_way = Message.objects.filter(submission=OuterRef("pk"), state=MessageState.SENDING)
    stopped = Submission.objects.filter(
        ~Exists(on_its_way), state=SubmissionState.CANCELLED, payload_sealed__isnull=False
    )
    wipe_contents(list(stopped.values_list("pk", flat=True)))
