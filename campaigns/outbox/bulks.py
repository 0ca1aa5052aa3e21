"""Bulks: the mails of API requests that share a bulk id, looked at, put off, paused and cancelled together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db import transaction

from campaigns.errors import CampaignError, NotFound
from campaigns.models import API_DOORS, Account, Message, MessageState, Submission, SubmissionState
from campaigns.outbox import control, stream


class BulkStatus(StrEnum):
    """Infobip's words; `CANCELED` has one L there."""

    PENDING = "PENDING"
    PAUSED = "PAUSED"
    PROCESSING = "PROCESSING"
    CANCELED = "CANCELED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Bulk:
    """A bulk as it is now."""

    bulk_id: str
    send_at: datetime
    status: BulkStatus


_RUNNING = (SubmissionState.OPEN, SubmissionState.PAUSED)


def find_bulk(account: Account, bulk_id: str, *, now: datetime) -> Bulk:
    """The account's bulk of this id; raises NotFound."""
    return _describe(bulk_id, _submissions(account, bulk_id), now=now)


def reschedule_bulk(account: Account, bulk_id: str, *, send_at: datetime, now: datetime) -> Bulk:
    """Send a bulk at another time; raises NotFound, and CampaignError `bulk.not-changeable` once it has begun."""
    with transaction.atomic():
        rows = _lock(account, bulk_id)
        if any(row.state not in _RUNNING or row.send_at <= now for row in rows):
            raise _too_late()
        for row in rows:
            row.valid_until += send_at - row.send_at
            row.send_at = send_at
        Submission.objects.bulk_update(rows, ["send_at", "valid_until"])
        queued = Message.objects.filter(submission__in=rows, state=MessageState.QUEUED)
        queued.update(next_attempt_at=send_at)
        _ring(rows, now=now)
    return _describe(bulk_id, rows, now=now)


def change_bulk(account: Account, bulk_id: str, *, status: BulkStatus, now: datetime) -> Bulk:
    """Pause, go on with, or cancel a bulk within two seconds; raises NotFound and CampaignError `bulk.not-changeable`.

    `PROCESSING` and `PENDING` both mean to go on: whether mail leaves at once is a matter of its time.
    """
    with transaction.atomic():
        rows = _lock(account, bulk_id)
        living = [row for row in rows if row.state in _RUNNING]
        if not living or status in {BulkStatus.FINISHED, BulkStatus.FAILED}:
            raise _too_late()
        for row in living:
            _change(row, status, now=now)
        _ring(living, now=now)
    return find_bulk(account, bulk_id, now=now)


def _change(row: Submission, status: BulkStatus, *, now: datetime) -> None:
    if status is BulkStatus.CANCELED:
        control.cancel_submission(row, now=now)
    elif status is BulkStatus.PAUSED:
        control.pause_submission(row)
    else:
        Submission.objects.filter(pk=row.pk, state=SubmissionState.PAUSED).update(state=SubmissionState.OPEN)


def _submissions(account: Account, bulk_id: str) -> list[Submission]:
    # An empty one is everybody's who gave none.
    rows = Submission.objects.filter(account=account, door__in=API_DOORS, bulk_id=bulk_id).exclude(bulk_id="")
    found = list(rows.defer("payload_sealed").order_by("pk"))
    if not found:
        raise NotFound("bulk")
    return found


def _lock(account: Account, bulk_id: str) -> list[Submission]:
    ids = [row.pk for row in _submissions(account, bulk_id)]
    locked = Submission.objects.select_for_update(of=("self",)).select_related("transport").filter(pk__in=ids)
    return list(locked.defer("payload_sealed").order_by("pk"))


def _ring(rows: Sequence[Submission], *, now: datetime) -> None:
    for transport in {row.transport_id: row.transport for row in rows}.values():
        stream.ring(transport, at=min(row.send_at for row in rows), now=now)


def _describe(bulk_id: str, rows: Sequence[Submission], *, now: datetime) -> Bulk:
    states, send_at = {SubmissionState(row.state) for row in rows}, min(row.send_at for row in rows)
    if SubmissionState.PAUSED in states:
        status = BulkStatus.PAUSED
    elif SubmissionState.OPEN in states or SubmissionState.PLANNING in states:
        status = BulkStatus.PENDING if send_at > now else BulkStatus.PROCESSING
    else:
        status = BulkStatus.FINISHED if SubmissionState.DONE in states else BulkStatus.CANCELED
    return Bulk(bulk_id, send_at, status)


def _too_late() -> CampaignError:
    return CampaignError("bulk.not-changeable", "Update not allowed for bulk", status=409)
