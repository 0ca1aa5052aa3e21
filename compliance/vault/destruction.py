"""Crypto-shredding: a data key is destroyed, and what was sealed under it is noise from then on.

The proof of it is `compliance.shredding`'s; here only the keys die. Other processes may hold an open key for some
minutes more (`keys.OPEN_SECONDS`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from compliance.vault import keys
from compliance.vault.tables import DataKey


def find_expired(*, now: datetime, limit: int) -> list[DataKey]:
    """Keys whose scope is over, the oldest first."""
    today = timezone.localdate(now, timezone=timezone.get_fixed_timezone(0))
    over = DataKey.objects.filter(expires_on__lte=today, destroyed_at__isnull=True)
    return list(over.order_by("expires_on", "id")[:limit])


def find_keys(owner: str, *, scope_starts: str | None = None) -> list[DataKey]:
    """The living keys of an owner: all of them, or those whose scope begins like this."""
    living = DataKey.objects.filter(owner=owner, destroyed_at__isnull=True)
    return list(living if scope_starts is None else living.filter(scope__startswith=scope_starts))


def destroy_keys(rows: Sequence[DataKey], *, now: datetime) -> list[UUID]:
    """Destroy keys; the ids of those that still lived, so that of two who try only one tells of it."""
    with transaction.atomic():
        _overwrite_what_is_deleted()
        living = DataKey.objects.select_for_update().filter(pk__in=[row.pk for row in rows], destroyed_at__isnull=True)
        ids = list(living.order_by("pk").values_list("pk", flat=True))
        DataKey.objects.filter(pk__in=ids).update(wrapped=None, destroyed_at=now, is_active=False)
    forget(ids)
    return ids


def forget(ids: Collection[UUID]) -> None:
    """Drop the open copies of this process, if there may be any."""
    if ids:
        keys.forget_open_keys()


def erase_traces() -> None:
    """Remove what the database still keeps of destroyed keys on its disk; outside of any transaction.

    PostgreSQL keeps the old row until a vacuum, SQLite keeps the old page in its write-ahead log.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM {connection.ops.quote_name(DataKey._meta.db_table)}")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _overwrite_what_is_deleted() -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete=ON")
