"""Authorizations people signed for uses of their protected data (45 CFR 164.508), as evidence that they exist."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q


class Authorization(models.Model):
    """What a signed authorization says (164.508(c)): dates and a reference; the paper stays where records are kept.

    The person is the blind index of their address. `is_paid` tells that the form states remuneration by others
    (164.508(a)(3)(ii)); `purpose` what it was signed for (164.508(c)(1)(iv)), and it holds for nothing else. Without
    `expires_on` it holds until it is revoked.
    """

    class Purpose(models.TextChoices):
        MARKETING = "marketing", "Marketing"
        OTHER = "other", "Another use"

    account = models.ForeignKey("campaigns.Account", on_delete=models.PROTECT, related_name="+")
    address_key = models.CharField(max_length=43)
    reference = models.CharField(max_length=60)
    purpose = models.CharField(max_length=9, choices=Purpose, default=Purpose.MARKETING)
    is_paid = models.BooleanField(default=False)
    signed_on = models.DateField()
    expires_on = models.DateField(null=True)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "address_key", "reference"], name="authorization_once"),
            models.CheckConstraint(
                condition=Q(expires_on=None) | Q(expires_on__gte=F("signed_on")), name="authorization_ends_later"
            ),
        ]

    def __str__(self) -> str:
        return f"Authorization {self.pk}"
