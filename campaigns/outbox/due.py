"""What waits for a worker: the truth the sweep reads when a bell was missed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef

from campaigns.models import Message, MessageState, Submission, SubmissionState


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
    opened = unfinished.filter(state=SubmissionState.OPEN)
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
