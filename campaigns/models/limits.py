"""What was let through lately: the shared counters behind sending limits."""

from __future__ import annotations

from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.transports import Transport


class DomainLimit(models.Model):
    """How fast an account writes to one recipient domain; `domain` is its A-label form, a subdomain has its own."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="domain_limits")
    domain = models.CharField(max_length=253)
    max_per_second = models.FloatField("messages per second")

    class Meta:
        ordering = ["domain"]
        constraints = [models.UniqueConstraint(fields=["account", "domain"], name="domain_limit_once")]

    def __str__(self) -> str:
        return self.domain


class SlowDomain(models.Model):
    """A recipient domain that asked for less mail of one way out: how much may leave once the pause is over.

    `since` is when it asked last; what it means by now is reckoned in `outbox.slowing`.
    """

    transport = models.ForeignKey(Transport, on_delete=models.CASCADE, related_name="slow_domains", db_index=False)
    domain = models.CharField(max_length=253)
    per_second = models.FloatField()
    since = models.DateTimeField()
    paused_until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["transport", "domain"], name="slow_domain_once")]

    def __str__(self) -> str:
        return self.domain


class TokenBucket(models.Model):
    """A token bucket shared by all workers: `tokens` as they were at `filled_at`.

    `promised_until` is the last of the later moments given to messages that found it empty.
    """

    key = models.CharField(max_length=320, unique=True)
    tokens = models.FloatField()
    filled_at = models.DateTimeField()
    promised_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.key


class DayCount(models.Model):
    """How many messages a key let through on one day."""

    key = models.CharField(max_length=80)
    day = models.DateField()
    used = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "day"], name="day_count_once")]

    def __str__(self) -> str:
        return f"{self.key} on {self.day}"
