"""Rows of the ledger for mails of API requests, written all together: the ORM would take ten times as long.

PostgreSQL takes submissions and messages in one statement, which is a transaction of its own: nothing else is asked of the
server than to store them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from campaigns.models import Submission
from campaigns.prepared import open_cursor

_SUBMISSION = """
    public_id, created_at, account_id, door, lane, purpose, state, content_id, payload_sealed, webhook_sealed, domain_id,
    from_address, bulk_id, campaign_reference, entity_id, application_id, transport_id, options, send_at, valid_until,
    planned, reports_to, events_to, report_level, cursor, waits_because
"""
_SUBMISSION_ROW = f"({', '.join(['%s'] * 24)}, 0, '')"
_OF_SUBMISSION = "submission_id, next_attempt_at, stream"
_GIVEN = "public_id, recipient, recipient_domain, address_key, placeholders_sealed, client_id, awaits_report"
_QUEUED = "'queued', 0, '', ''"
# Numbers come back with the ids they belong to: no database promises their order.
_INSERT_SUBMISSIONS = """
INSERT INTO campaigns_submission ({submission}) VALUES {rows}
RETURNING id AS submission_id, send_at AS next_attempt_at, transport_id AS stream, public_id AS owner
"""
_INSERT_MESSAGE = """
INSERT INTO campaigns_message ({of_submission}, {given}, state, attempts, claimed_by, error_code)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, {queued})
"""
# Arrays: a parameter for each column instead of one for each value.
_INSERT_BOTH = """
WITH made AS ({insert_submissions})
INSERT INTO campaigns_message ({of_submission}, {given}, state, attempts, claimed_by, error_code)
SELECT {of_submission}, {given}, {queued}
FROM unnest(
    %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::text[], %s::boolean[]
) WITH ORDINALITY AS row (owner, {given}, number)
JOIN made USING (owner)
ORDER BY number
"""


def _fill(statement: str, *, count: int) -> str:
    first = _INSERT_SUBMISSIONS.format(submission=_SUBMISSION, rows=", ".join([_SUBMISSION_ROW] * count))
    return statement.format(insert_submissions=first, of_submission=_OF_SUBMISSION, given=_GIVEN, queued=_QUEUED)


# Not frozen, which would make a thousand of them in three times the time.
@dataclass(slots=True, repr=False)
class NewMessage:
    """A message that is not in the ledger yet, of a submission that is stored with it; `public_id` is a UUID as text."""

    public_id: str
    submission: Submission
    recipient: str
    recipient_domain: str
    address_key: str
    personal_sealed: bytes | None
    client_id: str
    awaits_report: bool = True


def insert_mails(submissions: Sequence[Submission], messages: Sequence[NewMessage]) -> None:
    """Store submissions of API requests and their messages, queued, in the order given: all of them or none.

    The submissions do not get to know their numbers.
    """
    if not submissions:
        return
    database, now = connections[DEFAULT_DB_ALIAS], timezone.now()
    values = [value for entry in submissions for value in _values(database, entry, now)]
    count = len(submissions)
    if database.vendor == "postgresql":
        with open_cursor() as cursor:
            cursor.execute(_fill(_INSERT_BOTH, count=count), [*values, *_columns(messages)])
        return
    with transaction.atomic(), open_cursor() as cursor:
        cursor.execute(_fill("{insert_submissions}", count=count), values)
        found = {owner: (number, at, stream) for number, at, stream, owner in cursor.fetchall()}
        rows = [(*found[entry.submission.public_id.hex], *_given(entry)) for entry in messages]
        cursor.executemany(_fill(_INSERT_MESSAGE, count=count), rows)


def _given(entry: NewMessage) -> tuple[Any, ...]:
    return (
        entry.public_id.replace("-", ""),
        entry.recipient,
        entry.recipient_domain,
        entry.address_key,
        entry.personal_sealed,
        entry.client_id,
        entry.awaits_report,
    )


def _columns(messages: Sequence[NewMessage]) -> list[str]:
    """An array for each column, as PostgreSQL writes them (documentation §8.15.2): the driver looks at every element thrice."""
    return [
        _array([str(entry.submission.public_id) for entry in messages]),
        _array([entry.public_id for entry in messages]),
        _array([_quote(entry.recipient) for entry in messages]),
        _array([_quote(entry.recipient_domain) for entry in messages]),
        _array([entry.address_key for entry in messages]),
        _array([_hex(entry.personal_sealed) for entry in messages]),
        _array([_quote(entry.client_id) for entry in messages]),
        _array(["t" if entry.awaits_report else "f" for entry in messages]),
    ]


def _array(elements: Sequence[str]) -> str:
    return f"{{{','.join(elements)}}}"


def _quote(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _hex(data: bytes | None) -> str:
    return "NULL" if data is None else f'"\\\\x{data.hex()}"'


def _as_stored(database: BaseDatabaseWrapper, public_id: UUID) -> UUID | str:
    return public_id if database.features.has_native_uuid_field else public_id.hex


def _values(database: BaseDatabaseWrapper, entry: Submission, now: datetime) -> tuple[Any, ...]:
    adapt = database.ops.adapt_datetimefield_value
    return (
        _as_stored(database, entry.public_id),
        adapt(now),
        entry.account_id,
        entry.door,
        entry.lane,
        entry.purpose,
        entry.state,
        entry.content_id,
        entry.payload_sealed,
        entry.webhook_sealed,
        entry.domain_id,
        entry.from_address,
        entry.bulk_id,
        entry.campaign_reference,
        entry.entity_id,
        entry.application_id,
        entry.transport_id,
        json.dumps(entry.options),
        adapt(entry.send_at),
        adapt(entry.valid_until),
        entry.planned,
        entry.reports_to,
        entry.events_to,
        entry.report_level,
    )
