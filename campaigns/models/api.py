"""The Email API: keys of programs, what repeated requests are recognised by, and files uploaded for later mails."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped
from campaigns.models.campaigns import Purpose
from campaigns.models.submissions import Lane


class ApiKey(Public, Stamped):
    """A program's key to one account; the secret itself is shown once and never stored.

    A key reads `<prefix>-<secret>`: the prefix finds the row, `secret_hash` is the SHA-256 of the secret in hex (a secret
    of 122 random bits needs no slow hash). `networks` are CIDR texts, empty for any address. `scopes` are Infobip's.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=32, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    lane = models.CharField(max_length=8, choices=Lane, default=Lane.STANDARD)
    purpose = models.CharField(
        max_length=13,
        choices=Purpose,
        default=Purpose.TRANSACTIONAL,
        help_text="What mail sent with this key is for. Marketing needs an unsubscribe link and a postal address.",
    )
    networks = models.JSONField(default=list, blank=True)
    max_per_second = models.FloatField("requests per second", null=True, blank=True, help_text="Empty: no limit.")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix[:6]}…)"

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now


class RequestKey(Stamped):
    """What a repeated request is recognised by, and the answer the first one got, sealed.

    `key` is the keyed digest of what the caller gave: an Idempotency-Key, a bulkId or a messageId.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=43)
    body_digest = models.CharField(max_length=64)
    answer_sealed = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="request_key_once")]
        indexes = [models.Index(fields=["created_at"], name="request_key_age")]

    def __str__(self) -> str:
        return f"Request key {self.key[:8]}"


class UploadedContent(Public, Stamped):
    """A file uploaded once for the mails of some days (`POST /email/1/content`); `data_sealed` is its content."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="uploaded_contents")
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=127)
    size = models.PositiveIntegerField()
    data_sealed = models.BinaryField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"Content {str(self.public_id)[:8]}"


class Trial(Public, Stamped):
    """A request made from the test console, kept sealed for two days: what was sent, and what came back."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="trials", db_index=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    path = models.CharField(max_length=60)
    status = models.PositiveSmallIntegerField()
    exchange_sealed = models.BinaryField()

    class Meta:
        indexes = [
            models.Index(fields=["account", "-id"], name="trial_newest"),
            models.Index(fields=["created_at"], name="trial_age"),
        ]

    def __str__(self) -> str:
        return f"Trial {str(self.public_id)[:8]}"
