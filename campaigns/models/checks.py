"""Checks of addresses: many at once, and what was found about each."""

from __future__ import annotations

from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped


class AddressCheckRun(Public, Stamped):
    """One request to check addresses; `name` is what its caller calls it, or its public id.

    `destinations_sealed` holds the texts until all are checked; `position` is how many are, so that a stopped run goes on
    after them.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="address_check_runs")
    name = models.CharField(max_length=200)
    destinations_sealed = models.BinaryField()
    total = models.PositiveIntegerField()
    position = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "check of addresses"
        verbose_name_plural = "checks of addresses"

    def __str__(self) -> str:
        return f"Check {str(self.public_id)[:8]}"


class MailboxVerdict(models.TextChoices):
    """Whether mail to it arrives, in the words of Infobip's wire."""

    FALSE = "false", "No"
    UNKNOWN = "unknown", "Nobody knows"


class AddressRisk(models.TextChoices):
    """What writing to it may cost, in the words of Infobip's wire."""

    LOW = "LOW", "Low"
    MEDIUM = "MEDIUM", "Medium"
    HIGH = "HIGH", "High"
    UNKNOWN = "UNKNOWN", "Unknown"


class AddressCheck(models.Model):
    """What was found about one address of a run; `number` is its place in it.

    The text is sealed, since it has to be given back; `address_key` is its blind index. `suggestion` is the domain that
    was probably meant.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+", db_index=False)
    run = models.ForeignKey(AddressCheckRun, on_delete=models.CASCADE, related_name="checks", db_index=False)
    number = models.PositiveIntegerField()
    address_key = models.CharField(max_length=43)
    address_sealed = models.BinaryField()
    mailbox = models.CharField(max_length=7, choices=MailboxVerdict)
    has_valid_syntax = models.BooleanField()
    is_disposable = models.BooleanField()
    is_role = models.BooleanField()
    risk = models.CharField(max_length=7, choices=AddressRisk)
    reason = models.CharField(max_length=20, blank=True, default="")
    details = models.CharField(max_length=60, blank=True, default="")
    suggestion = models.CharField(max_length=253, blank=True, default="")
    checked_at = models.DateTimeField()

    class Meta:
        verbose_name = "checked address"
        verbose_name_plural = "checked addresses"
        constraints = [models.UniqueConstraint(fields=["run", "number"], name="address_check_once")]
        indexes = [
            models.Index(fields=["account", "id"], name="address_check_pages"),
            models.Index(fields=["account", "address_key"], name="address_check_lookup"),
            models.Index(fields=["checked_at"], name="address_check_age"),
        ]

    def __str__(self) -> str:
        return f"Checked address {self.number} of {self.run_id}"
