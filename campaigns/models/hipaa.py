"""HIPAA sends: campaigns of kind `hipaa`, which go to a file of recipients instead of to lists."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from campaigns.models.base import Public
from campaigns.models.campaigns import Campaign, CampaignKind
from campaigns.models.messages import Message
from campaigns.models.submissions import Submission


class HipaaSends(models.Manager["HipaaSend"]):
    """Campaigns of that kind only, with their terms."""

    def get_queryset(self) -> models.QuerySet[HipaaSend]:
        return super().get_queryset().filter(kind=CampaignKind.HIPAA).select_related("terms")


class HipaaSend(Campaign):
    """A campaign of kind `hipaa`; its text is neutral, because it stands in logs and histories."""

    objects: ClassVar[HipaaSends] = HipaaSends()

    class Meta:
        proxy = True
        verbose_name = "HIPAA send"

    def __str__(self) -> str:
        return f"HIPAA send {str(self.public_id)[:8]}"


class SendTerms(models.Model):
    """What a HIPAA send has beyond other campaigns.

    `answers` are those of the marketing questions, `variables` say of each value of a recipient what it is, whether it is
    protected and what for: {"name", "kind", "phi", "purpose"}. `recipients` is what the check of the uploaded file found,
    as counts and codes; `samples_sealed` are three masked rows for whoever uploaded it. After `keep_until` no value of a
    recipient can be opened any more.
    """

    campaign = models.OneToOneField(Campaign, on_delete=models.CASCADE, related_name="terms")
    answers = models.JSONField(default=dict)
    legal_basis = models.CharField(max_length=20, blank=True, default="")
    reference = models.CharField(max_length=60, blank=True, default="")
    variables = models.JSONField(default=list)
    recipients = models.JSONField(default=dict)
    samples_sealed = models.BinaryField(null=True)
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    confirmed_at = models.DateTimeField(null=True)
    keep_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Terms of HIPAA send {str(self.campaign.public_id)[:8]}"

    def variable(self, name: str) -> dict[str, Any] | None:
        """What is declared of a variable, None when nothing is."""
        found: dict[str, Any] | None = next((one for one in self.variables if one["name"] == name), None)
        return found


class FirstBatch(models.Model):
    """The `size` messages of a HIPAA send that leave before the others, which are held until `released_at`.

    `released_by` is the person who let them go, None when those that arrived did.
    """

    submission = models.OneToOneField(Submission, on_delete=models.CASCADE, related_name="first_batch")
    size = models.PositiveIntegerField()
    began_at = models.DateTimeField()
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"First batch of submission {str(self.submission.public_id)[:8]}"


class MessageFile(Public):
    """A file for one recipient; `data_sealed` opens for that message and recipient only.

    Its name, type and digest are sealed with the recipient's values, which an approval is bound to.
    """

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="files")
    size = models.PositiveIntegerField()
    data_sealed = models.BinaryField()

    def __str__(self) -> str:
        return f"File {str(self.public_id)[:8]}"


class TlsProbe(models.Model):
    """What the mail servers of a recipients' domain offered when somebody last looked: an Offer of delivery.probe."""

    domain = models.CharField(max_length=255, unique=True)
    offer = models.CharField(max_length=11)
    probed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.domain
