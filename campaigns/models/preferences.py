"""What readers chose for themselves, and why some left."""

from __future__ import annotations

from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.base import Stamped
from campaigns.models.submissions import Submission


class Frequency(models.IntegerChoices):
    """The days that pass at least between two marketing mails."""

    EVERY = 0, "Every mail"
    WEEKLY = 7, "At most one mail a week"
    MONTHLY = 30, "At most one mail a month"


class Preference(models.Model):
    """How often a person wants marketing mail; kept by the address key, so it outlives the contact.

    Nothing leaves before `next_marketing_at`, except more of the mail of `last_submission` that set it: a second attempt.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="preferences", db_index=False)
    address_key = models.CharField(max_length=43)
    frequency = models.PositiveSmallIntegerField(choices=Frequency, default=Frequency.EVERY)
    next_marketing_at = models.DateTimeField(null=True)
    last_submission = models.BigIntegerField(null=True)
    changed_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "address_key"], name="preference_once")]

    def __str__(self) -> str:
        return self.get_frequency_display()


class LeavingReason(models.TextChoices):
    TOO_MANY = "too-many", "Too many mails"
    NOT_FOR_ME = "not-for-me", "Not interesting for me"
    NEVER_ASKED = "never-asked", "I never asked for them"
    OTHER = "other", "Another reason"


class Goodbye(Stamped):
    """Why somebody left, if they said so; nothing says who."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="goodbyes")
    submission = models.ForeignKey(Submission, null=True, on_delete=models.SET_NULL, related_name="+")
    reason = models.CharField(max_length=12, choices=LeavingReason)

    def __str__(self) -> str:
        return self.get_reason_display()
