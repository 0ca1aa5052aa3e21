"""What became of the mails of API requests, for the programs that sent them: reports once, logs again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from campaigns.delivery.registry import tells_later
from campaigns.models import API_DOORS, Account, Event, EventKind, Message, MessageState, Submission
from campaigns.outbox import states
from campaigns.outbox.payload import open_webhook
from campaigns.storage.finding import read_texts

KEPT = timedelta(hours=48)
EVENTS_KEPT = timedelta(days=30)
# Each has to be opened and taken apart, a millisecond of work.
_TEXTS_AT_ONCE = 100
_FINAL = states.SETTLED - {MessageState.SENT}


@dataclass(frozen=True, slots=True)
class Search:
    """Which mails; an empty field asks for nothing. `state` is one of GENERAL_STATES."""

    bulk_ids: tuple[str, ...] = ()
    message_ids: tuple[str, ...] = ()
    campaign_references: tuple[str, ...] = ()
    entity_id: str = ""
    application_id: str = ""
    sender: str = ""
    recipient: str = ""
    state: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None


GENERAL_STATES: dict[str, tuple[MessageState, ...]] = {
    "ACCEPTED": (),
    "PENDING": (MessageState.QUEUED, MessageState.HELD, MessageState.SENDING),
    "UNDELIVERABLE": (MessageState.BOUNCED, MessageState.CANCELLED),
    "DELIVERED": (MessageState.SENT, MessageState.DELIVERED),
    "EXPIRED": (MessageState.EXPIRED,),
    "REJECTED": (MessageState.REFUSED, MessageState.FAILED),
}


@dataclass(frozen=True, slots=True, repr=False)
class Delivery:
    """One mail and where it stands; `number` orders deliveries, the newest has the highest."""

    number: int
    message_id: str
    bulk_id: str
    recipient: str
    sender: str
    state: str
    code: str
    accepted_at: datetime
    sent_at: datetime | None
    done_at: datetime | None
    first_attempt_at: datetime | None
    attempts: int
    campaign_reference: str
    entity_id: str
    application_id: str
    callback_data: str
    text: str = ""


def take_reports(account: Account, search: Search, *, limit: int, now: datetime) -> list[Delivery]:
    """Up to limit outcomes nobody has fetched yet, oldest first; each is handed out once, within 48 hours.

    A mail that bounces after it was delivered has a second one.
    """
    # What a mail server took is an outcome unless the way out tells more later.
    taken = Q(state=MessageState.SENT) & ~Q(submission__transport__kind__in=tells_later())
    ended = Q(state__in=[state.value for state in _FINAL])
    with transaction.atomic():
        rows = _messages(account, search).filter(taken | ended, awaits_report=True, done_at__gt=now - KEPT)
        # Two callers at once share them out.
        mine = rows.order_by("done_at", "pk").select_for_update(of=("self",), skip_locked=True)[:limit]
        messages = list(mine)
        Message.objects.filter(pk__in=[message.pk for message in messages]).update(awaits_report=False)
    return _describe(messages)


def find_deliveries(account: Account, search: Search, *, limit: int, now: datetime) -> list[Delivery]:
    """Up to limit mails of the last 48 hours, newest first; `search.before` goes on behind a delivery's number.

    The first of them have their text, where a copy is in active storage.
    """
    rows = _messages(account, search).filter(submission__created_at__gt=now - KEPT)
    if search.before is not None:
        rows = rows.filter(pk__lt=search.before)
    messages = list(rows.order_by("-pk")[:limit])
    texts = read_texts(account, [message.public_id for message in messages[:_TEXTS_AT_ONCE]])
    told = _describe(messages)
    return [replace(one, text=texts.get(m.public_id, "")) for one, m in zip(told, messages, strict=True)]


def _messages(account: Account, search: Search) -> QuerySet[Message]:
    rows = Message.objects.filter(submission__account=account, submission__door__in=API_DOORS)
    rows = rows.select_related("submission__account")
    wanted = {
        "submission__bulk_id__in": search.bulk_ids,
        "submission__campaign_reference__in": search.campaign_references,
        "submission__entity_id": search.entity_id,
        "submission__application_id": search.application_id,
        "submission__from_address": search.sender,
        "recipient": search.recipient,
        "sent_at__gte": search.since,
        "sent_at__lte": search.until,
    }
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    if search.message_ids:
        ids = [number for number in map(_as_uuid, search.message_ids) if number is not None]
        rows = rows.filter(Q(public_id__in=ids, client_id="") | Q(client_id__in=search.message_ids))
    if search.state:
        rows = rows.filter(state__in=[state.value for state in GENERAL_STATES.get(search.state, ())])
    return rows.defer("submission__payload_sealed", "placeholders_sealed")


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _describe(messages: Sequence[Message]) -> list[Delivery]:
    callbacks = {message.submission_id: message.submission for message in messages}
    told = {pk: open_webhook(submission).callback_data for pk, submission in callbacks.items()}
    first = first_attempts([message.pk for message in messages])
    return [
        _delivery(message, callback=told[message.submission_id], first=first.get(message.pk)) for message in messages
    ]


def first_attempts(ids: Sequence[int]) -> dict[int, datetime]:
    """When each of these messages was first handed over, or first refused."""
    tried = (EventKind.SENT, EventKind.DEFERRED, EventKind.BOUNCED)
    rows = Event.objects.filter(message__in=ids, kind__in=tried).order_by("-at").values_list("message_id", "at")
    return dict(rows)


def _delivery(message: Message, *, callback: str, first: datetime | None) -> Delivery:
    submission = message.submission
    return Delivery(
        number=message.pk,
        message_id=message.client_id or str(message.public_id),
        bulk_id=submission.bulk_id,
        recipient=message.recipient,
        sender=submission.from_address,
        state=message.state,
        code=message.error_code,
        accepted_at=submission.created_at,
        sent_at=message.sent_at or (submission.created_at if message.done_at else None),
        done_at=message.done_at,
        first_attempt_at=first,
        attempts=message.attempts,
        campaign_reference=submission.campaign_reference,
        entity_id=submission.entity_id,
        application_id=submission.application_id,
        callback_data=callback,
    )


def forget_old(*, now: datetime) -> None:
    """After 48 hours nobody can ask for a report any more: what was kept for it is wiped.

    Who named an address for opens and clicks is told about them for a month.
    """
    Message.objects.filter(awaits_report=True, done_at__lt=now - KEPT).update(awaits_report=False)
    waiting = Message.objects.filter(submission=OuterRef("pk"), state__in=[state.value for state in states.WAITING])
    ends = Q(events_to=None, valid_until__lt=now - KEPT) | Q(valid_until__lt=now - EVENTS_KEPT)
    old = Submission.objects.filter(ends, ~Exists(waiting), webhook_sealed__isnull=False)
    old.update(webhook_sealed=None)
