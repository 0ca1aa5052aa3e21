"""Data keys, wrapped. They stand here, below the other tables, because the vault itself reads and writes them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class DataKey(models.Model):
    """A random key, wrapped by the root key `kid`; a destroyed one stays as a row without a key.

    `owner` is an account's public id as text, or empty: a value, so that the proof of a shredding outlives the account.
    """

    # Random, never counted: a number that comes back after a restore would name two keys.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.CharField(max_length=36, blank=True, default="")
    scope = models.CharField(max_length=80, blank=True, default="")
    expires_on = models.DateField(null=True)
    kid = models.CharField(max_length=200)
    wrapped = models.BinaryField(null=True)
    # Tells after a rewrap that it is still the same key; 64 bits of a hash of 256 random bits say nothing about them.
    fingerprint = models.CharField(max_length=16)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    destroyed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "scope"], condition=Q(is_active=True), name="data_key_one_active"),
            models.CheckConstraint(
                condition=Q(destroyed_at__isnull=True, wrapped__isnull=False)
                | Q(destroyed_at__isnull=False, wrapped__isnull=True, is_active=False),
                name="data_key_gone_or_there",
            ),
        ]
        indexes = [
            models.Index(fields=["expires_on"], name="data_key_expiry", condition=Q(destroyed_at__isnull=True)),
            models.Index(fields=["kid"], name="data_key_root", condition=Q(destroyed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"Data key {str(self.pk)[:8]}"
