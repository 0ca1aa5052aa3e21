"""One table of readers and what became of their mail."""

from __future__ import annotations

from django.db import models


class Reader(models.Model):
    """A recipient with its values, and the state of its mail."""

    email = models.EmailField()
    values = models.JSONField()
    state = models.CharField(max_length=10, default="queued", db_index=True)
    sent_at = models.DateTimeField(null=True)

    objects: models.Manager[Reader] = models.Manager()

    class Meta:
        app_label = "peers"

    def __str__(self) -> str:
        return f"Reader {self.pk}"
