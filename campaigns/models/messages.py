"""Messages: one mail to one recipient, one row. Ten million rows are normal, so the row is narrow."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from campaigns.models.audiences import Contact
from campaigns.models.base import Public
from campaigns.models.submissions import Submission


class MessageState(models.TextChoices):
    """The life of a message; campaigns.outbox.states says which step may follow which."""

    QUEUED = "queued", "Queued"
    HELD = "held", "Held"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    DELIVERED = "delivered", "Delivered"
    BOUNCED = "bounced", "Bounced"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    EXPIRED = "expired", "Expired"


class Message(Public):
    """One mail to one recipient.

    `recipient` is plain in the standard lane and empty in the HIPAA lane, whose address is sealed with the
    placeholders; `address_key` is the blind index in both. Mails of an API request have the number of their transport as
    `stream`, because they leave together with those of other requests; `client_id` is the id the caller gave, which its
    copies to cc and bcc share; `awaits_report` until the outcome has been handed out to the caller.
    """

    # Messages are written from the rows of submission and contacts in one statement; the database looking each of them
    # up again would cost a third of the fan-out. The unique constraint's index begins with the submission.
    submission = models.ForeignKey(
        Submission, on_delete=models.CASCADE, related_name="messages", db_index=False, db_constraint=False
    )
    # Nobody looks messages up by contact on the hot path; deleting a contact empties the column. One deleted while its
    # message is being written leaves its number behind, which reads as a contact that is gone.
    contact = models.ForeignKey(
        Contact, null=True, on_delete=models.SET_NULL, related_name="messages", db_index=False, db_constraint=False
    )
    recipient = models.CharField(max_length=254)
    recipient_domain = models.CharField(max_length=255)
    address_key = models.CharField(max_length=43)
    placeholders_sealed = models.BinaryField(null=True)
    state = models.CharField(max_length=9, choices=MessageState, default=MessageState.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    claimed_by = models.CharField(max_length=60, blank=True, default="")
    sent_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True, default="")
    stream = models.BigIntegerField(null=True)
    # Known to the database too: the fan-out of campaigns writes neither.
    client_id = models.CharField(max_length=200, blank=True, default="", db_default="")
    awaits_report = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["submission", "address_key"], name="message_once_per_recipient")]
        indexes = [
            models.Index(
                fields=["submission", "next_attempt_at", "id"],
                name="message_claim",
                condition=Q(state=MessageState.QUEUED),
            ),
            models.Index(fields=["lease_until"], name="message_lease_sweep", condition=Q(state=MessageState.SENDING)),
            models.Index(fields=["submission", "state"], name="message_report"),
            models.Index(
                fields=["stream", "next_attempt_at", "id"],
                name="message_stream_claim",
                condition=Q(state=MessageState.QUEUED, stream__isnull=False),
            ),
            models.Index(fields=["client_id"], name="message_client_id", condition=~Q(client_id="")),
            models.Index(fields=["done_at"], name="message_await_report", condition=Q(awaits_report=True)),
            models.Index(fields=["contact"], name="message_contact", condition=Q(contact__isnull=False)),
            # Why some did not arrive: few rows, asked again and again by the page of a running campaign.
            models.Index(fields=["submission", "error_code"], name="message_reasons", condition=~Q(error_code="")),
        ]

    def __str__(self) -> str:
        return f"Message {str(self.public_id)[:8]}"
