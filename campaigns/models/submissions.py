"""Submissions: accepted send requests."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped
from campaigns.models.campaigns import Campaign, Purpose
from campaigns.models.domains import Domain, Sender
from campaigns.models.templates import TemplateVersion
from campaigns.models.transports import Transport


class Door(models.TextChoices):
    """The way in."""

    CAMPAIGN = "campaign", "Campaign"
    TEST = "test", "Test send"
    HTTP = "http", "HTTP API"
    SMTP = "smtp", "SMTP API"
    NOTICE = "notice", "Notice to one person"
    FORWARD = "forward", "Forwarded mail"


# Doors through which programs hand in mails of their own content, one request at a time.
API_DOORS = (Door.HTTP, Door.SMTP)
# Doors whose mails bring their content along, sealed, and leave in streams.
LETTER_DOORS = (*API_DOORS, Door.NOTICE, Door.FORWARD)


class Lane(models.TextChoices):
    STANDARD = "standard", "Standard"
    HIPAA = "hipaa", "HIPAA"


class SubmissionState(models.TextChoices):
    """`planning` while recipients are still being written, `open` while messages may leave."""

    PLANNING = "planning", "Planning"
    OPEN = "open", "Open"
    PAUSED = "paused", "Paused"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"


class ReportLevel(models.IntegerChoices):
    """Which delivery reports a caller wants to be sent."""

    NONE = 0, "None"
    FINAL = 1, "Outcomes"
    ALL = 2, "Outcomes and what comes before"


class Submission(Public, Stamped):
    """One accepted send request: the content and options its messages share.

    `content` is the template version of a campaign or of an API request by template; `payload_sealed` is what an API or
    SMTP request brought, sealed, and wiped once the last of its messages has ended; `webhook_sealed` says where and with
    what words the caller wants to be told, and lives as long as reports do. Such a request names a `from_address` instead
    of a `sender`, and `domain` is the account's domain of that name, if it has one. `bulk_id` and the three after it are
    the caller's own names for it, to be found again by. `reports_to` and `events_to` are the numbers of the webhook
    endpoints that stand for the hosts it named; without one the account's endpoints are told.
    `cursor` is the last contact planned, so an interrupted fan-out goes on after it; the highest number when complete.
    Nothing is taken up before `waits_until`, because of what `waits_because` says; `resumed_at` is when a person last
    let it go on.
    """

    # A row for each request of a program: an index costs more than the row, so those below hold only what is looked up.
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="submissions", db_index=False)
    campaign = models.ForeignKey(
        Campaign, null=True, on_delete=models.CASCADE, related_name="submissions", db_index=False
    )
    door = models.CharField(max_length=8, choices=Door)
    lane = models.CharField(max_length=8, choices=Lane, default=Lane.STANDARD)
    purpose = models.CharField(max_length=13, choices=Purpose)
    state = models.CharField(max_length=9, choices=SubmissionState, default=SubmissionState.PLANNING)
    content = models.ForeignKey(
        TemplateVersion, null=True, on_delete=models.PROTECT, related_name="submissions", db_index=False
    )
    payload_sealed = models.BinaryField(null=True)
    webhook_sealed = models.BinaryField(null=True)
    sender = models.ForeignKey(Sender, null=True, on_delete=models.PROTECT, related_name="submissions", db_index=False)
    domain = models.ForeignKey(Domain, null=True, on_delete=models.SET_NULL, related_name="submissions")
    from_address = models.CharField(max_length=320, blank=True, default="")
    bulk_id = models.CharField(max_length=100, blank=True, default="")
    campaign_reference = models.CharField(max_length=255, blank=True, default="")
    entity_id = models.CharField(max_length=255, blank=True, default="")
    application_id = models.CharField(max_length=255, blank=True, default="")
    # Numbers, not keys: nobody looks submissions up by them. Known to the database too, as in Message.
    reports_to = models.BigIntegerField(null=True)
    events_to = models.BigIntegerField(null=True)
    report_level = models.PositiveSmallIntegerField(
        choices=ReportLevel, default=ReportLevel.FINAL, db_default=ReportLevel.FINAL
    )
    transport = models.ForeignKey(Transport, on_delete=models.PROTECT, related_name="submissions", db_index=False)
    options = models.JSONField(default=dict)
    send_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    cursor = models.BigIntegerField(default=0)
    planned = models.BigIntegerField(default=0)
    waits_until = models.DateTimeField(null=True)
    waits_because = models.CharField(max_length=200, blank=True, default="")
    resumed_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            # A campaign is sent once; tests of it are submissions without the campaign.
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(door=Door.CAMPAIGN), name="submission_once_per_campaign"
            )
        ]
        indexes = [
            models.Index(
                fields=["send_at"],
                name="submission_sweep",
                condition=Q(state__in=[SubmissionState.PLANNING, SubmissionState.OPEN]),
            ),
            models.Index(
                fields=["account", "bulk_id"], name="submission_bulk", condition=~Q(bulk_id="") & Q(door__in=API_DOORS)
            ),
            models.Index(fields=["account", "-id"], name="submission_log"),
            models.Index(fields=["campaign"], name="submission_campaign", condition=Q(campaign__isnull=False)),
            models.Index(fields=["content"], name="submission_content", condition=Q(content__isnull=False)),
            models.Index(fields=["sender"], name="submission_sender", condition=Q(sender__isnull=False)),
            models.Index(fields=["transport"], name="submission_waiting", condition=Q(waits_until__isnull=False)),
        ]

    @property
    def sending_domain(self) -> Domain | None:
        """The domain its mail comes from; None when the account has no such domain."""
        return self.sender.domain if self.sender is not None else self.domain

    @property
    def sender_address(self) -> str:
        """The address its mail comes from."""
        return self.from_address or (self.sender.email if self.sender is not None else "")

    def __str__(self) -> str:
        return f"Submission {str(self.public_id)[:8]}"
