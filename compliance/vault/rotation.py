"""Changing root keys: wrap every data key anew, and destroy the old root key once nothing needs it.

Sealed values stay as they are. A run that was interrupted goes on where it stopped, because what is left to do is in
the rows. Workers may send meanwhile: a data key opens by the root key its row names at that moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.apps import apps
from django.db import connection
from django.db.models import BinaryField, QuerySet

from compliance.vault import keys, roots
from compliance.vault.errors import SealBroken
from compliance.vault.tables import DataKey


@dataclass(slots=True)
class Rotation:
    """How far a rotation is: keys wrapped anew, still to do, and those that do not open and stay as they are."""

    kid: str
    done: int = 0
    left: int = 0
    failed: int = 0


class RootInUse(Exception):
    """A root key that something still needs; `reasons` are sentences for the operator."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


def add_root() -> str:
    """Make a new root key the active one; its id. Where keys are made elsewhere (AWS) it is the one the settings name."""
    return roots.active_root().add()


def list_waiting() -> tuple[str, int]:
    """(the active root key, how many data keys are wrapped by others)."""
    kid = roots.active_root().active_kid()
    return kid, _to_rewrap(kid).count()


def rotate(*, batch: int = 500) -> Iterator[Rotation]:
    """Wrap data keys anew under the active root key, telling after each batch; raises KeysUnavailable in between."""
    state = Rotation(roots.active_root().active_kid())
    after: UUID | None = None
    while rows := _next(state.kid, after, batch):
        for row in rows:
            if _rewrap(row):
                state.done += 1
            else:
                state.failed += 1
        after = rows[-1].pk
        state.left = max(_to_rewrap(state.kid).count() - state.failed, 0)
        yield state
    yield state


def retire_root(kid: str) -> str:
    """Destroy a root key that nothing needs any more; a sentence about its copies. Raises RootInUse, KeysUnavailable."""
    reasons = list(_find_uses(kid))
    if reasons:
        raise RootInUse(reasons)
    return roots.root_of(kid).destroy(kid)


def _to_rewrap(kid: str) -> QuerySet[DataKey]:
    return DataKey.objects.filter(destroyed_at__isnull=True).exclude(kid=kid)


def _next(kid: str, after: UUID | None, batch: int) -> list[DataKey]:
    rows = _to_rewrap(kid).order_by("pk")
    return list((rows if after is None else rows.filter(pk__gt=after))[:batch])


def _rewrap(row: DataKey) -> bool:
    """True when the key is wrapped by the active root key now, or does not live any more."""
    # Only what nobody changed meanwhile: a key destroyed in this moment stays destroyed.
    unchanged = DataKey.objects.filter(pk=row.pk, kid=row.kid, destroyed_at__isnull=True)
    try:
        _wrap_anew(row)
        is_same = keys.fingerprint_of(keys.unwrap(row)) == row.fingerprint
    except SealBroken:
        return not DataKey.objects.filter(pk=row.pk, destroyed_at__isnull=True).exists()
    if is_same:
        unchanged.update(kid=row.kid, wrapped=row.wrapped)
    return is_same


def _wrap_anew(row: DataKey) -> None:
    old, active = roots.root_of(row.kid), roots.active_root()
    wrapped = bytes(row.wrapped or b"")
    if old is active:
        row.kid, row.wrapped = active.rewrap(row.kid, wrapped)
    else:
        row.kid, row.wrapped = active.wrap(old.unwrap(row.kid, wrapped))


def _find_uses(kid: str) -> Iterator[str]:
    if kid == roots.active_root().active_kid():
        yield "It is the active root key."
    if count := DataKey.objects.filter(kid=kid, destroyed_at__isnull=True).count():
        yield f"It still wraps {count:,} data keys: run rotate_keys first."
    for table, column, number in _find_first_versions(kid):
        yield f"{number:,} values in {table}.{column} are sealed under it directly: save their rows again first."


def _find_first_versions(kid: str) -> Iterator[tuple[str, str, int]]:
    """Values sealed under a key of the ring itself, as version 1 did: (table, column, how many)."""
    head = bytes((1, len(kid.encode()) % 256)) + kid.encode()
    for model in apps.get_models():
        for field in model._meta.concrete_fields:
            name = str(field.column)
            if isinstance(field, BinaryField) and name.endswith("_sealed"):
                number = _count_beginning(model._meta.db_table, name, head)
                if number:
                    yield model._meta.db_table, name, number


def _count_beginning(table: str, column: str, head: bytes) -> int:
    quote = connection.ops.quote_name
    query = f"SELECT count(*) FROM {quote(table)} WHERE substr({quote(column)}, 1, %s) = %s"  # noqa: S608 (our names)
    with connection.cursor() as cursor:
        cursor.execute(query, [len(head), head])
        return int(cursor.fetchone()[0])
