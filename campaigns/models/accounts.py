"""Accounts (tenants) and the people who work in them."""

from __future__ import annotations

import zoneinfo
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from campaigns.models.base import Public, Stamped
from campaigns.models.levels import TrackingLevel


class BaaStatus(models.TextChoices):
    """State of the Business Associate Agreement (45 CFR 164.504(e)); any but `none` is treated as under HIPAA."""

    NONE = "none", "None"
    PENDING = "pending", "Pending"
    ACTIVE = "active", "Active"
    SUSPENDED = "suspended", "Suspended"
    ENDED = "ended", "Ended"


def validate_time_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError("Choose a time zone such as Europe/Vilnius.")


class Language(models.TextChoices):
    """Languages of the pages readers see."""

    ENGLISH = "en", "English"
    GERMAN = "de", "Deutsch"
    SPANISH = "es", "Español"
    FRENCH = "fr", "Français"
    LITHUANIAN = "lt", "Lietuvių"


validate_color = RegexValidator(r"#[0-9a-fA-F]{6}", "Write a colour such as #155e5a.")


class Account(Public, Stamped):
    """One organisation; everything else belongs to exactly one account."""

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    postal_address = models.TextField(
        blank=True, help_text="Shown in marketing mail; the law asks for a valid physical postal address."
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    baa_status = models.CharField(
        "BAA status",
        max_length=10,
        choices=BaaStatus,
        default=BaaStatus.NONE,
        help_text="Business Associate Agreement. An account with one may not use ordinary broadcasts.",
    )

    max_per_second = models.FloatField("messages per second", null=True, blank=True, help_text="Empty: no limit.")
    max_requests_per_second = models.FloatField(
        "API requests per second", null=True, blank=True, help_text="All keys together. Empty: no limit."
    )
    stop_at_bounce_percent = models.FloatField(
        default=5.0, help_text="A campaign pauses itself when more of its mail than this does not arrive."
    )
    # Gmail: stay under 0.10 %, never reach 0.30 % (MP-05).
    stop_at_complaint_percent = models.FloatField(
        default=0.3, help_text="A campaign pauses itself when more of its readers than this call it spam."
    )
    soft_bounces_to_stop = models.PositiveSmallIntegerField(
        default=5, help_text="After so many mails in a row came back from an address, it gets no more. 0: never."
    )
    soft_bounce_days = models.PositiveSmallIntegerField(
        default=15, help_text="The first and the last of them are at least so many days apart."
    )

    # What readers see on our pages.
    language = models.CharField(max_length=2, choices=Language, default=Language.ENGLISH)
    brand_color = models.CharField("colour", max_length=7, blank=True, default="", validators=[validate_color])
    logo = models.BinaryField(null=True, editable=False)
    logo_type = models.CharField(max_length=20, blank=True, default="", editable=False)
    unsubscribe_text = models.CharField(
        "words on the unsubscribe page",
        max_length=500,
        blank=True,
        default="",
        help_text="May hold {{ names }} that a request gives as landing page placeholders.",
    )
    browser_view_days = models.PositiveSmallIntegerField(
        "days a mail can be read in the browser",
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="As long as the link {{ browser_url }} of a mail works.",
    )
    has_public_archive = models.BooleanField(
        "public archive", default=False, help_text="A page and a feed with the campaigns that are chosen for it."
    )
    # Copies of mails that left; never under an agreement (storage.terms).
    active_storage_days = models.PositiveSmallIntegerField(
        "days in active storage", default=0, validators=[MaxValueValidator(365)], help_text="0: not at all."
    )
    archive_storage_days = models.PositiveIntegerField(
        "days in the archive", default=0, validators=[MaxValueValidator(36525)], help_text="0: not at all."
    )
    storage_limit_mb = models.PositiveIntegerField(
        "megabytes of storage", null=True, blank=True, help_text="Nothing more is kept beyond. Empty: no limit."
    )
    # The most that any mail of the account does; domain, campaign, list and reader can only lower it (LA-04).
    tracking = models.PositiveSmallIntegerField(
        "opens and clicks", choices=TrackingLevel, default=TrackingLevel.AGGREGATE
    )
    tracking_transactional = models.PositiveSmallIntegerField(
        "opens and clicks of transactional mail", choices=TrackingLevel, default=TrackingLevel.OFF
    )
    tracking_needs_consent = models.BooleanField("only people who agreed", default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a member may do; the admin screens read this table of rights from the accounts room."""

    AUTHOR = "author", "Author"
    APPROVER = "approver", "Approver"
    COMPLIANCE = "compliance", "Compliance officer"
    OPERATOR = "operator", "Operator"
    AUDITOR = "auditor", "Auditor"
    VIEWER = "viewer", "Viewer"


class _Standing(models.Manager["Membership"]):
    """Roles that have not ended."""

    def get_queryset(self) -> models.QuerySet[Membership]:
        return super().get_queryset().filter(models.Q(ends_at=None) | models.Q(ends_at__gt=timezone.now()))


class Membership(Stamped):
    """A person's role in an account; one with an end is emergency access, and from then on is not there any more."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role, default=Role.AUTHOR)
    ends_at = models.DateTimeField(null=True, editable=False)

    objects = _Standing()
    everything: ClassVar[models.Manager[Membership]] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "account", "role"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.get_role_display()} in {self.account}"
