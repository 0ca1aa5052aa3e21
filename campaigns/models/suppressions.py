"""Whom we must not write to: kept by blind index, so it outlives the contact."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.audiences import ContactList
from campaigns.models.base import Public, Stamped
from campaigns.models.imports import ImportState


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
    # Under an agreement: 45 CFR 164.508(b)(5), 164.522(a), 164.522(b).
    REVOKED_AUTH = "revoked-auth", "Revoked their authorization"
    RESTRICTION = "restriction", "Asked for a restriction"
    NO_EMAIL = "no-email", "Does not want email"


HIPAA_REASONS = (SuppressionReason.REVOKED_AUTH, SuppressionReason.RESTRICTION, SuppressionReason.NO_EMAIL)


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
                fields=["account", "address_key", "scope", "sender"],
                condition=Q(list=None) & ~Q(reason__in=[reason.value for reason in HIPAA_REASONS]),
                name="suppression_once",
            ),
            # Lifting one reason must leave the others: each is a promise of its own.
            models.UniqueConstraint(
                fields=["account", "address_key", "reason"],
                condition=Q(reason__in=[reason.value for reason in HIPAA_REASONS]),
                name="suppression_once_per_wish",
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


class SuppressionLift(Stamped):
    """An entry that is gone: what it was, why somebody took it away, and who did; `created_by` None for a program.

    `of_what` names the list or the sender it was about, if it was about one.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="suppression_lifts", db_index=False)
    address_key = models.CharField(max_length=43)
    scope = models.CharField(max_length=10, choices=SuppressionScope)
    of_what = models.CharField(max_length=320, blank=True, default="")
    reason = models.CharField(max_length=12, choices=SuppressionReason)
    added_at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        indexes = [models.Index(fields=["account", "address_key"], name="suppression_lifts_of")]

    def __str__(self) -> str:
        return f"Lifted: {self.get_scope_display()}"


class SuppressionImport(Public, Stamped):
    """A file of addresses not to write to; every row gets the same scope and reason.

    `column` is the number of the column with the addresses, from 0, and `has_header` says whether the first row names
    columns. `position` is the last row committed, so a stopped import goes on after it; rows = added + known + rejected.
    `errors` are the first rejected rows as [line, why], without what they say.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="suppression_imports")
    state = models.CharField(max_length=8, choices=ImportState, default=ImportState.QUEUED)
    filename = models.CharField(max_length=255)
    path = models.CharField(max_length=500)
    encoding = models.CharField(max_length=20, blank=True)
    delimiter = models.CharField(max_length=1, blank=True)
    column = models.PositiveSmallIntegerField(default=0)
    has_header = models.BooleanField(default=True)
    scope = models.CharField(max_length=10, choices=SuppressionScope)
    errors = models.JSONField(default=list)
    list = models.ForeignKey(ContactList, null=True, on_delete=models.CASCADE, related_name="+")
    reason = models.CharField(max_length=12, choices=SuppressionReason, default=SuppressionReason.IMPORTED)
    note = models.CharField(max_length=200, blank=True)
    size = models.BigIntegerField(default=0)
    bytes_read = models.BigIntegerField(default=0)
    position = models.BigIntegerField(default=0)
    added = models.BigIntegerField(default=0)
    known = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    error_code = models.CharField(max_length=60, blank=True)
    lease_until = models.DateTimeField(null=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    def __str__(self) -> str:
        return f"Import {str(self.public_id)[:8]} of addresses not to write to"
