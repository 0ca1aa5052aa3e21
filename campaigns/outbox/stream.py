"""The bell of a stream: who accepts a mail sees to it that a worker looks, and rings no more often than needed.

A worker that hands over the stream promises in the transport's row to look again until a moment; while the promise holds,
nobody rings. Reading it after the commit is enough: the worker takes the promise back before its last look.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from campaigns import jobs
from campaigns.models import Message, MessageState, Submission, SubmissionState, Transport
from campaigns.prepared import Prepared

DISPATCH_JOB = "campaigns.tasks.dispatch_stream"
PROMISE = timedelta(seconds=3)
# A bell nobody heard in this time got lost; the sweep looks every minute besides.
_LOST = timedelta(seconds=30)


def ring(transport: Transport, *, at: datetime, now: datetime) -> None:
    """After the commit: see to it that somebody looks for new mails of this way out; those of later need no bell yet."""
    if at > now:
        return

    def call() -> None:
        _call(transport.pk)

    transaction.on_commit(call, robust=True)


def _call(transport_id: int) -> None:
    now = timezone.now()
    as_stored = connection.ops.adapt_datetimefield_value
    # Asked before it is written: at full speed there is a promise, and nobody waits for the lock of this row.
    if not _UNWATCHED.fetch(as_stored(now), as_stored(now - _LOST), transport_id):
        return
    if _unwatched(transport_id, now=now).update(rung_at=now):
        jobs.ring(DISPATCH_JOB, transport_id)


def _unwatched(transport_id: int, *, now: datetime) -> QuerySet[Transport]:
    return Transport.objects.filter(
        Q(streaming_until=None) | Q(streaming_until__lt=now),
        Q(rung_at=None) | Q(rung_at__lt=now - _LOST),
        pk=transport_id,
    )


_UNWATCHED = Prepared(lambda: _unwatched(0, now=timezone.now()).only("pk"))


def promise(transport_id: int, *, now: datetime) -> None:
    """A worker looks for mails of this way out again and again until some seconds from now; bells are heard."""
    Transport.objects.filter(pk=transport_id).update(streaming_until=now + PROMISE, rung_at=None)


def end_promise(transport_id: int) -> None:
    """The worker looks once more, and then no more."""
    Transport.objects.filter(pk=transport_id).update(streaming_until=None)


def is_due(transport_id: int, *, now: datetime) -> bool:
    """Whether a mail of this stream could be claimed now."""
    return (
        _open_messages().filter(stream=transport_id, next_attempt_at__lte=now, submission__valid_until__gt=now).exists()
    )


def next_due(transport_id: int) -> datetime | None:
    """When the next queued mail of this stream may be claimed; None when nothing is queued."""
    queued = _open_messages().filter(stream=transport_id)
    return queued.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()


def find_due(*, now: datetime) -> list[int]:
    """The transports with mails of API requests due now, for the sweep."""
    due = _open_messages().filter(stream=OuterRef("pk"), next_attempt_at__lte=now)
    works = Q(broken_until=None) | Q(broken_until__lte=now)
    return list(Transport.objects.filter(works, Exists(due)).values_list("pk", flat=True))


def _open_messages() -> QuerySet[Message]:
    is_open = Submission.objects.filter(pk=OuterRef("submission_id"), state=SubmissionState.OPEN)
    return Message.objects.filter(Exists(is_open), state=MessageState.QUEUED)
