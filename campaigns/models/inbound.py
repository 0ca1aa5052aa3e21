"""Mail that comes to us: who wants it, and what has come."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped
from campaigns.models.domains import Domain
from campaigns.models.messages import Message
from campaigns.models.webhooks import WebhookEndpoint


class RouteAction(models.TextChoices):
    """What is done with mail of a route."""

    STORE = "store", "Keep it to read here"
    WEBHOOK = "webhook", "Hand it to a program"
    FORWARD = "forward", "Forward it"


class InboundRoute(Public, Stamped):
    """Addresses of a domain of the account, and what is done with mail to them.

    `pattern` is what stands before the @: `support`, `sales-*` for all that begin so, `*` for all there are; lower case.
    `keeps` says whether mail that is handed on can also be read here.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="inbound_routes")
    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="inbound_routes", db_index=False)
    pattern = models.CharField("address", max_length=64)
    action = models.CharField(max_length=7, choices=RouteAction, default=RouteAction.STORE)
    endpoint = models.ForeignKey(
        WebhookEndpoint, null=True, blank=True, on_delete=models.PROTECT, related_name="inbound_routes"
    )
    forward_to = models.CharField("forward to", max_length=254, blank=True, default="")
    keeps = models.BooleanField("keep a copy here", default=True)
    is_active = models.BooleanField(default=True)
    received_count = models.BigIntegerField(default=0, editable=False)
    last_received_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["domain__name", "pattern"]
        verbose_name = "inbound address"
        verbose_name_plural = "inbound addresses"
        constraints = [models.UniqueConstraint(fields=["domain", "pattern"], name="inbound_route_once")]

    def __str__(self) -> str:
        return f"{self.pattern}@{self.domain.name}"


class InboundPlace(models.TextChoices):
    """What the address that took a mail is for."""

    REPORT = "report", "Bounces and complaints"
    UNSUBSCRIBE = "leave", "Unsubscribing"
    DAILY = "daily", "Reports of mailbox providers"
    ROUTE = "route", "An address of the account"


class InboundState(models.IntegerChoices):
    WAITING = 0, "Waiting"
    DONE = 1, "Done"


class InboundRaw(models.Model):
    """One mail as it came over the wire, sealed; what it is for one or more recipients stands in InboundMail."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="+")
    sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"Raw mail {self.pk}"


class InboundMail(Public):
    """A mail that was taken in for one recipient.

    `envelope_sealed` holds sender, recipient, host and greeting; `digest` tells one that is handed in again. Known once
    it has been read: `head_sealed` (what a list of mails shows), what SPF, DKIM and DMARC say of it, the message of ours
    it answers, and `outcome`, a code of campaigns.inbound.outcomes. `raw` is empty when nobody needs it any more; people read
    only what `is_kept`. While a worker has it, `next_attempt_at` is when others may.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="inbound_mails")
    raw = models.ForeignKey(InboundRaw, null=True, on_delete=models.SET_NULL, related_name="mails")
    place = models.CharField(max_length=6, choices=InboundPlace)
    route = models.ForeignKey(InboundRoute, null=True, on_delete=models.SET_NULL, related_name="mails")
    message = models.UUIDField(null=True)  # whose return path or unsubscribe address it came to
    digest = models.CharField(max_length=43)
    size = models.PositiveIntegerField()
    envelope_sealed = models.BinaryField()
    state = models.PositiveSmallIntegerField(choices=InboundState, default=InboundState.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    received_at = models.DateTimeField()

    head_sealed = models.BinaryField(default=bytes)
    spf = models.CharField(max_length=9, blank=True, default="")
    dkim = models.CharField(max_length=9, blank=True, default="")
    dmarc = models.CharField(max_length=9, blank=True, default="")
    is_partial = models.BooleanField(default=False)
    is_automatic = models.BooleanField(default=False)
    answers = models.ForeignKey(
        Message, null=True, on_delete=models.SET_NULL, related_name="replies", db_constraint=False
    )
    is_kept = models.BooleanField(default=False)
    outcome = models.CharField(max_length=20, blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "digest"], name="inbound_mail_once")]
        indexes = [
            models.Index(
                fields=["next_attempt_at", "id"], name="inbound_claim", condition=Q(state=InboundState.WAITING)
            ),
            models.Index(fields=["account", "-id"], name="inbound_newest", condition=Q(is_kept=True)),
            models.Index(fields=["received_at"], name="inbound_age"),
        ]

    def __str__(self) -> str:
        return f"Mail {str(self.public_id)[:8]}"
