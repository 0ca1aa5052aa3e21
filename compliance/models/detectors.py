"""What people said about the detectors' hits: that an exact text is no protected information."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class DetectorHit(models.Model):
    """A rule found a text, by its keyed digest, in one send (`send` is '' for mail of programs), and when it did first.

    Kept to see how often a rule is right; what people answered stands in DetectorException.
    """

    account = models.ForeignKey("campaigns.Account", on_delete=models.CASCADE, related_name="+")
    send = models.CharField(max_length=36, blank=True, default="")
    rule = models.CharField(max_length=60)
    digest = models.CharField(max_length=64)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "send", "rule", "digest"], name="detector_hit_once")]
        indexes = [models.Index(fields=["account", "seen_at"], name="detector_hit_seen")]

    def __str__(self) -> str:
        return f"Hit of {self.rule}"


class DetectorException(models.Model):
    """One exact text, by its keyed digest, that a rule lets pass: in one send, or in all of the account when `send` is ''.

    Another text, or the same one after editing, is asked about anew.
    """

    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    send = models.CharField(max_length=36, blank=True, default="")
    rule = models.CharField(max_length=60)
    digest = models.CharField(max_length=64)
    reason = models.CharField(max_length=40)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account", "rule", "digest"], name="detector_exception_text")]

    def __str__(self) -> str:
        return f"Exception of {self.rule}"
