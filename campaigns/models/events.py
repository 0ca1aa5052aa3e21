"""Events: what happened to a message, append-only."""

from __future__ import annotations

from django.db import models

from campaigns.models.messages import Message


class EventKind(models.TextChoices):
    SENT = "sent", "Handed over"
    DELIVERED = "delivered", "Delivered"
    DEFERRED = "deferred", "Deferred"
    BOUNCED = "bounced", "Bounced"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"
    EXPIRED = "expired", "Expired"
    COMPLAINED = "complained", "Complained"
    OPENED = "opened", "Opened"
    CLICKED = "clicked", "Clicked"
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
    REPLIED = "replied", "Answered"


class Event(models.Model):
    """One thing that happened; `code` is a stable error or reply code, `is_machine` null where nobody can tell.

    Of an open or click: `link` is the number of the link, `device` and `system` the kind of device (tracking.agents),
    and `code` says what gave a machine away. No address of a network and no name of a browser is kept.

    `news_id` is the fingerprint of what a provider told, so that being told twice is one event; null for our own.
    """

    # Events are made from message rows in the same statement; the database looking each of them up once more would
    # cost as much as writing them.
    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="events", db_constraint=False)
    kind = models.CharField(max_length=12, choices=EventKind)
    at = models.DateTimeField()
    code = models.CharField(max_length=60, blank=True, default="")
    is_machine = models.BooleanField(null=True)
    link = models.PositiveSmallIntegerField(null=True)
    device = models.PositiveSmallIntegerField(null=True)
    system = models.PositiveSmallIntegerField(null=True)
    news_id = models.UUIDField(null=True, editable=False)

    class Meta:
        ordering = ["message", "at", "id"]
        # Partial: our own events, the many, cost nothing more.
        constraints = [
            models.UniqueConstraint(
                fields=["news_id"], condition=models.Q(news_id__isnull=False), name="event_news_once"
            )
        ]
        indexes = [
            # Few among very many, and every running campaign is judged by them.
            models.Index(fields=["at"], name="event_complaints", condition=models.Q(kind=EventKind.COMPLAINED)),
            # Who left, who complained and who answered are counted for each campaign page.
            models.Index(
                fields=["message", "kind"],
                name="event_goodbyes",
                condition=models.Q(kind__in=[EventKind.COMPLAINED, EventKind.UNSUBSCRIBED, EventKind.REPLIED]),
            ),
            # Hits of the last minutes are judged again.
            models.Index(
                fields=["at"], name="event_hits", condition=models.Q(kind__in=[EventKind.OPENED, EventKind.CLICKED])
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"
