"""Certificates of what was shredded."""

from __future__ import annotations

import uuid

from django.db import models


class ShredCertificate(models.Model):
    """Data keys of one owner and scope were destroyed: what they sealed is noise from then on, in every copy.

    `signature` is the installation's over everything else here; `keys` are the ids of the destroyed keys, `kids` those of
    the root keys that had wrapped them.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.CharField(max_length=36, blank=True)
    scope = models.CharField(max_length=80, blank=True)
    keys = models.JSONField()
    kids = models.JSONField()
    reason = models.CharField(max_length=40)
    actor_kind = models.CharField(max_length=20)
    actor_id = models.CharField(max_length=64)
    at = models.DateTimeField()
    signature = models.CharField(max_length=128)

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["owner", "scope"], name="shred_certificate_scope")]

    def __str__(self) -> str:
        return f"Shred certificate {str(self.public_id)[:8]}"
