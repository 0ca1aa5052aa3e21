"""Sending domains, their keys, what DNS said about them, and from-addresses."""

from __future__ import annotations

import secrets

from django.db import models
from django.db.models import Q
from django.utils import timezone

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped
from campaigns.models.levels import TrackingLevel


def new_ownership_token() -> str:
    return secrets.token_hex(16)


class UnsubscribeLevel(models.TextChoices):
    """What somebody leaves who leaves marketing mail that went to no list (Infobip's blocklistConfigurationLevel)."""

    ACCOUNT = "account", "All marketing mail of the account"
    DOMAIN = "domain", "Marketing mail from this domain"
    SENDER = "sender", "Marketing mail from this address"


class Domain(Public, Stamped):
    """A domain an account sends from; `name` is its A-label form."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="domains")
    name = models.CharField("domain", max_length=253)
    ownership_token = models.CharField(max_length=32, default=new_ownership_token, editable=False)
    verified_at = models.DateTimeField(null=True, editable=False)
    checked_at = models.DateTimeField(null=True, editable=False)
    # A verified domain whose records are wrong stays so for some looks: DNS hiccups. Then it is lost.
    failed_looks = models.PositiveSmallIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    lost_at = models.DateTimeField(null=True, editable=False)
    return_path = models.CharField(
        max_length=254,
        blank=True,
        default="",
        help_text="Where bounces go, such as bounces@mail.example.org. Empty: to the From address.",
    )
    # What the mail of this domain may be followed by; a request can ask for less, never for more.
    tracking = models.PositiveSmallIntegerField("opens and clicks", choices=TrackingLevel, null=True, blank=True)
    track_opens = models.BooleanField(default=True)
    track_clicks = models.BooleanField(default=True)
    track_unsubscribes = models.BooleanField(default=True)
    unsubscribe_level = models.CharField(
        max_length=7,
        choices=UnsubscribeLevel,
        default=UnsubscribeLevel.ACCOUNT,
        help_text="What somebody leaves who leaves mail that went to no list.",
    )
    spf_terms = models.CharField(
        "servers that send",
        max_length=200,
        blank=True,
        default="",
        help_text="What its SPF record must allow, such as include:spf.example.net. Empty: the installation's.",
    )
    tracking_host = models.CharField(
        max_length=253, blank=True, default="", help_text="The host of links and pictures, such as click.example.org."
    )
    reports_to = models.CharField(
        max_length=254, blank=True, default="", help_text="Where mailboxes send reports. Empty: the installation's."
    )
    max_per_second = models.FloatField("messages per second", null=True, blank=True, help_text="Empty: no limit.")
    warmup_started_on = models.DateField(
        null=True, blank=True, help_text="From this day the daily number of messages grows by the warm-up plan."
    )

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="domain_once_per_account")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_verified(self) -> bool:
        return self.verified_at is not None


class DkimKey(Stamped):
    """One DKIM key pair (RFC 6376); the private part is sealed to this row's domain and selector.

    A `new` key is to be published; a `signing` one signs; a `retiring` one stays published until the mail it signed
    has been verified everywhere; a `retired` one has no private part any more (DK-06).
    """

    class Algorithm(models.TextChoices):
        RSA = "rsa", "RSA 2048"
        ED25519 = "ed25519", "Ed25519"

    class State(models.TextChoices):
        NEW = "new", "To be published"
        SIGNING = "signing", "In use"
        RETIRING = "retiring", "Being replaced"
        RETIRED = "retired", "No longer used"

    # Receivers ask for these, or soon will.
    PUBLISHED = (State.NEW, State.SIGNING, State.RETIRING)

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="dkim_keys")
    selector = models.CharField(max_length=63)
    algorithm = models.CharField(max_length=8, choices=Algorithm, default=Algorithm.RSA)
    public_key = models.TextField(editable=False)
    private_key_sealed = models.BinaryField(editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.NEW, editable=False)
    state_since = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["domain", "selector"], name="dkim_selector_once"),
            models.UniqueConstraint(
                fields=["domain", "algorithm"], condition=Q(state="signing"), name="dkim_one_signing"
            ),
            models.UniqueConstraint(fields=["domain", "algorithm"], condition=Q(state="new"), name="dkim_one_new"),
            models.CheckConstraint(
                condition=~Q(state="retired") | Q(private_key_sealed=b""), name="dkim_retired_is_wiped"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"


class DnsFinding(models.Model):
    """What the last look at DNS found for one record: kept until the next look.

    `seen` is what is published there now, `fix` the whole corrected value, `fix_host` where it belongs when that is
    not the record's own place, `policy` the DMARC policy that applies.
    """

    domain = models.ForeignKey(Domain, on_delete=models.CASCADE, related_name="findings")
    record = models.CharField(max_length=70, help_text="A kind of domains.expected; for a key with its selector.")
    ok = models.BooleanField()
    code = models.CharField(max_length=60)
    text = models.CharField(max_length=500)
    seen = models.TextField(blank=True, default="")
    fix = models.TextField(blank=True, default="")
    fix_host = models.CharField(max_length=255, blank=True, default="")
    policy = models.CharField(max_length=10, blank=True, default="")
    found_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["domain", "record"], name="finding_per_record")]

    def __str__(self) -> str:
        return self.text


class Sender(Public, Stamped):
    """A from-address people may choose in a campaign."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="senders")
    domain = models.ForeignKey(Domain, on_delete=models.PROTECT, related_name="senders")
    name = models.CharField(max_length=120, help_text="Shown to the reader before the address.")
    email = models.CharField("address", max_length=254)
    reply_to = models.CharField(max_length=254, blank=True)
    unsubscribes_by_mail = models.BooleanField(
        "can be left by mail", default=False, help_text="Mail programs may unsubscribe somebody by writing a mail."
    )

    class Meta:
        ordering = ["name", "email"]
        constraints = [models.UniqueConstraint(fields=["account", "email", "name"], name="sender_once")]

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"
