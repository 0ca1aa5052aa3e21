"""Email templates and their immutable versions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped


class EmailTemplate(Public, Stamped):
    """A named template; what is sent is always one of its versions.

    `sender` (an address, or `Name <address>`), `reply_to` and `landing_page` are what API requests that name the template
    take when they say nothing themselves. One that was sent cannot be deleted: `deleted_at` hides it from the API.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="templates")
    name = models.CharField(max_length=120)
    sender = models.CharField(max_length=400, blank=True, default="", editable=False)
    reply_to = models.CharField(max_length=254, blank=True, default="", editable=False)
    landing_page = models.CharField(max_length=60, blank=True, default="", editable=False)
    changed_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="template_name_once")]

    def __str__(self) -> str:
        return self.name

    @property
    def latest(self) -> TemplateVersion | None:
        return self.versions.order_by("-number").first()


class SourceKind(models.TextChoices):
    HTML = "html", "HTML"
    MJML = "mjml", "MJML"
    TEXT = "text", "Plain text"


class TemplateVersion(Public, Stamped):
    """One immutable state of a template.

    `variables` is a list of {"name", "label", "sample", "default" (null: the value is required)}.
    `digest` is the SHA-256 of everything that decides the rendered mail, in hex.
    """

    template = models.ForeignKey(EmailTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    subject = models.CharField(max_length=500)
    preheader = models.CharField(max_length=300, blank=True)
    source_kind = models.CharField(max_length=4, choices=SourceKind)
    source = models.TextField()
    text_source = models.TextField(blank=True, help_text="Leave empty to make the text part from the HTML.")
    variables = models.JSONField(default=list)
    digest = models.CharField(max_length=64)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["template", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="version_number_once"),
        ]

    def __str__(self) -> str:
        return f"{self.template} v{self.number}"


class TemplateAttachment(Public, Stamped):
    """A file that API requests by this template send along; `data_sealed` is its content."""

    template = models.ForeignKey(EmailTemplate, on_delete=models.CASCADE, related_name="attachments")
    name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=127)
    size = models.PositiveIntegerField()
    data_sealed = models.BinaryField()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"Attachment {str(self.public_id)[:8]}"
