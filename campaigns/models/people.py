"""What belongs to a person who signs in, beside their name and password."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from campaigns.models.base import Stamped


class SecondFactor(Stamped):
    """An authenticator app of a person (TOTP, RFC 6238); it counts once a first code proved that it is set up.

    `last_step` is the 30-second step of the last code that was taken: no code counts twice (RFC 6238 §5.2).
    """

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="second_factor")
    secret_sealed = models.BinaryField()
    confirmed_at = models.DateTimeField(null=True)
    last_step = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Second factor of person {self.user_id}"


class RecoveryCode(models.Model):
    """A code on paper for the day the app is lost; `code_hash` is SHA-256 of 80 random bits, in hex."""

    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="recovery_codes")
    code_hash = models.CharField(max_length=64)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["factor", "code_hash"], name="recovery_code_once")]

    def __str__(self) -> str:
        return f"Recovery code of factor {self.factor_id}"


class KeptDraft(models.Model):
    """What somebody was typing when they were signed out, sealed, for the page at `path`."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=300)
    fields_sealed = models.BinaryField()
    kept_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "path"], name="kept_draft_once")]

    def __str__(self) -> str:
        return f"Draft of person {self.user_id}"
