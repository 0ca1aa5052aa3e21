"""Webhooks: where programs of our customers want to be told, and what is on its way to them."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped


class WebhookKind(models.IntegerChoices):
    """What can be told; an endpoint keeps the sum of those it wants."""

    DELIVERY = 1, "Delivery reports"
    INTERMEDIATE = 2, "Delivery reports on the way"
    OPENED = 4, "Opens"
    CLICKED = 8, "Clicks"
    UNSUBSCRIBED = 16, "Unsubscribes"
    COMPLAINED = 32, "Spam complaints"
    LATE_BOUNCE = 64, "Late bounces"
    BOUNCE_RATE_WARNING = 128, "Bounce rate: warning"
    BOUNCE_RATE_BLOCKED = 256, "Bounce rate: campaign stopped"
    INBOUND = 512, "Mail that arrives"


REPORT_KINDS = (WebhookKind.DELIVERY, WebhookKind.INTERMEDIATE)


class WebhookSecurity(models.TextChoices):
    """How a receiver knows that we are the caller (infobip.md §2.6)."""

    STANDARD = "standard", "Standard Webhooks signature"
    HMAC = "hmac", "HMAC signature"
    BASIC = "basic", "User name and password"
    NONE = "none", "Nothing"


class WebhookFormat(models.TextChoices):
    JSON = "json", "JSON"
    XML = "xml", "XML"


class EndpointState(models.TextChoices):
    """`off` by a person: nothing is kept for it. `failed` by us: what happens is kept until somebody mends it."""

    ACTIVE = "active", "Works"
    OFF = "off", "Switched off"
    FAILED = "failed", "Stopped"


class WebhookEndpoint(Public, Stamped):
    """A place that is told about mails of an account: one a person entered, or a host that requests name.

    Of a host the address stands in each request, sealed; of the others in `config_sealed`, with the secrets.
    `kinds` is the sum of the WebhookKinds it wants. `failures` are attempts in a row that came to nothing, since
    `failing_since`; nothing is tried before `paused_until`. One worker at a time tells it, until `busy_until`.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="webhook_endpoints")
    name = models.CharField(max_length=80)
    host = models.CharField(max_length=260, editable=False)
    is_of_requests = models.BooleanField(default=False, editable=False)
    config_sealed = models.BinaryField(default=bytes, editable=False)
    kinds = models.PositiveIntegerField(default=WebhookKind.DELIVERY)
    format = models.CharField(max_length=4, choices=WebhookFormat, default=WebhookFormat.JSON)
    security = models.CharField(max_length=8, choices=WebhookSecurity, default=WebhookSecurity.STANDARD)
    max_bucket = models.PositiveSmallIntegerField("reports in one request", default=200)
    state = models.CharField(max_length=6, choices=EndpointState, default=EndpointState.ACTIVE, editable=False)
    state_because = models.CharField(max_length=200, blank=True, default="", editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    paused_until = models.DateTimeField(null=True, editable=False)
    busy_until = models.DateTimeField(null=True, editable=False)
    told_count = models.BigIntegerField(default=0, editable=False)
    failed_count = models.BigIntegerField(default=0, editable=False)
    last_told_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "webhook"
        constraints = [
            models.UniqueConstraint(
                fields=["account", "name"], condition=Q(is_of_requests=False), name="webhook_name_once"
            ),
            models.UniqueConstraint(
                fields=["account", "host"], condition=Q(is_of_requests=True), name="webhook_host_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def wants(self, kind: WebhookKind) -> bool:
        return bool(self.kinds & kind)


class DeliveryState(models.IntegerChoices):
    WAITING = 0, "Waiting"
    DONE = 1, "Told"
    LOST = 2, "Given up"


class WebhookDelivery(models.Model):
    """One thing to tell one endpoint. What it says is made from the ledger when it leaves: no personal data is here.

    `about` is the number of the event, of the submission whose bounce rate it is, or of the mail that arrived; `details`
    are the figures of that rate. While a worker has it, `next_attempt_at` is when others may have it. `last_status` is the answer's HTTP status,
    `last_code` why there was none.
    """

    # The unique constraint starts with it.
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    about = models.BigIntegerField()
    kind = models.PositiveSmallIntegerField(choices=WebhookKind)
    details = models.JSONField(null=True)
    state = models.PositiveSmallIntegerField(choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    last_status = models.PositiveSmallIntegerField(null=True)
    last_code = models.CharField(max_length=40, blank=True, default="")
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "about", "kind"], name="webhook_told_once")]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at", "id"],
                name="webhook_claim",
                condition=Q(state=DeliveryState.WAITING),
            ),
            models.Index(fields=["endpoint", "-id"], name="webhook_log"),
            models.Index(fields=["created_at"], name="webhook_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"


class WebhookMark(models.Model):
    """How far the ledger has been read for webhooks; one row.

    Events up to `seen` were looked at once, up to `sure` twice: on PostgreSQL a transaction may commit a lower number
    late. `mark` is where the second look goes when all transactions that ran at `marked_at`, below `horizon`, have ended.
    A worker promises to look again until `watched_until`; a bell rung at `rung_at` is unheard unless that is empty.
    """

    seen = models.BigIntegerField(default=0)
    sure = models.BigIntegerField(default=0)
    mark = models.BigIntegerField(default=0)
    horizon = models.BigIntegerField(default=0)
    marked_at = models.DateTimeField(null=True)
    watched_until = models.DateTimeField(null=True)
    rung_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Read up to {self.seen}"
