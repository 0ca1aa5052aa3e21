"""Files of addresses not to write to: taken in chunk by chunk, safe to kill at any moment, with one scope and reason."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import uuid4

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from campaigns import addresses, jobs, tokens
from campaigns.audiences.columns import EMAIL, is_address, label_columns, suggest_mapping
from campaigns.audiences.files import Readable, detect_encoding, locate_file, open_text, remove_file, store_file
from campaigns.audiences.rows import Row, read_rows, suggest_delimiter
from campaigns.audiences.suppression import Entry, Person, suppress_many
from campaigns.errors import AddressError, CampaignError, NotFound
from campaigns.models import Account, ContactList, ImportState, Suppression, SuppressionImport, SuppressionReason
from compliance import audit
from compliance.audit import Ref

RUN = "campaigns.tasks.import_suppressions"
LEASE = timedelta(seconds=60)
MOST_ERRORS = 1_000
_CHUNK = 1_000
_SAMPLE_ROWS, _SAMPLE_CHARACTERS = 200, 1 << 16
_OPEN = (ImportState.QUEUED, ImportState.RUNNING)


def start_import(
    account: Account,
    *,
    file: Readable | Path,
    filename: str,
    scope: str,
    reason: str = SuppressionReason.IMPORTED,
    list: ContactList | None = None,  # noqa: A002 (the field's name)
    note: str = "",
    by: Person = None,
) -> SuppressionImport:
    """A job over our own copy of the file (CSV or one address on each line, plain or gzip); it runs in the background.

    Raises CampaignError `import.…` for a file that is empty, binary, or has no column of addresses.
    """
    if list is not None and list.account_id != account.pk:
        raise NotFound("list")
    job = SuppressionImport(account=account, scope=scope, reason=reason, list=list, note=note)
    job.created_by_id = by.pk if by is not None else None
    job.filename = "".join(c for c in Path(filename).name if c.isprintable())[:255]
    job.path = store_file(file, name=f"{uuid4().hex}.csv")
    try:
        _describe(job)
        with transaction.atomic():
            job.save()
            owner, data = str(account.public_id), {"scope": scope, "reason": reason}
            actor = Ref("person", str(by.pk)) if by is not None else audit.SYSTEM
            audit.record("suppression.imported", owner=owner, actor=actor, about=Ref("account", owner), data=data)
            jobs.ring(RUN, job.pk)
    except BaseException:
        remove_file(job.path)
        raise
    return job


def run_import(job_id: int, *, budget_seconds: float | None = None) -> bool:
    """Read what is left of the file, or as much as the budget allows; whether more is left.

    Safe to call at any time: a job that is over, or in another worker's hands, is left alone.
    """
    now = timezone.now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    mine = SuppressionImport.objects.filter(free, pk=job_id, state__in=_OPEN)
    if not mine.update(state=ImportState.RUNNING, lease_until=now + LEASE):
        return False
    job = SuppressionImport.objects.select_related("account").get(pk=job_id)
    until = None if budget_seconds is None else time.monotonic() + budget_seconds
    try:
        is_over = _read_rest(job, until=until)
    except CampaignError as error:
        job.state, job.error_code, is_over = ImportState.FAILED, error.code, True
    finally:
        job.lease_until = None
        job.save(update_fields=["lease_until", "state", "error_code"])
    if is_over:
        remove_file(job.path)
    return not is_over


def find_stopped(*, now: datetime) -> list[int]:
    """Imports nobody works on: their bell was lost, their worker died, or their budget ended."""
    idle = Q(lease_until=None) | Q(lease_until__lt=now)
    return [*SuppressionImport.objects.filter(idle, state__in=_OPEN).values_list("pk", flat=True)]


def _describe(job: SuppressionImport) -> None:
    path = locate_file(job.path)
    job.size, job.encoding = path.stat().st_size, detect_encoding(path)
    with open_text(path, encoding=job.encoding) as source:
        job.delimiter = suggest_delimiter(source.text.read(_SAMPLE_CHARACTERS).removeprefix("\ufeff"))
    with open_text(path, encoding=job.encoding) as source:
        rows = [row.cells for row in islice(read_rows(source.text, delimiter=job.delimiter), _SAMPLE_ROWS)]
    if not rows:
        raise CampaignError("import.empty", "The file is empty.", action="Export the addresses again.")
    # Lists of addresses often have nothing above them.
    bare = next((place for place, cell in enumerate(rows[0]) if is_address(cell)), None)
    if bare is not None:
        job.column, job.has_header = bare, False
        return
    labels = label_columns(rows[0])
    mapping = suggest_mapping(labels, rows[1:])
    found = next((place for place, label in enumerate(labels) if mapping[label] == EMAIL), None)
    if found is None:
        raise CampaignError(
            "import.no-email-column",
            "No column of this file holds email addresses.",
            action="Give the column a name such as Email, or upload the addresses alone.",
        )
    job.column = found


def _read_rest(job: SuppressionImport, *, until: float | None) -> bool:
    """Whether the whole file has been read."""
    with open_text(locate_file(job.path), encoding=job.encoding) as source:
        rows = read_rows(source.text, delimiter=job.delimiter)
        skipped = job.position + (1 if job.has_header else 0)
        next(islice(rows, skipped, skipped), None)
        while chunk := list(islice(rows, _CHUNK)):
            _store(job, chunk, bytes_read=source.tell())
            if until is not None and time.monotonic() >= until:
                return False
    job.state = ImportState.DONE
    return True


def _store(job: SuppressionImport, chunk: Sequence[Row], *, bytes_read: int) -> None:
    """The addresses of some rows and the counters of the job, together or not at all."""
    entries: dict[str, Entry] = {}
    errors: list[tuple[int, str]] = []
    for row in chunk:
        try:
            entry = _read_entry(job, row)
        except AddressError as error:
            errors.append((row.line, error.safe_text))
        else:
            entries.setdefault(entry.address_key, entry)
    with transaction.atomic():
        before = Suppression.objects.filter(account=job.account, scope=job.scope, list=job.list_id)
        known = set(before.filter(address_key__in=entries).values_list("address_key", flat=True))
        suppress_many(
            job.account_id, entries=[entry for key, entry in entries.items() if key not in known], by=job.created_by
        )
        job.position += len(chunk)
        job.rejected += len(errors)
        job.added += len(entries) - len(known)
        job.known = job.position - job.added - job.rejected
        job.errors = [*job.errors, *errors][:MOST_ERRORS]
        job.bytes_read, job.lease_until = min(bytes_read, job.size), timezone.now() + LEASE
        job.save(update_fields=["position", "rejected", "added", "known", "errors", "bytes_read", "lease_until"])


def _read_entry(job: SuppressionImport, row: Row) -> Entry:
    if row.fault:
        raise AddressError(row.fault, "The row cannot be read.")
    address = addresses.parse(row.cells[job.column].strip() if job.column < len(row.cells) else "")
    key = tokens.address_key(address, account=job.account.public_id)
    return Entry(key, job.scope, job.reason, job.list_id, job.note, address=address.normalized)
