"""Running an import: chunk by chunk, each with its counters in one transaction, safe to kill at any moment."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice

from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from campaigns.audiences.columns import EMAIL, label_columns
from campaigns.audiences.files import Source, locate_file, open_text, remove_file
from campaigns.audiences.merging import merge_people
from campaigns.audiences.records import Chunk, RecordReader
from campaigns.audiences.rows import Row, read_rows
from campaigns.errors import CampaignError, NotFound
from campaigns.models import ImportJob, ImportRowError, ImportState

log = logging.getLogger(__name__)

OnProgress = Callable[[ImportJob], None]

# Longer than any chunk takes; after it another worker may take the job over.
LEASE = timedelta(seconds=60)
# SQLite has one writer: others get their turn in the time between two of our transactions.
BREATH = 0.02
_SKIP_AT_ONCE = 100_000
_FORGET_AT_ONCE = 10_000
_OPEN_STATES = (ImportState.WAITING, ImportState.QUEUED, ImportState.RUNNING)


class _LeaseLost(Exception):
    """Another worker has taken the job over: nothing of this chunk may stay."""


def run_import(job_id: int, *, on_progress: OnProgress | None = None, budget_seconds: float | None = None) -> ImportJob:
    """Import what is left of the file, or as much as the budget allows, and return the job as it then stands.

    Safe to call at any time: a finished or failed job, or one in another worker's hands, is returned untouched;
    one whose worker died goes on after its last commit. Raises CampaignError when the file cannot be read
    (the job has failed) or the database is in the way (the job can go on later, or has failed when it refused a row).
    """
    job = _claim(job_id)
    if job is None:
        return ImportJob.objects.get(pk=job_id)
    with _settled(job):
        try:
            _import_rest(job, on_progress or _ignore, budget_seconds)
        except _LeaseLost:
            return ImportJob.objects.get(pk=job_id)
    if job.state == ImportState.DONE:
        remove_file(job.path)
    return job


def _ignore(_: ImportJob) -> None:
    """Nobody watches."""


def _claim(job_id: int) -> ImportJob | None:
    job = ImportJob.objects.select_related("account").filter(pk=job_id).first()
    if job is None:
        raise NotFound("import")
    if job.state in _OPEN_STATES and EMAIL not in job.mapping.values():
        raise CampaignError(
            "import.no-email-column",
            "It is not known which column holds the email address.",
            action=f"Say which one. The columns: {', '.join(job.mapping)}.",
        )
    now = timezone.now()
    claimed = (
        ImportJob.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), pk=job_id, state__in=_OPEN_STATES)
    ).update(state=ImportState.RUNNING, lease_until=now + LEASE, started_at=Coalesce(F("started_at"), now))
    if not claimed:
        return None
    job.refresh_from_db()
    return job


@contextmanager
def _settled(job: ImportJob) -> Iterator[None]:
    """However it ends, the job says so and its lease is free."""
    try:
        yield
    except CampaignError as error:
        _release(job, state=ImportState.FAILED, error_code=error.code)
        raise
    except DatabaseError as error:
        log.error("import %s: the database refused a chunk (%s)", job.public_id, type(error).__name__)  # noqa: TRY400
        # A lock or a lost connection passes, and the sweep takes the import up again; a refused row stays refused.
        passes = isinstance(error, (OperationalError, InterfaceError))
        _release(job, **({} if passes else {"state": ImportState.FAILED, "error_code": "import.database"}))
        # From None: the database's sentence quotes the row.
        raise CampaignError(
            "import.database", "The database refused part of the import.", action="Run the import again.", status=503
        ) from None
    except BaseException:
        _release(job)
        raise


def _release(job: ImportJob, **changes: str) -> None:
    held = ImportJob.objects.filter(pk=job.pk, lease_until=job.lease_until)
    try:
        held.update(lease_until=None, **changes)
    except DatabaseError:
        # The lease runs out by itself; what went wrong first is what the caller must hear.
        log.warning("import %s: the lease stays until it runs out", job.public_id)
        return
    job.lease_until = None
    for name, value in changes.items():
        setattr(job, name, value)


def _import_rest(job: ImportJob, on_progress: OnProgress, budget_seconds: float | None) -> None:
    ends = time.monotonic() + budget_seconds if budget_seconds is not None else None
    with open_text(locate_file(job.path), encoding=job.encoding) as source:
        rows = read_rows(source.text, delimiter=job.delimiter)
        labels = label_columns(next(rows).cells)
        reader = RecordReader(labels, mapping=job.mapping, account=job.account.public_id)
        _skip_done(job, rows)
        committed = 0.0
        while (chunk := reader.read_chunk(rows)).rows:
            _breathe(committed)
            _commit(job, chunk, source)
            committed = time.monotonic()
            on_progress(job)
            if ends is not None and committed > ends:
                _release(job)
                return
    _finish(job)


def _skip_done(job: ImportJob, rows: Iterator[Row]) -> None:
    """Read over the rows of earlier runs: their number is exact where a byte position could fall into a quote."""
    left = job.position
    while left > 0:
        skipped = sum(1 for _ in islice(rows, min(left, _SKIP_AT_ONCE)))
        if not skipped:
            return
        left -= skipped
        _renew_lease(job)


def _breathe(committed: float) -> None:
    """Keep the database free for others for BREATH since the last commit; reading the file mostly took longer."""
    if connection.vendor == "sqlite":
        time.sleep(max(0.0, committed + BREATH - time.monotonic()))


def _commit(job: ImportJob, chunk: Chunk, source: Source) -> None:
    now = timezone.now()
    held = ImportJob.objects.filter(
        pk=job.pk, state=ImportState.RUNNING, position=job.position, lease_until=job.lease_until
    )
    with transaction.atomic():
        if not held.select_for_update().exists():
            raise _LeaseLost
        merged = merge_people(job, list(chunk.people.values()), now=now)
        ImportRowError.objects.bulk_create(
            ImportRowError(job=job, line=line, code=code, reason=reason, value=value)
            for line, code, reason, value in chunk.rejections
        )
        changes = {
            "position": job.position + chunk.rows,
            "created": job.created + merged.created,
            "updated": job.updated + merged.updated,
            "duplicates": job.duplicates + merged.duplicates + chunk.repeats,
            "rejected": job.rejected + len(chunk.rejections),
            "kept_unsubscribed": job.kept_unsubscribed + merged.kept_unsubscribed,
            "bytes_read": source.tell(),
            "lease_until": now + LEASE,
        }
        held.update(**changes)
    for name, value in changes.items():
        setattr(job, name, value)


def _renew_lease(job: ImportJob) -> None:
    until = timezone.now() + LEASE
    if not ImportJob.objects.filter(pk=job.pk, lease_until=job.lease_until).update(lease_until=until):
        raise _LeaseLost
    job.lease_until = until


def _finish(job: ImportJob) -> None:
    while _forget_seen(job):
        _renew_lease(job)
        _breathe(time.monotonic())
    changes = {
        "state": ImportState.DONE,
        "bytes_read": job.size,
        "finished_at": timezone.now(),
        "lease_until": None,
    }
    if not ImportJob.objects.filter(pk=job.pk, lease_until=job.lease_until).update(**changes):
        raise _LeaseLost
    for name, value in changes.items():
        setattr(job, name, value)


def _forget_seen(job: ImportJob) -> int:
    """Delete a slice of the job's seen addresses: one statement for all would keep SQLite's only writer too long."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM campaigns_importseen WHERE job_id = %s AND address_key IN"
            " (SELECT address_key FROM campaigns_importseen WHERE job_id = %s ORDER BY address_key LIMIT %s)",
            [job.pk, job.pk, _FORGET_AT_ONCE],
        )
        return int(cursor.rowcount)
