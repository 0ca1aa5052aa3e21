"""Infobip's delivery reports and tracking events (OpenAPI 3.210, webhooks)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.http.request import UnreadablePostError

from campaigns.callbacks.malformed import Malformed
from campaigns.delivery import infobip_codes
from campaigns.models import EventKind
from campaigns.tracking.record import Report

_TRACKED = {
    "OPENED": EventKind.OPENED,
    "CLICKED": EventKind.CLICKED,
    "COMPLAINED": EventKind.COMPLAINED,
    "LATE_BOUNCE": EventKind.BOUNCED,
    "UNSUBSCRIBED": EventKind.UNSUBSCRIBED,
}
_ALSO = {"complained": EventKind.COMPLAINED, "unsubscribed": EventKind.UNSUBSCRIBED}


def read_reports(request: HttpRequest, config: dict[str, Any]) -> list[Report]:  # noqa: ARG001 (a reader's signature)
    """The reports in a delivery report (many under `results`) or a tracking event (one flat object)."""
    try:
        content = json.loads(request.body)
    except (ValueError, RecursionError, UnreadablePostError):
        raise Malformed from None
    if not isinstance(content, dict):
        raise Malformed
    if "results" in content:
        if not isinstance(content["results"], list):
            raise Malformed
        return [report for row in content["results"] for report in _read_delivery(row)]
    if "notificationType" in content:
        return list(_read_event(content))
    # Account-wide events, such as HIGH_BOUNCE_RATE_WARNING, are about no mail.
    if "eventDetails" in content:
        return []
    raise Malformed


def _read_delivery(row: object) -> Iterator[Report]:
    found = _read_id(row)
    if found is None or not isinstance(row, dict):
        return
    message_id, attempt = found
    status, error = _read_pair(row.get("status")), _read_pair(row.get("error"))
    at = _read_time(row.get("doneAt")) or _read_time(row.get("sentAt"))
    reason = infobip_codes.ERRORS.get(error[0], infobip_codes.Error(""))
    code = infobip_codes.code_of(error[0] or status[0])
    if status[1] == infobip_codes.DELIVERED_GROUP:
        if status[0] not in infobip_codes.INTERMEDIATE:
            yield Report(message_id, EventKind.DELIVERED, at)
    elif status[1] in infobip_codes.FINAL_GROUPS:
        # A duplicate of our own is refused while the first goes its way: that one decides.
        if status[0] == infobip_codes.DUPLICATE:
            return
        yield Report(message_id, EventKind.BOUNCED, at, code, is_dead=reason.is_dead, attempt=attempt)
        if reason.also:
            yield Report(message_id, _ALSO[reason.also], at, code)
    elif error[0]:
        # An intermediate report: they go on trying.
        yield Report(message_id, EventKind.DEFERRED, at, code, key=f"{row.get('attemptCount')} {code}"[:100])


def _read_event(row: dict[str, Any]) -> Iterator[Report]:
    kind, found = _TRACKED.get(str(row.get("notificationType"))), _read_id(row)
    if kind is None or found is None:
        return
    # A mail is opened and clicked many times, and their event id tells the times apart.
    key = str(row.get("eventId", ""))[:200] if kind in {EventKind.OPENED, EventKind.CLICKED} else ""
    code = "infobip.late-bounce" if kind == EventKind.BOUNCED else ""
    yield Report(found[0], kind, _read_epoch(row.get("sendDateTime")), code, key, attempt=found[1])


def _read_id(row: object) -> tuple[UUID, int] | None:
    """(our public id, attempt); None for ids of others, who use this account too."""
    found = row.get("messageId") if isinstance(row, dict) else None
    public_id, dot, attempt = found.partition(".") if isinstance(found, str) else ("", "", "")
    if dot and not (attempt.isascii() and attempt.isdigit() and len(attempt) < 6):
        return None
    try:
        return UUID(public_id), int(attempt or 1)
    except ValueError:
        return None


def _read_pair(part: object) -> tuple[int, int]:
    """(id, group id) of a status or an error; 0 for what is no number."""
    if not isinstance(part, dict):
        return 0, 0
    found = [part.get("id"), part.get("groupId")]
    number, group = (value if type(value) is int and 0 <= value < 100_000 else 0 for value in found)
    return number, group


def _read_time(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return _in_range(moment) if moment is not None and moment.tzinfo is not None else None


def _read_epoch(milliseconds: object) -> datetime | None:
    if type(milliseconds) not in {int, float}:
        return None
    try:
        return _in_range(datetime.fromtimestamp(float(str(milliseconds)) / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _in_range(moment: datetime) -> datetime | None:
    """None for times no database can hold in every zone."""
    return moment if 1970 < moment.year < 9000 else None
