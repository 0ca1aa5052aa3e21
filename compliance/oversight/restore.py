"""Bringing a backup back into an empty database, and finding out whether what came back is all there, opens and fits.

45 CFR 164.308(a)(7)(ii)(B), (D): data can be restored, and that is tested before it is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Field, Model, QuerySet

from campaigns.errors import CampaignError
from campaigns.models import KeptMail, Lane, Message, Transport
from campaigns.outbox.payload import personal_context
from campaigns.outbox.transports import read_config
from campaigns.storage.keeping import copy_context
from compliance import vault
from compliance.audit.verify import verify
from compliance.oversight import beside
from compliance.oversight.backup import DATA, KEYS, fields_of, list_migrations, list_models, part_of
from compliance.oversight.backup_files import BackupBroken, File, Manifest, read_bundle, read_manifest, read_rows
from compliance.vault.keys import fingerprint_of, unwrap
from compliance.vault.tables import DataKey

_Row = TypeVar("_Row", bound=Model)
_ROWS_AT_ONCE = 500
SAMPLE = 50
# Made by `migrate`, and pointed at by number: replaced by the rows of the backup.
_MADE_BY_MIGRATE = ("auth_permission", "django_content_type")


@dataclass(slots=True)
class Drill:
    """What was looked at after a restore; `faults` are sentences, and none means that it is all there."""

    backup: str = ""
    tables: int = 0
    rows: int = 0
    opened: int = 0
    shredded: int = 0
    events: int = 0
    files: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return not self.faults


def read_parts(folder: Path, *, keys: Path | None) -> list[tuple[Path, Manifest]]:
    """Both parts, or the first alone where there are no keys any more; raises BackupBroken."""
    parts = [(folder / DATA, read_manifest(folder / DATA, part=DATA))]
    if keys is not None:
        parts.append((keys, read_manifest(keys, part=KEYS)))
    if len({manifest.id for _, manifest in parts}) > 1:
        raise BackupBroken("Data and keys are of two backups.")
    return parts


def load(parts: list[tuple[Path, Manifest]], *, with_files: bool) -> None:
    """Fill an empty database that `migrate` made, or leave it as it is; put the files beside it where they lay.

    Raises BackupBroken, CampaignError `backup.not-empty`, `backup.other-version`, `archive.unreachable`.
    """
    models = {model._meta.db_table: model for model in list_models()}
    if list(parts[0][1].migrations) != list_migrations():
        raise CampaignError(
            "backup.other-version",
            "The backup is of another version of this program than the tables here.",
            action="Restore it with the version that wrote it, then upgrade.",
            status=409,
        )
    _check_empty(models)
    if with_files:
        # Before the rows: when a file cannot be written, the database is still empty, and all of it can be done again.
        for folder, manifest in parts:
            beside.bring_back(folder, manifest)
    with transaction.atomic():
        _check_empty(models)
        for table in _MADE_BY_MIGRATE:
            models[table]._base_manager.all().delete()
        for folder, manifest in parts:
            for file in manifest.files:
                _load_file(models[file.table], folder, file)
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), list(models.values())):
                cursor.execute(statement)


def examine(parts: list[tuple[Path, Manifest]]) -> Drill:
    """Count, open a sample, and follow every chain of the audit trail, in the database that was filled."""
    drill = Drill(backup=parts[0][1].id)
    models = {model._meta.db_table: model for model in list_models()}
    for _, manifest in parts:
        for file in manifest.files:
            found = models[file.table]._base_manager.count()
            drill.tables, drill.rows = drill.tables + 1, drill.rows + found
            if found != file.rows:
                drill.faults.append(f"{file.table} has {found:,} rows instead of {file.rows:,}.")
    missing = {table for table, model in models.items() if part_of(model) in {one.part for _, one in parts}}
    missing -= {file.table for _, manifest in parts for file in manifest.files}
    drill.faults += [f"{table} is not in the backup." for table in sorted(missing)]
    for _, manifest in parts:
        drill.files += sum(bundle.files for bundle in manifest.bundles)
        if manifest.missing:
            drill.faults.append(f"{manifest.missing:,} archived mails could not be read when the backup was made.")
    if len(parts) > 1:
        _open_sample(drill, parts[0])
    report = verify()
    drill.events = report.events
    drill.faults += [f"The audit trail does not fit: {one.code} at {one.seq}." for one in report.problems[:5]]
    return drill


def _check_empty(models: dict[str, type[Model]]) -> None:
    for table, model in models.items():
        if table not in _MADE_BY_MIGRATE and model._base_manager.exists():
            raise CampaignError(
                "backup.not-empty",
                f"The database is not empty: {table} has rows.",
                action="Restore into a new one, after manage.py migrate.",
                status=409,
            )


def _load_file(model: type[Model], folder: Path, file: File) -> None:
    known = {str(field.column): field for field in fields_of(model)}
    if set(file.columns) != set(known):
        raise BackupBroken(f"{file.name} has other columns than its table.")
    quote = connection.ops.quote_name
    columns, marks = ", ".join(map(quote, file.columns)), ", ".join(["%s"] * len(file.columns))
    sql = f"INSERT INTO {quote(file.table)} ({columns}) VALUES ({marks})"  # noqa: S608 (our names)
    fields = [known[column] for column in file.columns]
    rows = read_rows(folder, file)
    with connection.cursor() as cursor:
        while some := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            cursor.executemany(sql, [_prepare(fields, row) for row in some])


def _prepare(fields: Sequence[Field[Any, Any]], row: Sequence[object]) -> list[Any]:
    return [each.get_db_prep_save(value, connection) for each, value in zip(fields, row, strict=True)]


def _open_sample(drill: Drill, data: tuple[Path, Manifest]) -> None:
    """Sealed values open by the keys of the backup, in their place; those whose keys were destroyed stay closed."""
    for what, look in itertools.chain(_list_sample(), _list_archived(*data)):
        try:
            look()
        except vault.Shredded:
            drill.shredded += 1
        except (vault.SealBroken, vault.KeysUnavailable):
            drill.faults.append(f"{what} does not open.")
        else:
            drill.opened += 1


def _list_sample() -> Iterator[tuple[str, Callable[[], object]]]:
    """Data keys, credentials and recipients, of the oldest and the newest, each with what opens it."""
    for key in _ends(DataKey.objects.filter(destroyed_at=None), by="created_at"):
        yield f"The data key {key.pk}", partial(_unwrap, key)
    for way in _ends(Transport.objects.exclude(config_sealed=None).select_related("account"), by="pk"):
        yield f"The settings of way to send {way.pk}", partial(read_config, way)
    sealed = Message.objects.filter(submission__lane=Lane.HIPAA, placeholders_sealed__isnull=False)
    for message in _ends(sealed.select_related("submission__account"), by="pk"):
        yield f"Message {message.public_id}", partial(_open, message)


def _list_archived(folder: Path, manifest: Manifest) -> Iterator[tuple[str, Callable[[], object]]]:
    """The same of the first mails of the archive, as they lie in the backup."""
    for bundle in manifest.bundles:
        if bundle.name != beside.ARCHIVE:
            continue
        for name, file in itertools.islice(read_bundle(folder, bundle), SAMPLE):
            yield f"Archived mail {PurePosixPath(name).stem}", partial(_open_archived, name, file.read())


def _ends(rows: QuerySet[_Row], *, by: str) -> list[_Row]:
    return [*rows.order_by(by)[: SAMPLE // 2], *rows.order_by(f"-{by}")[: SAMPLE // 2]]


def _unwrap(key: DataKey) -> None:
    if fingerprint_of(unwrap(key)) != key.fingerprint:
        raise vault.SealBroken


def _open_archived(name: str, sealed: bytes) -> None:
    mail = KeptMail.objects.select_related("account").get(public_id=PurePosixPath(name).stem)
    vault.unseal(sealed, **copy_context(mail.account, mail.public_id))


def _open(message: Message) -> None:
    context = personal_context(message.submission, str(message.public_id), address_key=message.address_key)
    vault.unseal(bytes(message.placeholders_sealed or b""), **context)
