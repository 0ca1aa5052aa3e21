"""What tables share."""

from __future__ import annotations

import uuid

from django.db import models


class Public(models.Model):
    """A row people and programs outside may name: by its public id, never by its primary key."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)

    class Meta:
        abstract = True


class Stamped(models.Model):
    """A row that knows when it was made."""

    created_at = models.DateTimeField(auto_now_add=True, editable=False)

    class Meta:
        abstract = True
