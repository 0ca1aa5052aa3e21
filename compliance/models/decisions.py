"""Decisions of the gate, kept as proof."""

from __future__ import annotations

from django.db import models


class Decision(models.Model):
    """What the gate decided for one set of facts of a submission, and for how many recipients."""

    submission = models.ForeignKey("campaigns.Submission", on_delete=models.CASCADE, related_name="+")
    feature = models.CharField(max_length=60)
    allowed = models.BooleanField()
    facts_digest = models.CharField(max_length=64)
    findings = models.JSONField(default=list)
    recipients = models.BigIntegerField(default=0)
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission", "feature", "facts_digest"], name="decision_once_per_facts")
        ]

    def __str__(self) -> str:
        return f"{'Allowed' if self.allowed else 'Blocked'} {self.feature}"
