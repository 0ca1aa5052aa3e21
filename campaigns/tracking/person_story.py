"""What happened with one person: their mails, their lists, and what stops mail to them; newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from campaigns.models import (
    Contact,
    Event,
    EventKind,
    KeptReport,
    Message,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionLift,
    SuppressionReason,
    TrackedLink,
)

PAGE = 50
# Of one person; who has more mails than this sees what happened to the newest.
_MOST_MAILS = 5_000
_FROM_MAIL = {SuppressionReason.BOUNCE, SuppressionReason.UNREACHABLE, SuppressionReason.COMPLAINT}
_REPORTED = {EventKind.BOUNCED, EventKind.DEFERRED, EventKind.COMPLAINED, EventKind.UNSUBSCRIBED}
_SAME_TIME = timedelta(seconds=5)


class Kind(StrEnum):
    MAIL = "mail"
    SUPPRESSED = "suppressed"
    LIFTED = "lifted"
    SUBSCRIBED = "subscribed"
    LEFT = "left"
    ADDED = "added"


@dataclass(frozen=True, slots=True, repr=False)
class Happening:
    """One line. `event` and `message` are those of a mail, `row` and `subscription` what other lines are about.

    `report` is what came back, while it is kept. `is_cause` marks what stopped mail to the person: the bounce or complaint behind a suppression.
    """

    at: datetime
    kind: Kind
    event: Event | None = None
    message: Message | None = None
    url: str = ""
    row: Suppression | SuppressionLift | None = None
    subscription: Subscription | None = None
    is_cause: bool = False
    report: KeptReport | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, and before which moment the next page begins; None at the end."""

    lines: list[Happening]
    before: datetime | None


def tell_person(contact: Contact, *, before: datetime | None = None) -> Page:
    """A page of what happened with a person before a moment, in a fixed number of queries."""
    found = sorted(_gather(contact, before=before), key=lambda line: (line.at, line.kind), reverse=True)
    some = found[:PAGE]
    if len(found) <= PAGE:
        return Page(some, None)
    # The next page begins before a moment: those of one moment stay together, unless they fill a page.
    whole = [line for line in some if line.at > found[PAGE].at] or some
    return Page(whole, whole[-1].at)


def _gather(contact: Contact, *, before: datetime | None) -> Iterator[Happening]:
    stops = list(_tell_stops(contact))
    yield from _tell_mails(contact, before=before, causes=_find_causes(contact, stops))
    rest = [*stops, *_tell_lists(contact), Happening(contact.created_at, Kind.ADDED)]
    yield from (line for line in rest if before is None or line.at < before)


def _tell_mails(contact: Contact, *, before: datetime | None, causes: set[int]) -> Iterator[Happening]:
    mails = Message.objects.filter(contact=contact).order_by("-pk").values_list("pk", flat=True)
    events = Event.objects.filter(message__in=list(mails[:_MOST_MAILS]))
    if before is not None:
        events = events.filter(at__lt=before)
    # One more than a page tells that there is another.
    found = list(events.order_by("-at", "-pk")[: PAGE + 1])
    rows = Message.objects.filter(pk__in={event.message_id for event in found}).select_related("submission__campaign")
    messages = rows.defer("placeholders_sealed", "submission__payload_sealed").in_bulk()
    links = TrackedLink.objects.filter(
        submission__in={message.submission_id for message in messages.values()},
        number__in={event.link for event in found if event.link is not None},
    )
    urls = {(link.submission_id, link.number): link.url for link in links}
    reports = list(KeptReport.objects.filter(message__in=messages).defer("raw_sealed"))
    for event in found:
        message = messages[event.message_id]
        url = urls.get((message.submission_id, event.link), "") if event.link is not None else ""
        yield Happening(
            event.at, Kind.MAIL, event, message, url, is_cause=event.pk in causes, report=_find_report(event, reports)
        )


def _find_report(event: Event, reports: Sequence[KeptReport]) -> KeptReport | None:
    """The report that became this event."""
    near = (
        row for row in reports if row.message_id == event.message_id and abs(row.received_at - event.at) <= _SAME_TIME
    )
    return next(near, None) if event.kind in _REPORTED else None


def _find_causes(contact: Contact, stops: Sequence[Happening]) -> set[int]:
    """The bounce or complaint nearest before each suppression that one of them may have led to."""
    since = [line.at for line in stops if line.kind == Kind.SUPPRESSED and line.row and line.row.reason in _FROM_MAIL]
    if not since:
        return set()
    kinds = [EventKind.BOUNCED, EventKind.COMPLAINED]
    # Recorded in one transaction, and not at the same instant.
    rows = Event.objects.filter(kind__in=kinds, message__contact=contact, at__lte=max(since) + _SAME_TIME)
    found = list(rows.order_by("-at", "-pk").values_list("pk", "at")[:_MOST_MAILS])
    nearest = (next((pk for pk, at in found if at <= moment + _SAME_TIME), None) for moment in since)
    return {pk for pk in nearest if pk is not None}


def _tell_stops(contact: Contact) -> Iterator[Happening]:
    mine = {"account": contact.account_id, "address_key": contact.address_key}
    for row in Suppression.objects.filter(**mine).select_related("list", "created_by"):
        yield Happening(row.created_at, Kind.SUPPRESSED, row=row)
    for lift in SuppressionLift.objects.filter(**mine).select_related("created_by"):
        yield Happening(lift.added_at, Kind.SUPPRESSED, row=lift)
        yield Happening(lift.created_at, Kind.LIFTED, row=lift)


def _tell_lists(contact: Contact) -> Iterator[Happening]:
    for row in contact.subscriptions.select_related("list"):
        if row.consent_at is not None:
            yield Happening(row.consent_at, Kind.SUBSCRIBED, subscription=row)
        if row.state == SubscriptionState.UNSUBSCRIBED:
            yield Happening(row.changed_at, Kind.LEFT, subscription=row)
        elif row.consent_at is None:
            yield Happening(row.changed_at, Kind.SUBSCRIBED, subscription=row)
