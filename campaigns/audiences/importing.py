"""Imports as doors see them: upload, look, choose the columns, run, and fetch what was rejected."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q

from campaigns import jobs
from campaigns.audiences.columns import MAX_COLUMNS, SKIP, check_mapping, is_address, label_columns, suggest_mapping
from campaigns.audiences.files import (
    ENCODINGS,
    Readable,
    check_encoding,
    detect_encoding,
    locate_file,
    open_text,
    refuse_foreign,
    remove_file,
    store_file,
)
from campaigns.audiences.rows import DELIMITERS, read_rows, suggest_delimiter
from campaigns.audiences.running import OnProgress, run_import
from campaigns.errors import CampaignError, NotFound
from campaigns.models import Account, ConsentKind, ContactList, ImportJob, ImportState

__all__ = [
    "DELIMITERS", "DEMO_CONTACTS", "ENCODINGS", "ImportPreview", "OnProgress", "discard_import", "find_stopped",
    "merge_mapping", "preview_import", "queue_import", "run_import", "set_mapping", "start_import", "write_errors",
]  # fmt: skip

# About 1,000 made-up contacts with the mess of real exports (bench/make_contacts.py writes it).
DEMO_CONTACTS = Path(__file__).with_name("demo-contacts.csv.gz")

_SAMPLE_ROWS = 200
_SAMPLE_CHARACTERS = 1 << 16
# A spreadsheet runs a cell that starts so; the quote in front makes it text (evil input 5).
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class ImportPreview:
    """The first rows of a file as they will be read; `labels` are the keys of its mapping."""

    labels: list[str]
    rows: list[list[str]]


class Writable(Protocol):
    def write(self, text: str, /) -> object: ...


def start_import(
    account: Account,
    *,
    list: ContactList,  # noqa: A002 - a mailing list is called list everywhere
    file: Readable | Path,
    filename: str,
    consent_kind: str = ConsentKind.UNKNOWN,
    consent_source: str = "",
    encoding: str = "",
    delimiter: str = "",
    by: AbstractBaseUser | None = None,
) -> ImportJob:
    """A job over our own copy of the file (CSV, plain or gzip), with encoding, delimiter and columns suggested.

    The job waits for set_mapping, or runs with the suggested columns. Raises CampaignError for a file that is
    empty, binary, without rows or header, or of an encoding that cannot be told.
    """
    if list.account_id != account.pk:
        raise NotFound("list")
    if delimiter and delimiter not in DELIMITERS:
        raise CampaignError(
            "import.delimiter-unknown", "This delimiter is not known.", action="Use comma, semicolon, tab or |."
        )
    filename = "".join(c for c in Path(filename).name if c.isprintable())[:255]
    job = ImportJob(
        account=account,
        list=list,
        filename=filename,
        delimiter=delimiter,
        consent_kind=consent_kind,
        consent_source=(consent_source or filename)[:200],
        created_by_id=by.pk if by else None,
    )
    job.path = store_file(file, name=f"{uuid4().hex}.csv")
    try:
        _describe(job, encoding=encoding)
        job.save()
    except BaseException:
        remove_file(job.path)
        raise
    return job


def preview_import(job: ImportJob, *, limit: int = 10) -> ImportPreview:
    """The columns and the first rows of a job that has not finished."""
    with open_text(locate_file(job.path), encoding=job.encoding) as source:
        rows = read_rows(source.text, delimiter=job.delimiter)
        header = next(rows, None)
        if header is None:
            raise CampaignError("import.empty", "The file is empty.", action="Export the contacts again.")
        if header.fault:
            raise CampaignError(
                "import.header-broken",
                "The first row with the column names cannot be read.",
                action="Choose another encoding or delimiter, or export the file again.",
            )
        return ImportPreview(label_columns(header.cells), [row.cells for row in islice(rows, limit)])


def set_mapping(job: ImportJob, mapping: Mapping[str, str]) -> None:
    """Choose what each column becomes ("email", an attribute name, "" for left out); the job is then ready to run.

    Columns not named are left out. Raises CampaignError for a mapping that cannot be used or a job already started.
    """
    full = check_mapping(mapping, labels=[*job.mapping])
    changed = ImportJob.objects.filter(
        pk=job.pk, position=0, lease_until=None, state__in=(ImportState.WAITING, ImportState.QUEUED)
    ).update(mapping=full, state=ImportState.QUEUED)
    if not changed:
        raise CampaignError(
            "import.started", "The import has started; its columns are fixed.", action="Upload again.", status=409
        )
    job.mapping, job.state = full, ImportState.QUEUED


def merge_mapping(suggested: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Given columns over suggested ones; a suggestion that would then say the same twice is left out."""
    taken = set(given.values())
    kept = {label: SKIP if target in taken else target for label, target in suggested.items()}
    return {**kept, **given}


def queue_import(job: ImportJob) -> None:
    """Let a background job run the import soon after the transaction commits."""
    with transaction.atomic():
        ImportJob.objects.filter(pk=job.pk, state=ImportState.WAITING).update(state=ImportState.QUEUED)
        jobs.ring("campaigns.tasks.run_import", job.pk)


def find_stopped(*, now: datetime) -> list[int]:
    """Imports nobody works on: their bell was lost, their worker died, or their budget ended. Ring for each again."""
    idle = Q(lease_until=None) | Q(lease_until__lt=now)
    states = (ImportState.QUEUED, ImportState.RUNNING)
    return [*ImportJob.objects.filter(idle, state__in=states).values_list("pk", flat=True)]


def discard_import(job: ImportJob) -> None:
    """Forget an import that is not running, with our copy of its file; contacts it brought stay."""
    job.delete()
    remove_file(job.path)


def write_errors(job: ImportJob, file: Writable) -> int:
    """Write the rejected rows as CSV (line, reason, code, value), safe to open in a spreadsheet; returns how many."""
    writer = csv.writer(file)
    writer.writerow(["line", "reason", "code", "value"])
    count = 0
    for error in job.row_errors.order_by("line", "id").iterator():
        writer.writerow([error.line, *map(guard_cell, (error.reason, error.code, error.value))])
        count += 1
    return count


def guard_cell(text: str) -> str:
    """The text as a cell that no spreadsheet runs."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _describe(job: ImportJob, *, encoding: str) -> None:
    """Find out encoding, delimiter and columns, and refuse what is no list of contacts."""
    path = locate_file(job.path)
    job.size = path.stat().st_size
    if encoding:
        refuse_foreign(path)
    job.encoding = check_encoding(encoding) if encoding else detect_encoding(path)
    if not job.delimiter:
        with open_text(path, encoding=job.encoding) as source:
            job.delimiter = suggest_delimiter(source.text.read(_SAMPLE_CHARACTERS).removeprefix("\ufeff"))
    preview = preview_import(job, limit=_SAMPLE_ROWS)
    if len(preview.labels) > MAX_COLUMNS:
        raise CampaignError(
            "import.too-many-columns", f"The file has more than {MAX_COLUMNS} columns.", action="Export fewer columns."
        )
    if any(map(is_address, preview.labels)):
        raise CampaignError(
            "import.no-header",
            "The first row holds an address instead of column names.",
            action="Add a first row that names the columns, such as Email,First Name.",
        )
    if not preview.rows:
        raise CampaignError(
            "import.no-rows", "The file has column names but no rows.", action="Export the contacts again."
        )
    job.mapping = suggest_mapping(preview.labels, preview.rows)
