"""Campaigns: what a marketer plans."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.audiences import ContactList
from campaigns.models.base import Public, Stamped
from campaigns.models.domains import Sender
from campaigns.models.landing import LandingPage
from campaigns.models.levels import TrackingLevel
from campaigns.models.templates import TemplateVersion
from campaigns.models.transports import Transport


class CampaignKind(models.TextChoices):
    BROADCAST = "broadcast", "Broadcast"
    HIPAA = "hipaa", "HIPAA send"


class Purpose(models.TextChoices):
    """What the mail is for; marketing needs an unsubscribe link and a postal address, transactional does not."""

    MARKETING = "marketing", "Marketing"
    TRANSACTIONAL = "transactional", "Transactional"


class CampaignState(models.TextChoices):
    DRAFT = "draft", "Draft"
    SCHEDULED = "scheduled", "Scheduled"
    SENDING = "sending", "Sending"
    PAUSED = "paused", "Paused"
    SENT = "sent", "Sent"
    CANCELLED = "cancelled", "Cancelled"


class WindowZone(models.TextChoices):
    """Whose clock the send window of a campaign goes by; a recipient without a time zone has the account's."""

    ACCOUNT = "account", "Ours"
    RECIPIENT = "recipient", "The reader's"


class PixelPosition(models.TextChoices):
    TOP = "top", "At the top"
    BOTTOM = "bottom", "At the bottom"


class Campaign(Public, Stamped):
    """A mail to lists; sending it makes one submission. `content` is pinned: a later template version changes nothing here."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="campaigns")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=9, choices=CampaignKind, default=CampaignKind.BROADCAST)
    purpose = models.CharField(max_length=13, choices=Purpose, default=Purpose.MARKETING)
    content = models.ForeignKey(
        TemplateVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="campaigns"
    )
    sender = models.ForeignKey(Sender, null=True, blank=True, on_delete=models.PROTECT, related_name="campaigns")
    transport = models.ForeignKey(
        Transport,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="campaigns",
        help_text="Empty: the account's default.",
    )
    lists = models.ManyToManyField(ContactList, related_name="campaigns", blank=True)
    excluded_lists = models.ManyToManyField(ContactList, related_name="excluded_from", blank=True)
    max_per_hour = models.PositiveIntegerField("messages per hour", null=True, blank=True, help_text="Empty: no limit.")
    window_start = models.TimeField("not before", null=True, blank=True)
    window_end = models.TimeField("not after", null=True, blank=True)
    window_zone = models.CharField(max_length=9, choices=WindowZone, default=WindowZone.ACCOUNT)
    hold_uncertain = models.BooleanField(
        "ask before repeating",
        default=False,
        help_text="When a mail may or may not have left, wait for a person instead of sending it again.",
    )
    tracking = models.PositiveSmallIntegerField(choices=TrackingLevel, null=True, blank=True)
    track_opens = models.BooleanField(default=True)
    track_clicks = models.BooleanField(default=True)
    pixel_position = models.CharField(max_length=6, choices=PixelPosition, default=PixelPosition.TOP)
    utm_source = models.CharField(max_length=100, blank=True, default="")
    utm_medium = models.CharField(max_length=100, blank=True, default="")
    utm_campaign = models.CharField(max_length=100, blank=True, default="")
    utm_content = models.CharField(max_length=100, blank=True, default="")
    landing_page = models.ForeignKey(
        LandingPage,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="campaigns",
        help_text="What its unsubscribe link opens; empty: the usual page.",
    )
    in_archive = models.BooleanField(
        "in the public archive", default=False, help_text="Once it is sent, everybody can read it without names."
    )
    state = models.CharField(max_length=9, choices=CampaignState, default=CampaignState.DRAFT, editable=False)
    send_at = models.DateTimeField(null=True, blank=True, editable=False)
    stopped_because = models.CharField(max_length=200, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["-created_at"]
        indexes = [
            models.Index(
                fields=["send_at"], name="campaign_schedule_sweep", condition=models.Q(state=CampaignState.SCHEDULED)
            )
        ]

    def __str__(self) -> str:
        return self.name
