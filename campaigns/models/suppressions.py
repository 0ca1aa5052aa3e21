"""Whom we must not write to: kept by blind index, so it outlives the contact."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.audiences import ContactList
from campaigns.models.base import Stamped


class SuppressionScope(models.TextChoices):
    """How far it reaches: `everything` stops transactional mail too."""

    LIST = "list", "One list"
    SENDER = "sender", "One sender"
    MARKETING = "marketing", "All marketing"
    EVERYTHING = "everything", "Everything"


class SuppressionReason(models.TextChoices):
    UNSUBSCRIBED = "unsubscribed", "Unsubscribed"
    COMPLAINT = "complaint", "Complained"
    BOUNCE = "bounce", "Address does not exist"
    UNREACHABLE = "unreachable", "Mail kept coming back"
    MANUAL = "manual", "Added by hand"
    IMPORTED = "imported", "Imported"


class Suppression(Stamped):
    """One address, one scope; `list` is set when the scope is one list, `sender` (an address or a domain) when it is one.

    Bounces, complaints and what programs added keep the address, sealed, and its domain: the Email API lists them.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="suppressions", db_index=False)
    address_key = models.CharField(max_length=43)
    scope = models.CharField(max_length=10, choices=SuppressionScope)
    list = models.ForeignKey(ContactList, null=True, blank=True, on_delete=models.CASCADE, related_name="suppressions")
    sender = models.CharField(max_length=320, blank=True, default="", db_default="")
    reason = models.CharField(max_length=12, choices=SuppressionReason)
    note = models.CharField(max_length=200, blank=True)
    address_sealed = models.BinaryField(null=True)
    recipient_domain = models.CharField(max_length=253, blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        indexes = [
            models.Index(fields=["account", "address_key"], name="suppression_lookup"),
            models.Index(
                fields=["account", "reason", "-id"],
                name="suppression_listed",
                condition=Q(address_sealed__isnull=False),
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "address_key", "scope", "sender"], condition=Q(list=None), name="suppression_once"
            ),
            models.UniqueConstraint(
                fields=["account", "address_key", "list"],
                condition=Q(list__isnull=False),
                name="suppression_once_per_list",
            ),
            models.CheckConstraint(
                condition=Q(scope=SuppressionScope.LIST, list__isnull=False)
                | (~Q(scope=SuppressionScope.LIST) & Q(list=None)),
                name="suppression_list_with_scope",
            ),
            models.CheckConstraint(
                condition=Q(scope=SuppressionScope.SENDER) ^ Q(sender=""), name="suppression_sender_with_scope"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_scope_display()}: {self.get_reason_display()}"
