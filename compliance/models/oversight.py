"""Watching over it: weekly reviews, emergency access, incidents. Codes, ids and counts; what people write is sealed."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class ActivityReview(models.Model):
    """The activity of one account in one week, in numbers, and who looked at it (45 CFR 164.308(a)(1)(ii)(D)).

    `figures` counts events by action; `people` counts those that ask for attention by person, as {action: {person: n}}.
    """

    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    # A Monday, in UTC.
    week = models.DateField()
    figures = models.JSONField(default=dict)
    people = models.JSONField(default=dict)
    made_at = models.DateTimeField()
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    signed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-week"]
        constraints = [models.UniqueConstraint(fields=["account", "week"], name="activity_review_once")]
        indexes = [models.Index(fields=["account", "week"], name="activity_review_open", condition=Q(signed_at=None))]

    def __str__(self) -> str:
        return f"Review of the week of {self.week}"


class EmergencyAccess(models.Model):
    """Somebody took the compliance officer's place for two hours (164.312(a)(2)(ii)); another officer reviews it."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason_sealed = models.BinaryField()
    opened_at = models.DateTimeField()
    until = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    reviewed_at = models.DateTimeField(null=True)
    was_right = models.BooleanField(null=True)

    class Meta:
        ordering = ["-opened_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=models.F("person")), name="emergency_reviewed_by_another"
            )
        ]

    def __str__(self) -> str:
        return f"Emergency access {str(self.public_id)[:8]}"


class SelfCheck(models.Model):
    """What the installation found out about its own safeguards (164.308(a)(8)): a row of `controls` for each, as
    {id, title, citation, ok, why}."""

    at = models.DateTimeField()
    controls = models.JSONField(default=list)
    passed = models.PositiveIntegerField()
    failing = models.PositiveIntegerField()

    class Meta:
        ordering = ["-at"]
        indexes = [models.Index(fields=["at"], name="self_check_at")]

    def __str__(self) -> str:
        return f"Self-check of {self.at:%-d %b %Y}"


class Incident(models.Model):
    """Something may have gone wrong: what is known, how it was judged, and the clock (164.400–414).

    `sends` are public ids of submissions, `affected` counts by state of their messages; nobody is named.
    """

    class Kind(models.TextChoices):
        RECIPIENTS = "wrong-recipients", "Mail went to the wrong people"
        CONTENT = "wrong-content", "Mail carried the wrong content"
        ACCESS = "access", "Somebody saw what they must not see"
        LOSS = "loss", "A device, a copy or a key was lost"
        OTHER = "other", "Something else"

    class Decision(models.TextChoices):
        BREACH = "breach", "It is a breach"
        LOW = "low-probability", "There is a low probability that anything was compromised"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=20, choices=Kind)
    reference = models.CharField(max_length=60, blank=True, default="")
    sends = models.JSONField(default=list)
    affected = models.JSONField(default=dict)
    people = models.PositiveBigIntegerField(default=0)
    discovered_at = models.DateTimeField()
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    # The four factors of 164.402(2): each low, medium or high.
    factors = models.JSONField(default=dict)
    decision = models.CharField(max_length=16, choices=Decision, blank=True, default="")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    people_told_on = models.DateField(null=True)
    authority_told_on = models.DateField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-discovered_at"]

    def __str__(self) -> str:
        return f"Incident {str(self.public_id)[:8]}"
