"""Agreements under HIPAA: with customers, with those who work for us, and the terms an account accepts."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q


class Baa(models.Model):
    """A Business Associate Agreement (45 CFR 164.504(e)), as evidence of it: dates, who signed, and the document's digest.

    A customer's belongs to an account. A subcontractor's (164.308(b), 164.314(a)) covers a host we send to, for the whole
    installation; one that never gets protected data needs no agreement but a reason, `no_phi_because`.
    """

    class Side(models.TextChoices):
        CUSTOMER = "customer", "Customer"
        SUBCONTRACTOR = "subcontractor", "Subcontractor"

    class Onward(models.TextChoices):
        """How a relay hands on what we gave it, by the word of whoever runs it: we do not see it."""

        TLS_ONLY = "tls-only", "Over TLS only; otherwise the mail comes back"
        MAY_FALL_BACK = "may-fall-back", "Unencrypted where the other server offers no TLS"
        UNKNOWN = "unknown", "We do not know"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    side = models.CharField(max_length=13, choices=Side)
    account = models.ForeignKey("campaigns.Account", null=True, on_delete=models.PROTECT, related_name="+")
    host = models.CharField(max_length=255, blank=True, default="")
    counterparty = models.CharField(max_length=120)
    reference = models.CharField(max_length=80, blank=True, default="")
    signatory = models.CharField(max_length=120, blank=True, default="")
    signed_on = models.DateField(null=True)
    effective_from = models.DateField()
    effective_to = models.DateField(null=True)
    document_sha256 = models.CharField(max_length=64, blank=True, default="")
    no_phi_because = models.CharField(max_length=200, blank=True, default="")
    onward = models.CharField(max_length=13, choices=Onward, blank=True, default="")
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()
    # Evidence is kept for six years from when it last was in effect.
    kept_from = models.DateTimeField()

    class Meta:
        ordering = ["effective_from", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(side="customer", account__isnull=False, host="")
                | (Q(side="subcontractor", account=None) & ~Q(host="")),
                name="baa_has_its_side",
            ),
            models.CheckConstraint(
                condition=~Q(no_phi_because="") | (Q(signed_on__isnull=False) & ~Q(document_sha256="")),
                name="baa_is_signed",
            ),
            models.CheckConstraint(
                condition=Q(effective_to=None) | Q(effective_to__gte=models.F("effective_from")), name="baa_ends_later"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "effective_from"], name="baa_account"),
            models.Index(fields=["host"], name="baa_host", condition=~Q(host="")),
        ]

    def __str__(self) -> str:
        return f"Agreement {str(self.public_id)[:8]}"


class Terms(models.Model):
    """The terms of HIPAA sending in one version; a new text is a new version."""

    version = models.PositiveIntegerField(unique=True)
    text = models.TextField()
    digest = models.CharField(max_length=64)
    published_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "terms"
        ordering = ["version"]

    def __str__(self) -> str:
        return f"Terms, version {self.version}"


class Acknowledgement(models.Model):
    """Somebody accepted the terms for their account."""

    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    terms = models.ForeignKey(Terms, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    network = models.CharField(max_length=45, blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["account", "at"], name="acknowledgement_account")]

    def __str__(self) -> str:
        return f"Acceptance of version {self.terms_id}"


class ReplyMailbox(models.Model):
    """A mailbox answers to protected mail may go to: somebody stated in `wording` that it is theirs and under their agreement.

    `address` compares: its local part casefolded, its domain as A-label.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    address = models.CharField(max_length=254)
    wording = models.TextField()
    wording_version = models.PositiveIntegerField()
    attested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    attested_at = models.DateTimeField()
    # Of the network, not the machine: /24 or /48.
    network = models.CharField(max_length=45, blank=True, default="")
    withdrawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "reply mailboxes"
        ordering = ["address"]
        constraints = [
            models.UniqueConstraint(
                fields=["account", "address"], condition=Q(withdrawn_at=None), name="reply_mailbox_once"
            )
        ]

    def __str__(self) -> str:
        return f"Reply mailbox {str(self.public_id)[:8]}"
