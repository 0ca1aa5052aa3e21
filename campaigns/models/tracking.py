"""Opens and clicks: the links of a submission, what people chose about tracking, and the figures of hits."""

from __future__ import annotations

from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.events import EventKind
from campaigns.models.levels import TrackingLevel
from campaigns.models.submissions import Submission


class TrackedLink(models.Model):
    """One link of a submission's mails, by the number its web addresses carry; written once, never changed.

    `url` is what the redirect answers with, byte for byte. Where each reader's own values stand it holds markers
    (U+F0000 for the first value); the values travel sealed in the web address. `place` counts links with one `url`.
    """

    # The unique constraint starts with it.
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="tracked_links", db_index=False)
    number = models.PositiveSmallIntegerField()
    url = models.TextField()
    place = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["submission", "number"]
        constraints = [models.UniqueConstraint(fields=["submission", "number"], name="link_number_once")]

    def __str__(self) -> str:
        return f"Link {self.number}"


class TrackingChoice(models.Model):
    """What a person allows, by the blind index of their address, so that it outlives the contact (LA-04)."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="tracking_choices", db_index=False)
    address_key = models.CharField(max_length=43)
    level = models.PositiveSmallIntegerField(choices=TrackingLevel)
    changed_at = models.DateTimeField()
    source = models.CharField(max_length=200, blank=True, help_text="Where: the preference page, a form, a colleague.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "address_key"], name="tracking_choice_once")]

    def __str__(self) -> str:
        return f"Choice {self.pk}"


class Split(models.TextChoices):
    """By what hits are counted; `part` of a count is a value of it."""

    TOTAL = "total", "All"
    NAMELESS = "nameless", "Without knowing who"
    HOUR = "hour", "By hour"
    LINK = "link", "By link"
    DEVICE = "device", "By device"


class Verdict(models.IntegerChoices):
    """Who is behind a hit."""

    UNKNOWN = 0, "Unknown"
    HUMAN = 1, "People"
    MACHINE = 2, "Machines"


class HitCount(models.Model):
    """Opens or clicks of a submission, counted where they are written: `hits` events, `people` different messages.

    A message counts once in each part, under the best of its verdicts there: human, else unknown, else machine.
    """

    # The unique constraint starts with it.
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, related_name="hit_counts", db_index=False)
    split = models.CharField(max_length=8, choices=Split)
    part = models.CharField(max_length=20, blank=True, default="")
    kind = models.CharField(max_length=12, choices=EventKind)
    verdict = models.PositiveSmallIntegerField(choices=Verdict)
    hits = models.BigIntegerField(default=0)
    people = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submission", "split", "part", "kind", "verdict"], name="hit_count_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.split} {self.part}"


class Breakdown(models.Model):
    """Figures of a large submission that are too slow to count while somebody waits: by domain, by hour of sending."""

    submission = models.OneToOneField(Submission, on_delete=models.CASCADE, related_name="breakdown")
    made_at = models.DateTimeField()
    domains = models.JSONField(default=list)
    hours = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"Breakdown of {self.made_at:%Y-%m-%d %H:%M}"
