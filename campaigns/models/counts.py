"""Messages of large submissions by state, counted where the states are written."""

from __future__ import annotations

from django.db import models

from campaigns.models.messages import MessageState
from campaigns.models.submissions import Submission


class StateCount(models.Model):
    """So many messages of a submission ended in a state; what waits is the rest of those planned.

    Each process writes into one of several stripes, so that they do not wait for each other; the sum counts.
    """

    # The unique constraint starts with it.
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="state_counts", db_index=False)
    state = models.CharField(max_length=9, choices=MessageState)
    stripe = models.PositiveSmallIntegerField()
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["submission", "state", "stripe"], name="state_count_once")]

    def __str__(self) -> str:
        return f"{self.state} {self.count}"
