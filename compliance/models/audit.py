"""The audit trail: one chain for each account, and one for the installation. Rows are written once and never changed."""

from __future__ import annotations

from django.db import models


class AuditChain(models.Model):
    """The end of a chain; whoever writes the next event holds its row."""

    owner = models.CharField(max_length=36, primary_key=True)
    seq = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True, default="")

    def __str__(self) -> str:
        return f"Audit chain {self.owner[:8] or 'of the installation'}"


class AuditEvent(models.Model):
    """Something an auditor may ask about. It points at nothing: kinds, ids and labels are values.

    `digest` is SHA-256 over the event and the digest before it, which anybody can follow; `mac` is a code over the
    digest that only the installation can make.
    """

    owner = models.CharField(max_length=36, blank=True)
    seq = models.BigIntegerField()
    at = models.DateTimeField()
    action = models.CharField(max_length=60)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=64)
    actor_label = models.CharField(max_length=80, blank=True)
    thing_kind = models.CharField(max_length=40)
    thing_id = models.CharField(max_length=64)
    thing_label = models.CharField(max_length=80, blank=True)
    data = models.JSONField(default=dict)
    prev = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    mac = models.CharField(max_length=64)

    class Meta:
        ordering = ["owner", "seq"]
        constraints = [models.UniqueConstraint(fields=["owner", "seq"], name="audit_event_once")]
        indexes = [models.Index(fields=["owner", "thing_kind", "thing_id"], name="audit_event_thing")]

    def __str__(self) -> str:
        return f"{self.action} {self.seq}"


class AuditCheckpoint(models.Model):
    """How far a chain had come at a moment, signed; a copy lies outside of the database.

    `prev` is the signature of the chain's checkpoint before.
    """

    owner = models.CharField(max_length=36, blank=True)
    seq = models.BigIntegerField()
    digest = models.CharField(max_length=64)
    at = models.DateTimeField()
    prev = models.CharField(max_length=128, blank=True)
    signature = models.CharField(max_length=128)

    class Meta:
        ordering = ["owner", "seq"]
        constraints = [models.UniqueConstraint(fields=["owner", "seq"], name="audit_checkpoint_once")]

    def __str__(self) -> str:
        return f"Checkpoint at {self.seq}"
