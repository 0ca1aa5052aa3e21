"""A person's story in plain words: what happened, when, and what it means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from campaigns.admin.campaign_words import explain
from campaigns.models import (
    Contact,
    EventKind,
    KeptReport,
    Message,
    SuppressionLift,
    SuppressionReason,
    SuppressionScope,
)
from campaigns.tracking.person_story import Happening, Kind, tell_person

_EVENTS = {
    EventKind.SENT: ("Handed over to their mail server", ""),
    EventKind.DELIVERED: ("Delivered", "is-ok"),
    EventKind.DEFERRED: ("Not yet: it is tried again", "is-warn"),
    EventKind.BOUNCED: ("Came back", "is-bad"),
    EventKind.REFUSED: ("Not sent", "is-warn"),
    EventKind.FAILED: ("Could not be made", "is-bad"),
    EventKind.EXPIRED: ("Given up after trying for long", "is-bad"),
    EventKind.COMPLAINED: ("Called it spam", "is-bad"),
    EventKind.OPENED: ("Opened", "is-info"),
    EventKind.CLICKED: ("Followed a link", "is-info"),
    EventKind.UNSUBSCRIBED: ("Unsubscribed by this mail", "is-warn"),
}
_SCOPES = {
    SuppressionScope.EVERYTHING: "No mail at all from now on",
    SuppressionScope.MARKETING: "No marketing from now on",
    SuppressionScope.LIST: "Nothing for one list from now on",
    SuppressionScope.SENDER: "No marketing from one sender from now on",
}
_WHY = {
    SuppressionReason.UNSUBSCRIBED: "They unsubscribed.",
    SuppressionReason.COMPLAINT: "They called our mail spam.",
    SuppressionReason.BOUNCE: "Their mail server says that the address does not exist.",
    SuppressionReason.UNREACHABLE: "Mail to them kept coming back for weeks.",
    SuppressionReason.MANUAL: "Added by hand.",
    SuppressionReason.IMPORTED: "It was in an imported file.",
    SuppressionReason.REVOKED_AUTH: "They revoked their authorization.",
    SuppressionReason.RESTRICTION: "They asked that their information is not sent.",
    SuppressionReason.NO_EMAIL: "They asked to be reached another way.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line for the page; `what` is about which mail or list, `details` are sentences."""

    at: datetime
    title: str
    tone: str
    what: str
    what_url: str
    details: tuple[str, ...]
    is_cause: bool
    report_url: str = ""


def show_timeline(contact: Contact, *, before: str, report_url: Callable[[KeptReport], str]) -> dict[str, Any]:
    """What the page needs: lines, and the moment the next page begins before ('' at the end)."""
    page = tell_person(contact, before=_read_moment(before))
    return {
        "lines": [
            replace(_describe(line), report_url=report_url(line.report) if line.report is not None else "")
            for line in page.lines
        ],
        "older": page.before.isoformat() if page.before is not None else "",
    }


def _read_moment(text: str) -> datetime | None:
    try:
        found = parse_datetime(text.replace(" ", "+"))
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def _describe(line: Happening) -> Line:
    if line.event is not None and line.message is not None:
        return _describe_mail(line, line.message)
    if line.row is not None:
        return _describe_stop(line)
    if line.subscription is not None:
        row = line.subscription
        url = reverse("admin:campaigns_contactlist_change", args=(row.list.public_id,))
        if line.kind == Kind.LEFT:
            return Line(line.at, "Left a list", "is-warn", str(row.list), url, (), is_cause=False)
        said = (row.get_consent_kind_display(), row.consent_source)
        return Line(line.at, "Came onto a list", "", str(row.list), url, tuple(filter(None, said)), is_cause=False)
    return Line(line.at, "Became known here", "", "", "", (), is_cause=False)


def _describe_mail(line: Happening, message: Message) -> Line:
    assert line.event is not None
    title, tone = _EVENTS[EventKind(line.event.kind)]
    details = []
    if line.event.code:
        details.append(explain(line.event.code))
    if line.url:
        details.append(line.url)
    if line.event.kind in {EventKind.OPENED, EventKind.CLICKED} and line.event.is_machine is not False:
        details.append("By a machine" if line.event.is_machine else "Perhaps by a person, perhaps by a machine")
    campaign = message.submission.campaign
    what = campaign.name if campaign is not None else message.submission.get_door_display()
    url = ""
    if campaign is not None:
        url = reverse("admin:campaigns_campaign_reader", args=(campaign.public_id, message.public_id))
    return Line(line.at, title, tone, what, url, tuple(details), line.is_cause)


def _describe_stop(line: Happening) -> Line:
    row = line.row
    assert row is not None
    who = (f"By {row.created_by}",) if row.created_by is not None else ()
    note = (row.note,) if row.note else ()
    if isinstance(row, SuppressionLift):
        if line.kind == Kind.LIFTED:
            details = (f"It was: {_SCOPES[SuppressionScope(row.scope)].lower()}.", *note, *who)
            return Line(line.at, "May be written to again", "is-ok", row.of_what, "", details, is_cause=False)
        name, note, who = row.of_what, (), ()
    else:
        name = str(row.list or row.sender)
    details = (_WHY[SuppressionReason(row.reason)], *note, *who)
    return Line(line.at, _SCOPES[SuppressionScope(row.scope)], "is-bad", name, "", details, is_cause=False)
