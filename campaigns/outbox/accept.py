"""Accepting a send request: the one way a submission and its messages come to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns import tokens
from campaigns.addresses import Address
from campaigns.models import (
    Account,
    Campaign,
    Door,
    Lane,
    Message,
    Sender,
    Submission,
    SubmissionState,
    TemplateVersion,
    Transport,
)
from campaigns.outbox.tracker import TrackingOptions
from campaigns.outbox.views import version_option
from campaigns.outbox.windows import SendWindow, valid_for
from compliance import vault


@dataclass(frozen=True, slots=True)
class SendRequest:
    """What the messages of a submission share."""

    account: Account
    door: Door
    purpose: str
    content: TemplateVersion
    sender: Sender
    transport: Transport
    send_at: datetime
    campaign: Campaign | None = None
    list_ids: tuple[int, ...] = ()
    excluded_list_ids: tuple[int, ...] = ()
    max_per_hour: int | None = None
    window: SendWindow | None = None
    hold_uncertain: bool = False
    tracking: TrackingOptions | None = None
    # The key of the unsubscribe page, when it is not the usual one.
    landing_page: int | None = None

    def as_options(self) -> dict[str, Any]:
        """What hand-over needs of the request later, as the submission keeps it."""
        return {
            "lists": list(self.list_ids),
            "excluded_lists": list(self.excluded_list_ids),
            "max_per_hour": self.max_per_hour,
            "window": self.window.as_option() if self.window else None,
            "hold_uncertain": self.hold_uncertain,
            "tracking": (self.tracking or TrackingOptions()).as_option(),
            **({"landing_page": self.landing_page} if self.landing_page else {}),
            **version_option(self.content),
        }


@dataclass(frozen=True, slots=True, repr=False)
class Recipient:
    """One addressee of a request that brings its own values instead of a contact."""

    address: Address
    values: Mapping[str, Any]


def accept_campaign(request: SendRequest) -> Submission:
    """A submission in `planning`: its messages are written by the fan-out, chunk by chunk."""
    return _create(request, state=SubmissionState.PLANNING, planned=0)


def accept_messages(request: SendRequest, *, recipients: list[Recipient]) -> Submission:
    """An open submission with one queued message per recipient; durable when the transaction commits."""
    account = request.account
    with transaction.atomic():
        submission = _create(request, state=SubmissionState.OPEN, planned=len(recipients))
        messages = [
            Message(
                submission=submission,
                recipient=recipient.address.normalized,
                recipient_domain=recipient.address.domain,
                address_key=tokens.address_key(recipient.address, account=account.public_id),
                next_attempt_at=request.send_at,
            )
            for recipient in recipients
        ]
        for message, recipient in zip(messages, recipients, strict=True):
            values = json.dumps(dict(recipient.values), separators=(",", ":")).encode()
            message.placeholders_sealed = vault.seal(
                values, **placeholder_context(account, message_id=str(message.public_id))
            )
        Message.objects.bulk_create(messages, batch_size=500)
    return submission


def placeholder_context(account: Account, *, message_id: str) -> dict[str, str]:
    """Where the sealed placeholders of a message belong."""
    return {"account": str(account.public_id), "thing": "message", "id": message_id, "field": "placeholders"}


def _create(request: SendRequest, *, state: SubmissionState, planned: int) -> Submission:
    return Submission.objects.create(
        account=request.account,
        campaign=request.campaign,
        door=request.door,
        lane=Lane.STANDARD,
        purpose=request.purpose,
        state=state,
        content=request.content,
        sender=request.sender,
        transport=request.transport,
        options=request.as_options(),
        send_at=request.send_at,
        valid_until=request.send_at + valid_for(request.window),
        planned=planned,
    )
