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
LOOKED_AT = 20_000
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
    """Some readers, and where the next page begins; empty at the end. There may be fewer on a page than on the next."""

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
    rows = Message.objects.filter(submission=submission).order_by("address_key")
    if after:
        rows = rows.filter(address_key__gt=after)
    end = ""
    if show in {"opened", "clicked"}:
        # However few of a million did it: no page looks at more readers than these.
        end = rows.values_list("address_key", flat=True)[LOOKED_AT : LOOKED_AT + 1].first() or ""
        rows = rows.filter(address_key__lte=end) if end else rows
        rows = rows.filter(Exists(_events(EventKind(show)).exclude(is_machine=True)))
    elif show == "left":
        # Few among very many, and an index of their own leads to them.
        of_them = Event.objects.filter(kind__in=_GOODBYES, message__submission=submission)
        rows = rows.filter(pk__in=set(of_them.order_by().values_list("message_id", flat=True)[:LOOKED_AT]))
    elif show == "bounced":
        rows = rows.filter(state=MessageState.BOUNCED)
    found = list(rows[: PAGE + 1])
    return Page(_describe(found[:PAGE]), found[PAGE - 1].address_key if len(found) > PAGE else end)


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
    return tell_stories([message])[message.pk]


def tell_stories(messages: Sequence[Message]) -> dict[int, list[Moment]]:
    """The story of each of some mails, by its key, in two queries."""
    stories: dict[int, list[Moment]] = {message.pk: [] for message in messages}
    submissions = {message.pk: message.submission_id for message in messages}
    links = TrackedLink.objects.filter(submission__in=set(submissions.values()))
    urls = {(owner, number): url for owner, number, url in links.values_list("submission_id", "number", "url")}
    for event in Event.objects.filter(message__in=stories).order_by("at", "pk"):
        moment = Moment(
            event.at,
            EventKind(event.kind),
            event.code,
            urls.get((submissions[event.message_id], event.link), "") if event.link is not None else "",
            _device(event),
            event.is_machine if event.kind in {EventKind.OPENED, EventKind.CLICKED} else False,
        )
        stories[event.message_id].append(moment)
    return stories


def _device(event: Event) -> str:
    if event.device is None or event.system is None or event.device == Device.OTHER:
        return ""
    return f"{Device(event.device).label}, {System(event.system).label}"
