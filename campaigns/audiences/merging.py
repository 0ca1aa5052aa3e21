"""Merging a chunk of imported people into contacts and subscriptions: few statements, whatever the chunk's size.

The chunk goes into a temporary table; everything after reads from there. One set of statements for both
databases, apart from how the chunk gets in and how JSON objects are merged.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection
from django.db.backends.utils import CursorWrapper

from campaigns.models import ConsentKind, ImportJob

# CASL s. 10(10): implied consent ends two years after a purchase at the latest.
IMPLIED_FOR = timedelta(days=730)

# What differs by database: the chunk's columns, how it is emptied, how JSON objects merge (the right one wins).
_CREATE = """
CREATE TEMP TABLE IF NOT EXISTS import_chunk (
    address_key text PRIMARY KEY, email text NOT NULL, domain text NOT NULL, attributes {json} NOT NULL,
    filled {json} NOT NULL, public_id {uuid} NOT NULL, contact_id bigint, standing bigint
) {options}
"""
_TABLES = {
    "sqlite": (
        _CREATE.format(json="text", uuid="text", options="WITHOUT ROWID"),
        "DELETE FROM import_chunk",
        "json_patch(json_patch(excluded.attributes, c.attributes), {filled})",
    ),
    "postgresql": (
        _CREATE.format(json="jsonb", uuid="uuid", options=""),
        "TRUNCATE import_chunk",
        "excluded.attributes || c.attributes || {filled}",
    ),
}
_STAGE = (
    "INSERT INTO import_chunk (address_key, email, domain, attributes, filled, public_id)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
# Compiling a statement takes PostgreSQL longer than running it on a chunk.
_NO_JIT = "SET LOCAL jit = off"
_COPY = "COPY import_chunk (address_key, email, domain, attributes, filled, public_id) FROM STDIN"

# Every look into a large table is a scalar subquery by its full key. Written as joins, both planners start from
# the whole list or account whenever statistics are missing or old, which they are while a table is being filled;
# list_id + 0 keeps them off the index of the list for the same reason.

# The first row of an address counts; later ones of the same file change nothing.
_DROP_SEEN = """
DELETE FROM import_chunk WHERE (
    SELECT 1 FROM campaigns_importseen s WHERE s.job_id = %(job)s AND s.address_key = import_chunk.address_key
) IS NOT NULL
"""
_REMEMBER = """
INSERT INTO campaigns_importseen (job_id, address_key) SELECT %(job)s, address_key FROM import_chunk
"""

# What the file says wins over what is stored, but an empty cell never wipes a stored value. Rows go in key order:
# two imports into one account then wait for each other instead of deadlocking.
_UPSERT = """
INSERT INTO campaigns_contact AS c
    (account_id, public_id, email, address_key, domain, attributes, created_at, updated_at)
SELECT %(account)s, public_id, email, address_key, domain, attributes, %(now)s, %(now)s
FROM import_chunk WHERE true ORDER BY address_key
ON CONFLICT (account_id, address_key) DO UPDATE SET updated_at = excluded.updated_at, attributes = {merge}
RETURNING created_at = %(now)s
"""
_FILLED = "(SELECT k.filled FROM import_chunk k WHERE k.address_key = excluded.address_key)"

# Standing: 0 free, 1 suppressed, 2 and more objected (left this list or all marketing, or complained).
_LOOK_UP = """
UPDATE import_chunk SET
    contact_id = (
        SELECT c.id FROM campaigns_contact c
        WHERE c.account_id = %(account)s AND c.address_key = import_chunk.address_key),
    standing = (
        SELECT COALESCE(max(CASE WHEN s.scope = 'marketing' OR s.reason IN ('unsubscribed', 'complaint')
            THEN 2 ELSE 1 END), 0)
        FROM campaigns_suppression s
        WHERE s.account_id = %(account)s AND s.address_key = import_chunk.address_key AND s.list_id IS NULL
    ) + (
        SELECT 2 * count(*) FROM campaigns_suppression s
        WHERE s.account_id = %(account)s AND s.address_key = import_chunk.address_key AND s.list_id = %(list)s)
"""
# Who objected comes back by their own word only, never by a file; a state once stored is left alone.
_SUBSCRIBE = """
INSERT INTO campaigns_subscription AS u
    (contact_id, list_id, state, changed_at, consent_kind, consent_source, consent_text, consent_at, consent_expires_at)
SELECT k.contact_id, %(list)s, CASE WHEN k.standing >= 2 THEN 'unsubscribed' ELSE 'subscribed' END,
    %(now)s, %(kind)s, %(source)s, '', %(now)s, %(expires)s
FROM import_chunk k WHERE true ORDER BY k.contact_id
ON CONFLICT (contact_id, list_id) DO UPDATE SET consent_kind = excluded.consent_kind,
    consent_source = excluded.consent_source, consent_at = excluded.consent_at,
    consent_expires_at = excluded.consent_expires_at
WHERE u.state = 'subscribed' AND u.consent_kind = 'unknown' AND excluded.consent_kind <> 'unknown'
"""
_COUNT_KEPT = """
SELECT count(*) FROM import_chunk k WHERE k.standing > 0 OR 'unsubscribed' = (
    SELECT u.state FROM campaigns_subscription u WHERE u.contact_id = k.contact_id AND u.list_id + 0 = %(list)s)
"""


class Person(NamedTuple):
    """One address of a chunk; `attributes` and `filled` (the ones that are not empty) are JSON texts."""

    address_key: str
    email: str
    domain: str
    attributes: str
    filled: str


@dataclass(frozen=True, slots=True)
class Merged:
    """How many people of a chunk were new, known, met before in this file; and how many stay unsubscribed."""

    created: int
    updated: int
    duplicates: int
    kept_unsubscribed: int


def merge_people(job: ImportJob, people: Sequence[Person], *, now: datetime) -> Merged:
    """Upsert the people and subscribe them to the job's list; keys are distinct. Needs an open transaction."""
    create, clear, merge = _TABLES[connection.vendor]
    implied = job.consent_kind == ConsentKind.IMPLIED
    values: dict[str, str | int | None] = {
        "job": job.pk,
        "account": job.account_id,
        "list": job.list_id,
        "kind": job.consent_kind,
        "source": job.consent_source,
        "now": connection.ops.adapt_datetimefield_value(now),
        "expires": connection.ops.adapt_datetimefield_value(now + IMPLIED_FOR if implied else None),
    }
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_NO_JIT)
        cursor.execute(create)
        cursor.execute(clear)
        _stage(cursor, people)
        cursor.execute(_DROP_SEEN, values)
        duplicates = cursor.rowcount
        cursor.execute(_REMEMBER, values)
        cursor.execute(_UPSERT.format(merge=merge.format(filled=_FILLED)), values)
        fresh = [bool(row[0]) for row in cursor.fetchall()]
        cursor.execute(_LOOK_UP, values)
        cursor.execute(_SUBSCRIBE, values)
        cursor.execute(_COUNT_KEPT, values)
        kept = int(cursor.fetchone()[0])
    return Merged(sum(fresh), len(fresh) - sum(fresh), duplicates, kept)


def _stage(cursor: CursorWrapper, people: Sequence[Person]) -> None:
    rows = [(*person, public_id) for person, public_id in zip(people, _random_uuids(len(people)), strict=True)]
    if connection.vendor == "postgresql":
        with cursor.copy(_COPY) as copy:
            for row in rows:
                copy.write_row(row)
    else:
        cursor.executemany(_STAGE, rows)


def _random_uuids(count: int) -> list[str]:
    """Version 4 UUIDs as 32 hex digits: one call for randomness instead of one each."""
    digits = os.urandom(16 * count).hex()
    return [
        f"{digits[at : at + 12]}4{digits[at + 13 : at + 16]}{_VARIANT[digits[at + 16]]}{digits[at + 17 : at + 32]}"
        for at in range(0, len(digits), 32)
    ]


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
