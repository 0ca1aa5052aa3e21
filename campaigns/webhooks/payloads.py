"""What is told, in Infobip's shapes (infobip.md §2.1, 2.2, 2.4); pure.

Of mail with health information only ids, times and statuses are told: no address, no words of the caller, no link.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from xml.sax.saxutils import escape

from campaigns.models import WebhookFormat, WebhookKind
from campaigns.moments import write_time

CONTENT_TYPES = {WebhookFormat.JSON: "application/json", WebhookFormat.XML: "application/xml"}
_FREE = {"pricePerMessage": 0, "currency": "UNKNOWN"}
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLY = re.compile(r"smtp\.(\d{3})(?:-(\d\.\d{1,3}\.\d{1,3}))?")


@dataclass(frozen=True, slots=True, repr=False)
class Mail:
    """The mail something is told about; `public_id` is ours, `message_id` what the caller knows it by."""

    public_id: str
    message_id: str
    bulk_id: str
    recipient: str
    sender: str
    accepted_at: datetime
    sent_at: datetime | None
    attempts: int = 1
    first_attempt_at: datetime | None = None
    campaign_reference: str = ""
    entity_id: str = ""
    application_id: str = ""
    callback_data: str = ""
    browser_link: str = ""
    is_private: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Happening:
    """What happened to it: `event_id` is the same however often it is told; status and error are Infobip's objects."""

    event_id: str
    kind: WebhookKind
    at: datetime
    code: str = ""
    status: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    device: Mapping[str, str] = field(default_factory=dict)


def report_of(mail: Mail, happening: Happening) -> dict[str, Any]:
    """One delivery report: an entry of `results`."""
    is_end = happening.kind == WebhookKind.DELIVERY
    told = {
        "bulkId": _shown_bulk(mail),
        "messageId": _shown_id(mail),
        "sentAt": write_time(mail.sent_at or mail.accepted_at),
        "doneAt": write_time(happening.at) if is_end else None,
        "smsCount": 1,
        "status": dict(happening.status),
        "error": dict(happening.error),
    }
    if mail.is_private:
        return _without_none(told)
    return _without_none(
        {
            **told,
            "to": mail.recipient,
            "price": _FREE,
            "attemptCount": mail.attempts,
            "timeToFirstAttempt": _milliseconds_between(mail.accepted_at, mail.first_attempt_at),
            "browserLink": mail.browser_link or None,
            "smtp": _reply(happening.code),
            **_callers_words(mail),
        }
    )


def event_of(mail: Mail, happening: Happening) -> dict[str, Any]:
    """One tracking event, a flat object. Ids are strings, as in every example (the schema's number is a mistake)."""
    told = {
        "notificationType": _NOTIFICATIONS[happening.kind],
        "eventId": happening.event_id,
        "sendDateTime": _epoch(mail.sent_at or mail.accepted_at),
        "messageId": _shown_id(mail),
        "bulkId": _shown_bulk(mail),
    }
    if mail.is_private:
        return _without_none(told)
    names_sender = happening.kind in {WebhookKind.COMPLAINED, WebhookKind.LATE_BOUNCE}
    return _without_none(
        {
            **told,
            "domain": mail.sender.rpartition("@")[2] or None,
            "recipient": mail.recipient,
            "sender": mail.sender if names_sender else None,
            "url": happening.url or None,
            "recipientInfo": dict(happening.device) or None,
            **_callers_words(mail),
        }
    )


def rate_of(kind: WebhookKind, details: Mapping[str, Any], *, event_id: str, account: UUID, at: datetime) -> Any:
    """A platform event: the bounce rate of a domain is high, or stopped a campaign."""
    threshold = "warnThreshold" if kind == WebhookKind.BOUNCE_RATE_WARNING else "blockThreshold"
    name = "HIGH_BOUNCE_RATE_WARNING" if kind == WebhookKind.BOUNCE_RATE_WARNING else "HIGH_BOUNCE_RATE_BLOCKED"
    return {
        "eventId": event_id,
        "createdAt": _epoch(at),
        "eventDetails": {
            "type": name,
            "accountKey": account.hex,
            "domain": details["domain"],
            threshold: details["threshold"],
            "bounceRate": details["rate"],
            "scope": "DAILY",
        },
    }


def write_json(content: Any) -> bytes:
    """UTF-8, without what UTF-8 cannot say."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def write_reports(reports: Sequence[Mapping[str, Any]], *, form: WebhookFormat) -> bytes:
    """The body of one call with delivery reports."""
    if form == WebhookFormat.JSON:
        return write_json({"results": list(reports)})
    results = "".join(f"<result>{_xml(report)}</result>" for report in reports)
    text = f'<?xml version="1.0" encoding="UTF-8"?><reportResponse><results>{results}</results></reportResponse>'
    return text.encode("utf-8", "replace")


_NOTIFICATIONS = {
    WebhookKind.OPENED: "OPENED",
    WebhookKind.CLICKED: "CLICKED",
    WebhookKind.UNSUBSCRIBED: "UNSUBSCRIBED",
    WebhookKind.COMPLAINED: "COMPLAINED",
    WebhookKind.LATE_BOUNCE: "LATE_BOUNCE",
}


def _callers_words(mail: Mail) -> dict[str, Any]:
    found = {
        "callbackData": mail.callback_data,
        "campaignReferenceId": mail.campaign_reference,
        "entityId": mail.entity_id,
        "applicationId": mail.application_id,
    }
    return {name: value for name, value in found.items() if value}


def _shown_id(mail: Mail) -> str:
    return mail.public_id if mail.is_private and not _is_random(mail.message_id) else mail.message_id


def _shown_bulk(mail: Mail) -> str | None:
    return None if mail.is_private and not _is_random(mail.bulk_id) else mail.bulk_id or None


def _is_random(text: str) -> bool:
    # A name of the caller's own making may say anything about a patient; a UUID says nothing.
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _without_none(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _epoch(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _milliseconds_between(start: datetime, end: datetime | None) -> int | None:
    return None if end is None else max(int((end - start).total_seconds() * 1000), 0)


def _reply(code: str) -> dict[str, str] | None:
    """What the mail server answered, as far as it is kept: its codes."""
    found = _REPLY.fullmatch(code)
    return {"response": " ".join(part for part in found.groups() if part)} if found else None


def _xml(content: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{_xml_value(value)}</{name}>" for name, value in content.items())


def _xml_value(value: Any) -> str:
    if isinstance(value, Mapping):
        return _xml(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(_NO_XML.sub("", str(value)))
