"""Taking messages for hand-over, and giving them back."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from campaigns.models import Contact, Event, EventKind, Message, MessageState, SubmissionState
from campaigns.outbox.payload import Personal

BATCH = 500
EXPIRE_AT_ONCE = 5_000
# Longer than any single answer an SMTP server may take to give; a dead process on this host is noticed by its journal.
LEASE = timedelta(minutes=15)

# One statement, so that two workers can never hold the same row: PostgreSQL passes over rows another worker is
# taking, SQLite has one writer. The submission is asked in the same breath: a paused or overdue one gives nothing.
_CLAIM = """
WITH due AS (
    SELECT id AS due_id FROM campaigns_message
    WHERE submission_id = %s AND state = 'queued' AND next_attempt_at <= %s
      AND EXISTS (SELECT 1 FROM campaigns_submission s WHERE s.id = %s AND s.state = 'open' AND s.valid_until > %s)
    ORDER BY next_attempt_at, id LIMIT %s {lock}
)
UPDATE campaigns_message SET state = 'sending', lease_until = %s, claimed_by = %s, attempts = attempts + 1
FROM due WHERE id = due_id
RETURNING id, public_id, contact_id, recipient, recipient_domain, address_key, attempts, placeholders_sealed, error_code,
          submission_id
"""
# The mails of many requests, by the way out they share. Paused and overdue ones are looked at and left.
_CLAIM_STREAM = """
WITH due AS (
    SELECT m.id AS due_id FROM campaigns_message m
    WHERE m.stream = %s AND m.state = 'queued' AND m.next_attempt_at <= %s
      AND EXISTS (
          SELECT 1 FROM campaigns_submission s
          WHERE s.id = m.submission_id AND s.state = 'open' AND s.valid_until > %s
      )
    ORDER BY m.next_attempt_at, m.id LIMIT %s {lock}
)
UPDATE campaigns_message SET state = 'sending', lease_until = %s, claimed_by = %s, attempts = attempts + 1
FROM due WHERE id = due_id
RETURNING id, public_id, contact_id, recipient, recipient_domain, address_key, attempts, placeholders_sealed, error_code,
          submission_id
"""


@dataclass(frozen=True, slots=True, repr=False)
class Claimed:
    """A message in this worker's hands; `attributes` are the contact's, None when the contact is gone.

    `error_code` is how the attempt before this one ended. In the HIPAA lane `recipient` is empty until the message was
    opened, `personal` is what was sealed, and `trouble` a code that keeps it from leaving.
    """

    id: int
    public_id: UUID
    contact_id: int | None
    recipient: str
    recipient_domain: str
    address_key: str
    attempts: int
    placeholders_sealed: bytes | None
    attributes: dict[str, Any] | None
    error_code: str = ""
    submission_id: int = 0
    personal: Personal | None = None
    trouble: str = ""


def claim_messages(submission_id: int, *, worker: str, now: datetime, limit: int = BATCH) -> list[Claimed]:
    """Up to limit due messages of an open submission, now `sending` under the worker's lease."""
    at, until = map(connection.ops.adapt_datetimefield_value, (now, now + LEASE))
    rows = _claim(_CLAIM, [submission_id, at, submission_id, at, limit, until, worker])
    attributes = dict(
        Contact.objects.filter(pk__in=[row[2] for row in rows if row[2] is not None]).values_list("pk", "attributes")
    )
    return [_read(row, attributes.get(row[2])) for row in rows]


def claim_stream(transport_id: int, *, worker: str, now: datetime, limit: int = BATCH) -> list[Claimed]:
    """Up to limit due messages of API requests that leave by this transport, now `sending` under the worker's lease."""
    at, until = map(connection.ops.adapt_datetimefield_value, (now, now + LEASE))
    rows = _claim(_CLAIM_STREAM, [transport_id, at, at, limit, until, worker])
    return [_read(row, None) for row in rows]


def _claim(sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
    lock = "FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else ""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.format(lock=lock), values)
        return sorted(cursor.fetchall())


def _read(row: tuple[Any, ...], attributes: dict[str, Any] | None) -> Claimed:
    return Claimed(
        id=row[0],
        public_id=row[1] if isinstance(row[1], UUID) else UUID(row[1]),
        contact_id=row[2],
        recipient=row[3],
        recipient_domain=row[4],
        address_key=row[5],
        attempts=row[6],
        placeholders_sealed=bytes(row[7]) if row[7] is not None else None,
        attributes=attributes,
        error_code=row[8],
        submission_id=row[9],
    )


def renew_lease(*, worker: str, now: datetime) -> None:
    """Keep what the worker still holds for another lease."""
    Message.objects.filter(state=MessageState.SENDING, claimed_by=worker).update(lease_until=now + LEASE)


def release_claims(*, worker: str, next_attempt_at: datetime | None = None) -> int:
    """Put back what the worker holds and has not handed over, as if it had never been claimed; returns how many."""
    held = Message.objects.filter(state=MessageState.SENDING, claimed_by=worker)
    changes: dict[str, Any] = {} if next_attempt_at is None else {"next_attempt_at": next_attempt_at}
    return held.update(state=MessageState.QUEUED, lease_until=None, attempts=F("attempts") - 1, **changes)


# One row of values for each message: (its id, when it may be tried).
_MOMENTS = {
    "postgresql": "unnest(%s::bigint[], %s::timestamptz[]) AS moment (message_id, at)",
    "sqlite": (
        "(SELECT ids.value AS message_id, moments.value AS at FROM json_each(%s) AS ids"
        " JOIN json_each(%s) AS moments ON moments.key = ids.key) AS moment"
    ),
}
_POSTPONE = """
UPDATE campaigns_message
SET state = 'queued', lease_until = NULL, attempts = attempts - 1, next_attempt_at = moment.at
FROM {moments} WHERE id = moment.message_id AND claimed_by = %s AND state = 'sending'
"""


def postpone_claims(moments: Mapping[int, datetime], *, worker: str) -> int:
    """Put back messages that must not leave yet, each until its own moment, as if never claimed; returns how many."""
    ids, times = list(moments), [connection.ops.adapt_datetimefield_value(at) for at in moments.values()]
    arrays = [ids, times] if connection.vendor == "postgresql" else [json.dumps(ids), json.dumps(times)]
    with connection.cursor() as cursor:
        cursor.execute(_POSTPONE.format(moments=_MOMENTS[connection.vendor]), [*arrays, worker])
        return int(cursor.rowcount)


def expire_overdue(submission_ids: Collection[int], *, now: datetime) -> int:
    """Messages still waiting after their submission's time are `expired`, in small steps; returns how many."""
    total = 0
    while expired := _expire_some(submission_ids, now=now):
        total += expired
    return total


def _expire_some(submission_ids: Collection[int], *, now: datetime) -> int:
    overdue = Message.objects.filter(
        submission_id__in=submission_ids,
        submission__valid_until__lte=now,
        state__in=[MessageState.QUEUED, MessageState.HELD],
    )
    with transaction.atomic():
        # Rows somebody else is ending, by the same step or by cancelling, are passed over: no deadlock.
        mine = overdue.select_for_update(of=("self",), skip_locked=True)
        ids = list(mine.values_list("pk", flat=True)[:EXPIRE_AT_ONCE])
        Event.objects.bulk_create([Event(message_id=pk, kind=EventKind.EXPIRED, at=now) for pk in ids])
        return Message.objects.filter(pk__in=ids).update(
            state=MessageState.EXPIRED, done_at=now, error_code="message.expired"
        )


def is_due(submission_id: int, *, now: datetime) -> bool:
    """Whether a message could be claimed now."""
    return Message.objects.filter(
        submission_id=submission_id, submission__state=SubmissionState.OPEN, submission__valid_until__gt=now,
        state=MessageState.QUEUED, next_attempt_at__lte=now,
    ).exists()  # fmt: skip
