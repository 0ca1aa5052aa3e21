"""Import jobs and what went wrong in them, row by row."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.audiences import ConsentKind, ContactList
from campaigns.models.base import Public, Stamped


class ImportState(models.TextChoices):
    WAITING = "waiting", "Waiting for the columns"
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"


class ImportJob(Public, Stamped):
    """One file going into one list.

    `path` is the stored file; `mapping` says {column header: "email" | attribute name | ""}; `position` is the
    last row committed, so a stopped job goes on after it. Every row read is counted exactly once:
    rows = created + updated + duplicates + rejected.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="import_jobs")
    list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="import_jobs")
    state = models.CharField(max_length=8, choices=ImportState, default=ImportState.WAITING)
    filename = models.CharField(max_length=255)
    path = models.CharField(max_length=500)
    encoding = models.CharField(max_length=20, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    mapping = models.JSONField(default=dict)
    consent_kind = models.CharField(max_length=8, choices=ConsentKind, default=ConsentKind.UNKNOWN)
    consent_source = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    position = models.BigIntegerField(default=0)
    created = models.BigIntegerField(default=0)
    updated = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    kept_unsubscribed = models.BigIntegerField(
        default=0, help_text="People in the file who stay unsubscribed or suppressed."
    )
    error_code = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"Import {str(self.public_id)[:8]} into {self.list}"


class ImportRowError(models.Model):
    """One rejected row: `line` is its first line in the file, counted from 1 with the header."""

    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="row_errors")
    line = models.BigIntegerField()
    code = models.CharField(max_length=60)
    reason = models.CharField(max_length=200)
    value = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["job", "line", "id"]
        constraints = [models.UniqueConstraint(fields=["job", "line"], name="row_error_once")]

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


class ImportSeen(models.Model):
    """An address a running import has already counted; how it knows repeats without keeping them in memory.

    The rows of a job go when it is done.
    """

    pk = models.CompositePrimaryKey("job", "address_key")
    job = models.ForeignKey(ImportJob, on_delete=models.CASCADE, related_name="seen", db_index=False)
    address_key = models.CharField(max_length=43)

    def __str__(self) -> str:
        return f"seen by {self.job_id}"
