"""People, lists, and who agreed to what."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped
from campaigns.models.levels import TrackingLevel


class Contact(Public, Stamped):
    """A person in an account's audience. `address_key` is the blind index, `attributes` a flat JSON object of texts."""

    # The unique constraint starts with it; a second index would only tempt planners to read the whole account.
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="contacts", db_index=False)
    email = models.CharField("address", max_length=254)
    address_key = models.CharField(max_length=43, editable=False)
    domain = models.CharField(max_length=255, editable=False)
    attributes = models.JSONField(default=dict, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "address_key"], name="contact_once_per_account")]
        indexes = [models.Index(fields=["account", "email"], name="contact_admin_search")]

    def __str__(self) -> str:
        # Django's admin log keeps str(object) for ever: no address in it.
        return f"Contact {str(self.public_id)[:8]}"


class ContactList(Public, Stamped):
    """A mailing list; `slug` goes into List-ID (RFC 2919) and never changes."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="lists")
    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=60)
    description = models.CharField(max_length=300, blank=True)
    is_public = models.BooleanField(
        "on the preference page", default=False, help_text="Readers can join and leave it by themselves."
    )
    public_description = models.CharField("what readers are told about it", max_length=200, blank=True)
    tracking = models.PositiveSmallIntegerField("opens and clicks", choices=TrackingLevel, null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["account", "slug"], name="list_slug_once")]

    def __str__(self) -> str:
        return self.name


class SubscriptionState(models.TextChoices):
    SUBSCRIBED = "subscribed", "Subscribed"
    UNCONFIRMED = "unconfirmed", "Waiting for confirmation"
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"


class ConsentKind(models.TextChoices):
    """How permission was given (CASL s. 10; GDPR art. 7): implied consent runs out, express does not."""

    UNKNOWN = "unknown", "Not recorded"
    IMPLIED = "implied", "Implied"
    EXPRESS = "express", "Express"
    DOUBLE = "double", "Double opt-in"


class Subscription(models.Model):
    """A contact on a list, with the proof of consent."""

    # The unique constraint starts with it.
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="subscriptions", db_index=False)
    list = models.ForeignKey(ContactList, on_delete=models.CASCADE, related_name="subscriptions")
    state = models.CharField(max_length=12, choices=SubscriptionState, default=SubscriptionState.SUBSCRIBED)
    changed_at = models.DateTimeField()
    consent_kind = models.CharField(max_length=8, choices=ConsentKind, default=ConsentKind.UNKNOWN)
    consent_source = models.CharField(
        max_length=200, blank=True, help_text="Where: a form, an import file, an API key."
    )
    consent_text = models.CharField(
        max_length=300, blank=True, help_text="The words or the version of the text agreed to."
    )
    consent_at = models.DateTimeField(null=True, blank=True)
    consent_ip = models.GenericIPAddressField(null=True, blank=True)
    consent_expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["contact", "list"], name="subscription_once")]
        indexes = [
            models.Index(
                fields=["list", "contact"], name="subscription_fanout", condition=Q(state=SubscriptionState.SUBSCRIBED)
            )
        ]

    def __str__(self) -> str:
        return f"{self.contact} on {self.list}"
