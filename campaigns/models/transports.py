"""Ways out, and the mailbox of the sandbox."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped


class Transport(Public, Stamped):
    """A configured way out of an account; `config_sealed` holds its settings as sealed JSON (credentials included)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="transports")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=20, help_text="A name from the delivery registry.")
    config_sealed = models.BinaryField(default=bytes, editable=False)
    is_default = models.BooleanField(default=False)
    # Taken out of the API's hands there: in no pool, and not listed, until it is taken in again.
    is_pooled = models.BooleanField(default=True, editable=False)
    max_per_second = models.FloatField("messages per second", null=True, blank=True, help_text="Empty: no limit.")
    # The circuit breaker: after too many failures in a row nothing leaves this way until the time given here.
    failures = models.PositiveIntegerField(default=0, editable=False)
    broken_until = models.DateTimeField(null=True, editable=False)
    broken_because = models.CharField(max_length=200, blank=True, default="", editable=False)
    # Mails of API requests leave in one stream: a worker promises to look for new ones until `streaming_until`, and a bell
    # that was rung at `rung_at` is still unheard unless that is empty.
    streaming_until = models.DateTimeField(null=True, editable=False)
    rung_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["account", "name"], name="transport_name_once"),
            models.UniqueConstraint(fields=["account"], condition=Q(is_default=True), name="transport_one_default"),
        ]

    def __str__(self) -> str:
        return self.name


class SandboxMail(Public):
    """A mail the sandbox kept instead of sending; `raw` is its wire form, deflated."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="sandbox_mails")
    message_id = models.UUIDField(db_index=True, help_text="Public id of the message; the row may be gone.")
    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    raw = models.BinaryField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["account", "-id"], name="sandbox_newest")]

    def __str__(self) -> str:
        return f"Sandbox mail {str(self.public_id)[:8]}"
