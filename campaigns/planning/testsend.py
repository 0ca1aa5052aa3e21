"""Sending one mail of a template to oneself."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from campaigns import addresses, jobs
from campaigns.errors import CampaignError
from campaigns.models import Account, Door, Purpose, Sender, Submission, TemplateVersion
from campaigns.outbox import accept
from campaigns.planning.compose import Person
from campaigns.planning.sending import DISPATCH_JOB

log = logging.getLogger(__name__)


def send_test(
    account: Account,
    *,
    content: TemplateVersion,
    sender: Sender,
    to: str,
    values: Mapping[str, Any] | None = None,
    by: Person = None,
) -> Submission:
    """One mail with sample values to one address, through the account's default transport and the same gate."""
    address = addresses.parse(to)
    transport = account.transports.filter(is_default=True).first()
    if transport is None:
        raise CampaignError(
            "campaign.no-transport",
            "There is no way out for this mail.",
            action="Set a default transport for the account.",
        )
    samples = {variable["name"]: variable.get("sample", "") for variable in content.variables}
    with transaction.atomic():
        submission = accept.accept_messages(
            accept.SendRequest(
                account=account,
                door=Door.TEST,
                purpose=Purpose.TRANSACTIONAL,
                content=content,
                sender=sender,
                transport=transport,
                send_at=timezone.now(),
            ),
            recipients=[accept.Recipient(address, {**samples, **(values or {})})],
        )
        jobs.ring(DISPATCH_JOB, submission.pk)
    log.info("test mail %s by %s", submission.public_id, f"user {by.pk}" if by is not None else "the system")
    return submission
