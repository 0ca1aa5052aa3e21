"""Rows of hits and of the mails they belong to, many in one statement.

PostgreSQL is led to each row by its index: for an array of hundreds it would now and then rather read the whole table.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection

from campaigns.models import EventKind, Message
from campaigns.tracking.verdicts import Hit

KINDS = (EventKind.OPENED, EventKind.CLICKED)


class HitMessage(NamedTuple):
    """A message that was opened or clicked."""

    id: int
    submission_id: int
    address_key: str
    sent_at: datetime | None


# OFFSET 0 keeps the planner from making one join of both. SQLite has moments as text in UTC.
_FIND = {
    "postgresql": """
        SELECT asked.place, m.* FROM unnest(%s::uuid[]) WITH ORDINALITY AS asked (public_id, place)
        CROSS JOIN LATERAL (
            SELECT id, submission_id, address_key, sent_at FROM campaigns_message
            WHERE public_id = asked.public_id OFFSET 0
        ) m
    """,
    "sqlite": """
        SELECT asked.key + 1, m.id, submission_id, address_key, sent_at || '+00:00'
        FROM json_each(%s) asked CROSS JOIN campaigns_message m WHERE m.public_id = asked.value
    """,
}


def find_by_public_id(public_ids: Iterable[UUID]) -> dict[UUID, HitMessage]:
    """Messages by public id."""
    asked = list(public_ids)
    found = _fetch(_FIND, _array(public_id.hex for public_id in asked))
    at = _moment
    return {asked[place - 1]: HitMessage(pk, owner, key, sent and at(sent)) for place, pk, owner, key, sent in found}


def find_messages(ids: Collection[int]) -> dict[int, HitMessage]:
    """Messages by primary key."""
    rows = Message.objects.filter(pk__in=ids).values_list("pk", "submission_id", "address_key", "sent_at")
    return {row[0]: HitMessage(*row) for row in rows}


_EARLIER = {
    "postgresql": """
        SELECT e.* FROM unnest(%s::bigint[]) AS asked (message_id)
        CROSS JOIN LATERAL (
            SELECT message_id, kind, at, link, device, system, is_machine, code, id FROM campaigns_event
            WHERE message_id = asked.message_id AND kind IN ('opened', 'clicked', 'delivered') OFFSET 0
        ) e ORDER BY e.id
    """,
    "sqlite": """
        SELECT message_id, kind, at || '+00:00', link, device, system, is_machine, code, id FROM campaigns_event
        WHERE message_id IN (SELECT value FROM json_each(%s)) AND kind IN ('opened', 'clicked', 'delivered')
        ORDER BY id
    """,
}


# Compiling a statement takes PostgreSQL longer than running it on a batch.
_NO_JIT = "SET LOCAL jit = off"


def read_hits(message_ids: Iterable[int]) -> tuple[dict[int, list[Hit]], dict[int, list[datetime]]]:
    """(hits, moments of delivery) by message, oldest first. Needs a transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_NO_JIT)
    hits: dict[int, list[Hit]] = defaultdict(list)
    delivered: dict[int, list[datetime]] = defaultdict(list)
    for message_id, kind, at, *rest in _fetch(_EARLIER, _array(message_ids)):
        if kind == EventKind.DELIVERED:
            delivered[message_id].append(_moment(at))
        else:
            hits[message_id].append(Hit(_moment(at), kind, *rest))
    return hits, delivered


# One array for each column, or one JSON text: hundreds of parameters cost more than the rows.
_ROWS = {
    "postgresql": (
        "SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::timestamptz[], %s::varchar[], %s::bool[],"
        " %s::smallint[], %s::smallint[], %s::smallint[])"
    ),
    "sqlite": (
        "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),"
        " json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),"
        " json_extract(value, '$[6]'), json_extract(value, '$[7]') FROM json_each(%s)"
    ),
}
_INSERT = """
INSERT INTO campaigns_event (message_id, kind, at, code, is_machine, link, device, system) {rows}
"""


def insert_hits(fresh: Sequence[tuple[int, Hit]]) -> None:
    """Write down hits by the message each is of."""
    if not fresh:
        return
    at = connection.ops.adapt_datetimefield_value
    rows: list[tuple[Any, ...]] = [
        (message_id, str(hit.kind), str(at(hit.at)), hit.code[:60], hit.is_machine, hit.link, hit.device, hit.system)
        for message_id, hit in fresh
    ]
    columns = [_array(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(
            _INSERT.format(rows=_ROWS[connection.vendor]),
            columns if connection.vendor == "postgresql" else [json.dumps(rows)],
        )


def _fetch(statements: dict[str, str], array: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor], [array])
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _array(values: Iterable[int | str | None]) -> str:
    """Values as one parameter; the driver would look at each of them for as long as it takes to write a row."""
    if connection.vendor == "postgresql":
        return "{" + ",".join(map(_element, values)) + "}"
    return json.dumps(list(values))


def _element(value: int | str | None) -> str:
    """https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO"""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "NULL" if value is None else str(value)


def _moment(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at
