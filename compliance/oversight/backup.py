"""A backup in two parts: everything but the data keys, and the data keys, which are to be kept elsewhere and for days only.

What is sealed stays so. Whoever keeps the first part for years keeps evidence, and content that nothing opens any more once
the second is gone (45 CFR 164.308(a)(7)(ii)(A), 164.310(d)(2)(iv)).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.db import connection, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from campaigns.errors import CampaignError
from compliance import audit
from compliance.audit import Ref
from compliance.oversight import beside
from compliance.oversight.backup_files import Manifest, Writer
from compliance.vault.tables import DataKey

DATA, KEYS = "data", "keys"
_ROWS_AT_ONCE = 500
# Jobs are rung anew from the ledger, schedules come from the code, and nobody stays signed in over a restore.
_LEFT_OUT = frozenset({"django_q", "sessions"})
_DJANGOS = frozenset({"django_migrations", "sqlite_sequence"})


def write_backup(folder: Path, *, actor: Ref, now: datetime, with_archive: bool = True) -> list[Manifest]:
    """Write `data` and `keys` below the folder, both of one moment, and an event about it.

    Uploaded files go along, and the archive of mails unless it is backed up where it lies. Workers go on meanwhile.
    Raises CampaignError `backup.exists`, `backup.unknown-table`.
    """
    _check_tables()
    writers = {part: Writer(folder / part) for part in (DATA, KEYS)}
    backup = str(uuid4())
    try:
        with _snapshot():
            migrations = list_migrations()
            writers[DATA].write_bundle(beside.UPLOADS, beside.read_uploads())
            for model in list_models():
                writers[part_of(model)].write_table(model._meta.db_table, columns=columns_of(model), rows=_read(model))
        if with_archive:
            # After the snapshot: a bucket may take hours, and no transaction stays open meanwhile.
            writers[DATA].write_bundle(beside.ARCHIVE, beside.read_archived(writers[DATA]))
        made = [writer.finish(Manifest(backup, part, now.isoformat(), migrations)) for part, writer in writers.items()]
    finally:
        for writer in writers.values():
            writer.discard()
    with transaction.atomic():
        data = {
            "tables": sum(len(one.files) for one in made), "rows": sum(one.rows for one in made),
            "files": sum(bundle.files for one in made for bundle in one.bundles),
            "missing": sum(one.missing for one in made),
        }  # fmt: skip
        audit.record("backup.made", owner="", actor=actor, about=Ref("backup", backup), data=data, now=now)
    return made


def list_models() -> list[type[models.Model]]:
    """The tables of a backup in one order."""
    found = [
        model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and model._meta.managed and model._meta.app_label not in _LEFT_OUT
    ]
    return sorted(found, key=lambda model: model._meta.db_table)


def part_of(model: type[models.Model]) -> str:
    return KEYS if model is DataKey else DATA


def fields_of(model: type[models.Model]) -> Sequence[models.Field[Any, Any]]:
    """The fields that have a column of their own which is not computed."""
    return [field for field in model._meta.local_concrete_fields if not getattr(field, "generated", False)]


def columns_of(model: type[models.Model]) -> list[str]:
    return [str(field.column) for field in fields_of(model)]


def list_migrations() -> list[str]:
    """What the tables look like, in names."""
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def _read(model: type[models.Model]) -> Iterator[Sequence[object]]:
    names = [field.attname for field in fields_of(model)]
    rows = model._base_manager.order_by("pk").values_list(*names)
    yield from rows.iterator(chunk_size=_ROWS_AT_ONCE)


def _check_tables() -> None:
    """A table nobody knows would be missing from the backup, and nobody would notice before it is needed."""
    known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)} | _DJANGOS
    if unknown := sorted(set(connection.introspection.table_names()) - known):
        raise CampaignError(
            "backup.unknown-table", f"Nobody knows the table {unknown[0]}.", action="Back it up apart, or drop it."
        )


@contextmanager
def _snapshot() -> Generator[None]:
    """Everything read within is of one moment; nobody who writes waits for it."""
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    # Not atomic(): it would take SQLite's one lock for writing (transaction_mode).
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
