"""Copies of mails that left: for looking into trouble for some days, and for the long term."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.accounts import Account
from campaigns.models.base import Public


class KeptMail(Public):
    """A copy of one mail as it left, sealed until its last day; `public_id` is that of its message.

    `active_until` is the end of its time in the active storage, whose copies lie here in `sealed`; None: not in there.
    `archive_until` is the end of its time in the archive; None: not for there. Until `is_archived` the copy lies here
    for the archive too. Nothing in the row is an address; the subject is as its reader saw it.
    """

    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="kept_mails", db_index=False)
    address_key = models.CharField(max_length=43)
    sender = models.CharField(max_length=320)
    subject = models.CharField(max_length=200, blank=True)
    sent_at = models.DateTimeField()
    # Bytes of the mail as it left, and of its sealed copy.
    size = models.PositiveIntegerField()
    sealed_size = models.PositiveIntegerField()
    sealed = models.BinaryField(null=True)
    active_until = models.DateTimeField(null=True)
    archive_until = models.DateTimeField(null=True)
    is_archived = models.BooleanField(default=False)

    class Meta:
        indexes = [
            models.Index(fields=["account", "-id"], name="kept_mail_newest"),
            models.Index(fields=["account", "address_key", "-id"], name="kept_mail_to_one"),
            models.Index(fields=["active_until"], name="kept_mail_active", condition=Q(active_until__isnull=False)),
            models.Index(fields=["archive_until"], name="kept_mail_archive", condition=Q(is_archived=True)),
            models.Index(
                fields=["id"], name="kept_mail_to_ship", condition=Q(archive_until__isnull=False, is_archived=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Mail {str(self.public_id)[:8]}"
