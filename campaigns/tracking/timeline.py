"""Who got a mail and what they did with it: a page of readers at a time, and the story of one mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from campaigns.models import (
    Contact,
    Device,
    Event,
    EventKind,
    Message,
    MessageState,
    Submission,
    System,
    TrackedLink,
)

PAGE = 50
FILTERS = ("", "opened", "clicked", "bounced", "left")
_GOODBYES = (EventKind.UNSUBSCRIBED, EventKind.COMPLAINED)


@dataclass(frozen=True, slots=True)
class Reader:
    """One mail as a line: what its reader did, without what only machines did."""

    message: Message
    opened: bool
    clicked: bool
    left: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Some readers, and where the next page begins; empty at the end."""

    readers: list[Reader]
    after: str


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a mail's story."""

    at: datetime
    kind: EventKind
    code: str = ""
    url: str = ""
    device: str = ""
    is_machine: bool | None = False


def list_readers(submission: Submission, *, show: str, after: str) -> Page:
    """A page of the readers of a submission, by the order of their keys, which is nobody's; `show` is a filter."""
    rows = _filtered(Message.objects.filter(submission=submission), show)
    if after:
        rows = rows.filter(address_key__gt=after)
    found = list(rows.order_by("address_key")[: PAGE + 1])
    return Page(_describe(found[:PAGE]), found[PAGE - 1].address_key if len(found) > PAGE else "")


def _filtered(rows: QuerySet[Message], show: str) -> QuerySet[Message]:
    if show == "bounced":
        return rows.filter(state=MessageState.BOUNCED)
    if show == "left":
        return rows.filter(Exists(_events(*_GOODBYES)))
    if show in {"opened", "clicked"}:
        return rows.filter(Exists(_events(EventKind(show)).exclude(is_machine=True)))
    return rows


def _events(*kinds: EventKind) -> QuerySet[Event]:
    return Event.objects.filter(message=OuterRef("pk"), kind__in=kinds)


def _describe(messages: Sequence[Message]) -> list[Reader]:
    ids = [message.pk for message in messages]
    rows = Event.objects.filter(message__in=ids, kind__in=[EventKind.OPENED, EventKind.CLICKED, *_GOODBYES])
    did = {(pk, kind) for pk, kind in rows.exclude(is_machine=True).order_by().values_list("message_id", "kind")}
    return [
        Reader(
            message,
            opened=(message.pk, EventKind.OPENED) in did,
            clicked=(message.pk, EventKind.CLICKED) in did,
            left=any((message.pk, kind) in did for kind in _GOODBYES),
        )
        for message in messages
    ]


def recent_mails(contact: Contact, *, limit: int = 10) -> list[Reader]:
    """The last mails to a person, newest first."""
    rows = Message.objects.filter(contact=contact).select_related("submission__campaign").order_by("-pk")
    return _describe(list(rows[:limit]))


def tell_story(message: Message) -> list[Moment]:
    """Everything that is known of one mail, oldest first."""
    urls = dict(TrackedLink.objects.filter(submission=message.submission_id).values_list("number", "url"))
    return [
        Moment(
            event.at,
            EventKind(event.kind),
            event.code,
            urls.get(event.link, "") if event.link is not None else "",
            _device(event),
            event.is_machine if event.kind in {EventKind.OPENED, EventKind.CLICKED} else False,
        )
        for event in Event.objects.filter(message=message).order_by("at", "pk")
    ]


def _device(event: Event) -> str:
    if event.device is None or event.system is None or event.device == Device.OTHER:
        return ""
    return f"{Device(event.device).label}, {System(event.system).label}"
