"""What waits for a worker: the truth the sweep reads when a bell was missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from campaigns.models import LETTER_DOORS, Message, MessageState, Submission, SubmissionState


@dataclass(frozen=True, slots=True)
class Waiting:
    """Primary keys of submissions by what they wait for."""

    to_plan: list[int]
    to_dispatch: list[int]
    overdue: list[int]


def find_due(*, now: datetime) -> Waiting:
    """The submissions that have work now, oldest first."""
    queued = Message.objects.filter(submission=OuterRef("pk"), state=MessageState.QUEUED)
    held = Message.objects.filter(submission=OuterRef("pk"), state__in=[MessageState.QUEUED, MessageState.HELD])
    unfinished = Submission.objects.order_by("send_at", "pk")
    # Mails of API requests leave by streams, which have a bell of their own.
    opened = unfinished.exclude(door__in=LETTER_DOORS).filter(
        Q(waits_until=None) | Q(waits_until__lte=now), state=SubmissionState.OPEN
    )
    return Waiting(
        to_plan=list(unfinished.filter(state=SubmissionState.PLANNING).values_list("pk", flat=True)),
        to_dispatch=list(
            opened.filter(Exists(queued.filter(next_attempt_at__lte=now)), valid_until__gt=now).values_list(
                "pk", flat=True
            )
        ),
        overdue=list(
            Submission.objects.filter(Exists(held), state=SubmissionState.OPEN, valid_until__lte=now).values_list(
                "pk", flat=True
            )
        ),
    )


def postpone_submission(submission_id: int, *, until: datetime, because: str = "") -> bool:
    """Nothing of an open submission is due before then; `because` is a sentence shown on its campaign.

    One row changes, however many messages wait. Whoever hands over all the same asks windows and limits again.
    """
    running = Submission.objects.filter(pk=submission_id, state=SubmissionState.OPEN)
    return running.update(waits_until=until, waits_because=because[:200]) == 1


def extend_submission(submission_id: int, *, until: datetime) -> None:
    """An open submission may be tried until then at least."""
    running = Submission.objects.filter(pk=submission_id, state=SubmissionState.OPEN, valid_until__lt=until)
    running.update(valid_until=until)


def wake_submissions(*, account_id: int) -> int:
    """What waits in an account is looked at again at once: its limits have changed; returns how many."""
    waiting = Submission.objects.filter(account_id=account_id, waits_until__isnull=False)
    return waiting.update(waits_until=None, waits_because="")


def wake_for_transport(transport_id: int, *, because: str) -> int:
    """What was put off by this way out, and not by hours or limits, is looked at again at once; returns how many."""
    waiting = Submission.objects.filter(transport_id=transport_id, waits_until__isnull=False, waits_because=because)
    return waiting.update(waits_until=None, waits_because="")


def next_due(submission_id: int) -> datetime | None:
    """When the next queued message of a submission may be claimed; None when nothing is queued."""
    queued = Message.objects.filter(submission_id=submission_id, state=MessageState.QUEUED)
    return queued.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
