"""Notices to envelope senders who asked for them (RFC 3461, 3464): what became of their mail, once, by mail.

Written in the transaction that ends a submission, or that records a bounce after its end: each end is told once, or not at
all where that transaction is undone. The return path of every mail is ours, so that no next hop could tell the sender.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable
from datetime import datetime

from django.conf import settings

from campaigns import addresses
from campaigns.content.delivery_report import Action, DeliveryReport, RecipientStatus, write_report
from campaigns.errors import CampaignError
from campaigns.models import BaaStatus, Door, Lane, Message, MessageState, Purpose, Submission, SubmissionState
from campaigns.outbox.dsn_request import OPTION, DsnRequest, Wish, open_request
from campaigns.outbox.finished import load_rights
from campaigns.outbox.payload import Payload, Webhook
from campaigns.outbox.requests import Addressee, Batch, EmailRequest, Group
from campaigns.outbox.together import accept_requests

log = logging.getLogger(__name__)

WRITER = "mailer-daemon"
"""The local part that notices come from."""

_ACTIONS = {
    MessageState.SENT: Action.RELAYED,
    MessageState.DELIVERED: Action.DELIVERED,
    MessageState.BOUNCED: Action.FAILED,
    MessageState.REFUSED: Action.FAILED,
    MessageState.FAILED: Action.FAILED,
    MessageState.EXPIRED: Action.FAILED,
}
_STATUS = {MessageState.REFUSED: "5.7.1", MessageState.EXPIRED: "4.4.7"}  # RFC 3463 §3.8, §3.5
_REPLY = re.compile(r"smtp\.(\d{3})-([45]\.\d{1,3}\.\d{1,3})").fullmatch


def lock_asking(submission_ids: Collection[int]) -> list[int]:
    """Those open ones among these whose senders asked to be told, locked until the transaction ends."""
    asking = Submission.objects.filter(
        pk__in=submission_ids, state=SubmissionState.OPEN, options__has_key=OPTION
    ).order_by("pk")
    return list(asking.select_for_update(no_key=True).values_list("pk", flat=True))


def tell_ends(submission_ids: Collection[int], *, now: datetime) -> None:
    """Tell the senders of submissions that end in this transaction; give what lock_asking gave."""
    for submission in _load(submission_ids):
        _tell(submission, Message.objects.filter(submission=submission), now=now)


def tell_bounces(message_ids: Collection[int], *, now: datetime) -> None:
    """Tell the senders of messages that bounce in this transaction; those of open submissions are told at its end."""
    bounced = Message.objects.filter(pk__in=message_ids, state=MessageState.BOUNCED)
    asking = bounced.filter(submission__options__has_key=OPTION).values_list("submission", flat=True)
    ids = sorted(set(asking))
    if not ids:
        return
    # Waits for whoever ends it at this moment: either they see the bounce, or we see the end.
    locked = Submission.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    states = dict(locked.values_list("pk", "state"))
    for submission in _load([pk for pk in ids if states.get(pk) == SubmissionState.DONE]):
        _tell(submission, bounced.filter(submission=submission), now=now)


def _load(ids: Collection[int]) -> Iterable[Submission]:
    return Submission.objects.filter(pk__in=ids).select_related("account", "domain") if ids else ()


def _tell(submission: Submission, messages: Iterable[Message], *, now: datetime) -> None:
    if submission.lane != Lane.STANDARD or submission.account.baa_status != BaaStatus.NONE:
        return
    try:
        request = open_request(submission)
        if request is None:
            return
        found = [_describe(message, request.wishes.get(message.recipient)) for message in messages]
        recipients = [status for status in found if status is not None]
        if recipients:
            accept_requests(_compose(submission, request, recipients, now=now), now=now)
    except CampaignError as error:
        # The mail itself has ended, and nothing about it may depend on whether its sender can be told.
        log.warning("A notice to a sender could not be sent: %s", error.code)


def _describe(message: Message, wish: Wish | None) -> RecipientStatus | None:
    state = MessageState(message.state)
    action = _ACTIONS.get(state)
    if wish is None or action is None or not (wish.failure if action is Action.FAILED else wish.success):
        return None
    if action is not Action.FAILED:
        return RecipientStatus(message.recipient, action, "2.0.0", original=wish.original)
    code = message.error_code
    if reply := _REPLY(code):
        status, diagnostic = reply[2], f"smtp; {reply[1]} {reply[2]}"
    else:
        status, diagnostic = _STATUS.get(state, "5.0.0"), f"x-sealpost; {code}" if code else ""
    return RecipientStatus(message.recipient, action, status, diagnostic, wish.original)


def _compose(submission: Submission, request: DsnRequest, recipients: list[RecipientStatus], *, now: datetime) -> Batch:
    """Raises CampaignError where the sender's domain is not the account's any more."""
    sender = addresses.parse(request.sender)
    domain = submission.domain.name if submission.domain is not None else sender.domain
    rights = load_rights(submission.account)
    rights.require(sender.domain)
    rights.require(domain)
    report = DeliveryReport(
        reporter=settings.SMTP_HOSTNAME,
        from_mailbox=f"{WRITER}@{domain}",
        to=sender.mailbox,
        arrived_at=submission.created_at,
        head=request.head,
        recipients=recipients,
        envelope_id=request.envelope_id,
    )
    payload = Payload(
        from_name="Mail Delivery System",
        from_mailbox=report.from_mailbox,
        subject=report.subject,
        raw=write_report(report, now=now),
        from_nobody=True,
    )
    # No webhook tells of it: to programs it is no mail of theirs.
    mail = EmailRequest((Group((Addressee(sender),)),), payload, sender_domain=domain, webhook=Webhook(notify=False))
    return Batch(submission.account, Door.NOTICE, Purpose.TRANSACTIONAL, (mail,), now)
