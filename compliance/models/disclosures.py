"""Disclosures: to whom protected data went, for the accounting a person may ask for (45 CFR 164.528)."""

from __future__ import annotations

from django.db import models


class Disclosure(models.Model):
    """One message with protected data that was handed over. It points at nothing and outlives what it tells about.

    The recipient is their blind index; `categories` are kinds of data, never data. `tls_…` and `peer_host` say how it
    travelled to the next server: version and cipher, the SHA-256 of the certificate that was verified, and for which name.
    """

    owner = models.CharField(max_length=36)
    address_key = models.CharField(max_length=43)
    message = models.UUIDField(unique=True)
    approval = models.UUIDField(null=True)
    at = models.DateTimeField()
    purpose = models.CharField(max_length=20)
    legal_basis = models.CharField(max_length=20)
    categories = models.JSONField(default=list)
    tls_version = models.CharField(max_length=10, blank=True, default="")
    tls_cipher = models.CharField(max_length=60, blank=True, default="")
    tls_fingerprint = models.CharField(max_length=64, blank=True, default="")
    peer_host = models.CharField(max_length=255, blank=True, default="")

    class Meta:
        ordering = ["at", "id"]
        indexes = [models.Index(fields=["owner", "address_key", "at"], name="disclosure_person")]

    def __str__(self) -> str:
        return f"Disclosure of {str(self.message)[:8]}"
