"""Providers we reach through django-anymail: what each needs, in one table.

Left out on purpose: Amazon SES (wants boto3; its SMTP endpoint works with the relay), SendGrid (anymail supports it no
more; its SMTP works), MailerSend (no headers of our own, so no List-Unsubscribe, and nothing to find a mail by again).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from anymail.webhooks.base import AnymailCoreWebhookView
from anymail.webhooks.brevo import BrevoTrackingWebhookView
from anymail.webhooks.mailgun import MailgunTrackingWebhookView
from anymail.webhooks.mailjet import MailjetTrackingWebhookView
from anymail.webhooks.mailtrap import MailtrapTrackingWebhookView
from anymail.webhooks.postmark import PostmarkTrackingWebhookView
from anymail.webhooks.resend import ResendTrackingWebhookView
from anymail.webhooks.sparkpost import SparkPostTrackingWebhookView


@dataclass(frozen=True, slots=True)
class Credential:
    """One thing to enter; `is_secret` ones are never shown again."""

    name: str
    label: str
    help: str = ""
    is_secret: bool = True
    required: bool = True


@dataclass(frozen=True, slots=True)
class Provider:
    """`name` is anymail's, `webhook` its view for events. `signing` is the key its callbacks are signed with, if any.

    `reads_braces`: it takes {{ }} in a mail for its own language. `tracks`: its tracking can be switched per mail.
    """

    label: str
    name: str
    webhook: Callable[..., AnymailCoreWebhookView]
    credentials: tuple[Credential, ...]
    signing: str = ""
    must_sign: bool = False
    reads_braces: bool = False
    tracks: bool = False

    @property
    def backend(self) -> str:
        return f"anymail.backends.{self.name}.EmailBackend"


_KEY = Credential("api_key", "API key", "From the provider's console.")
PROVIDERS = {
    "brevo": Provider("Brevo", "brevo", BrevoTrackingWebhookView, (_KEY,), reads_braces=True),
    "mailgun": Provider(
        "Mailgun",
        "mailgun",
        MailgunTrackingWebhookView,
        (_KEY, Credential("sender_domain", "Domain at Mailgun", "Such as mg.example.org.", is_secret=False)),
        signing="webhook_signing_key",
        must_sign=True,
        tracks=True,
    ),
    "mailjet": Provider(
        "Mailjet", "mailjet", MailjetTrackingWebhookView, (_KEY, Credential("secret_key", "Secret key")), tracks=True
    ),
    "mailtrap": Provider(
        "Mailtrap",
        "mailtrap",
        MailtrapTrackingWebhookView,
        (Credential("api_token", "API token", "From the provider's console."),),
        signing="tracking_secret",
    ),
    "postmark": Provider(
        "Postmark",
        "postmark",
        PostmarkTrackingWebhookView,
        (Credential("server_token", "Server API token", "On the API tokens page of the server."),),
        tracks=True,
    ),
    "resend": Provider("Resend", "resend", ResendTrackingWebhookView, (_KEY,)),
    "sparkpost": Provider(
        "SparkPost", "sparkpost", SparkPostTrackingWebhookView, (_KEY,), reads_braces=True, tracks=True
    ),
}
