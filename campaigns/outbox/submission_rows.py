"""Submissions of API requests, written by one statement for all of them: the ORM takes ten times as long."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from campaigns.models import Submission

_COLUMNS = """
    public_id, created_at, account_id, door, lane, purpose, state, content_id, payload_sealed, webhook_sealed, domain_id,
    from_address, bulk_id, campaign_reference, entity_id, application_id, transport_id, options, send_at, valid_until,
    planned, cursor, waits_because
"""
_ROW = f"({', '.join(['%s'] * 21)}, 0, '')"
# Numbers come back with the ids they belong to: no database promises their order.
_INSERT = "INSERT INTO campaigns_submission ({columns}) VALUES {rows} RETURNING id, public_id"


def insert_submissions(submissions: Sequence[Submission]) -> None:
    """Write submissions of API requests, and give each its number."""
    if not submissions:
        return
    now = timezone.now()
    values = [value for entry in submissions for value in _values(entry, now)]
    statement = _INSERT.format(columns=_COLUMNS, rows=", ".join([_ROW] * len(submissions)))
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        numbers = {UUID(str(public_id)): number for number, public_id in cursor.fetchall()}
    for entry in submissions:
        entry.pk, entry.created_at = numbers[entry.public_id], now


def _values(entry: Submission, now: Any) -> tuple[Any, ...]:
    adapt = connection.ops.adapt_datetimefield_value
    return (
        entry.public_id if connection.vendor == "postgresql" else entry.public_id.hex,
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
    )
