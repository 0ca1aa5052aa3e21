"""Mailboxes we fetch bounces from, and addresses whose mail keeps coming back."""

from __future__ import annotations

from django.db import models

from campaigns.models.accounts import Account
from campaigns.models.base import Public, Stamped
from campaigns.models.messages import Message


class MailboxKind(models.TextChoices):
    IMAP = "imap", "IMAP"
    POP3 = "pop3", "POP3"


class MailboxLogin(models.TextChoices):
    """How a mailbox lets us in; the last two by OAuth 2.0 (XOAUTH2)."""

    PASSWORD = "password", "Password"
    MICROSOFT = "microsoft", "Microsoft 365"
    GOOGLE = "google", "Google Workspace"


class BounceMailbox(Public, Stamped):
    """A mailbox that bounces arrive in, looked at every few minutes; `secrets_sealed` is sealed JSON.

    `uid_validity` and `last_uid` say how far an IMAP folder has been read (RFC 3501 §2.3.1.1); what has been read of a
    POP3 mailbox is in `MailboxMail`. `trouble` is a sentence for people, empty while all is well.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="bounce_mailboxes")
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=4, choices=MailboxKind, default=MailboxKind.IMAP)
    host = models.CharField("mail server", max_length=253)
    port = models.PositiveIntegerField(default=993)
    starts_tls = models.BooleanField(default=False)
    username = models.CharField("user name", max_length=254)
    login = models.CharField(max_length=9, choices=MailboxLogin, default=MailboxLogin.PASSWORD)
    folder = models.CharField(max_length=120, default="INBOX")
    deletes = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    secrets_sealed = models.BinaryField(default=bytes, editable=False)

    uid_validity = models.BigIntegerField(default=0, editable=False)
    last_uid = models.BigIntegerField(default=0, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    looked_at = models.DateTimeField(null=True, editable=False)
    worked_at = models.DateTimeField(null=True, editable=False)
    trouble = models.CharField(max_length=200, blank=True, default="", editable=False)
    read_count = models.BigIntegerField(default=0, editable=False)
    recorded_count = models.BigIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["account", "name"], name="bounce_mailbox_name_once")]

    def __str__(self) -> str:
        return self.name


class MailboxMail(models.Model):
    """A mail of a POP3 mailbox that has been read and is still there; `uid` is a digest of the server's id."""

    mailbox = models.ForeignKey(BounceMailbox, on_delete=models.CASCADE, related_name="seen", db_index=False)
    uid = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["mailbox", "uid"], name="mailbox_mail_once")]

    def __str__(self) -> str:
        return f"Mail {self.uid[:8]}"


class SoftBounce(models.Model):
    """How often mail to one address came back softly in a row, since when, and last when."""

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="soft_bounces", db_index=False)
    address_key = models.CharField(max_length=43)
    count = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "address_key"], name="soft_bounce_once")]

    def __str__(self) -> str:
        return f"{self.count} since {self.first_at:%Y-%m-%d}"


class KeptReport(Public):
    """A bounce or complaint as it came, sealed, for the days somebody may want to read it; never of mail under HIPAA."""

    message = models.ForeignKey(Message, on_delete=models.CASCADE, related_name="kept_reports")
    kind = models.CharField(max_length=10)
    raw_sealed = models.BinaryField()
    received_at = models.DateTimeField()
    keep_until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"Report {str(self.public_id)[:8]}"
