"""Events of providers that anymail understands, by its own views: their signature first, then their events."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from anymail.exceptions import AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, EventType, RejectReason
from django.http import HttpRequest

from campaigns.callbacks.malformed import Malformed, NotReady
from campaigns.delivery.anymail import AREA, METADATA
from campaigns.delivery.anymail_kinds import Provider
from campaigns.models import EventKind
from campaigns.tracking.record import Report

_KINDS = {
    EventType.DELIVERED: EventKind.DELIVERED,
    EventType.BOUNCED: EventKind.BOUNCED,
    EventType.REJECTED: EventKind.BOUNCED,
    EventType.FAILED: EventKind.BOUNCED,
    EventType.DEFERRED: EventKind.DEFERRED,
    EventType.OPENED: EventKind.OPENED,
    EventType.CLICKED: EventKind.CLICKED,
    EventType.COMPLAINED: EventKind.COMPLAINED,
    EventType.UNSUBSCRIBED: EventKind.UNSUBSCRIBED,
}
_MANY = {EventKind.OPENED, EventKind.CLICKED, EventKind.DEFERRED}
# The mailbox or its domain does not exist (RFC 3463 §3.2, RFC 7505); other permanent codes do not say that.
_DEAD = re.compile(r"\b5\.1\.(?:1|2|3|6|10)\b").search
# What providers call a bounce of a mailbox that does not exist.
_HARD = {"HardBounce", "BadEmailAddress", "hard_bounce", "invalid_email"}
_ALSO = {RejectReason.SPAM: EventKind.COMPLAINED, RejectReason.UNSUBSCRIBED: EventKind.UNSUBSCRIBED}


def make_reader(provider: Provider) -> Callable[[HttpRequest, dict[str, Any]], Sequence[Report]]:
    """A reader for the callbacks of a provider."""

    def read(request: HttpRequest, config: dict[str, Any]) -> Sequence[Report]:
        secrets = {provider.signing: config[provider.signing]} if config.get(provider.signing) else {}
        if provider.must_sign and not secrets:
            raise NotReady
        # The secret in our address is what proves who calls; the view knows it as a basic login.
        view = provider.webhook(webhook_secret=[config["callback_login"]], **secrets)
        request.META["HTTP_AUTHORIZATION"] = config["callback_authorization"]
        view.setup(request)
        try:
            view.run_validators(request)
            events = view.parse_events(request)
        except AnymailWebhookValidationFailure:
            raise Malformed from None
        except Exception:
            # A stranger's payload in a library's parser: whatever it trips over is no event of this provider. No
            # cause: it may quote the payload.
            raise Malformed from None
        return [report for event in events for report in _read(event)]

    return read


def _read(event: AnymailTrackingEvent) -> Iterator[Report]:
    kind, message_id = _KINDS.get(event.event_type), _read_id(event.metadata)
    if kind is None or message_id is None:
        return
    at = event.timestamp if isinstance(event.timestamp, datetime) and event.timestamp.tzinfo else None
    key = str(event.event_id or event.timestamp or "")[:200] if kind in _MANY else ""
    code = (
        f"{AREA}.{event.reject_reason or event.event_type}" if kind in {EventKind.BOUNCED, EventKind.DEFERRED} else ""
    )
    yield Report(message_id, kind, at, code, key, is_dead=kind == EventKind.BOUNCED and _is_dead(event))
    if kind == EventKind.BOUNCED and event.reject_reason in _ALSO:
        yield Report(message_id, _ALSO[event.reject_reason], at, code)


def _is_dead(event: AnymailTrackingEvent) -> bool:
    raw = event.esp_event if isinstance(event.esp_event, dict) else {}
    named = {str(raw.get("Type")), str(raw.get("event"))} & _HARD
    told = f"{event.mta_response or ''} {event.description or ''}"
    return bool(named) or event.reject_reason == RejectReason.INVALID or _DEAD(told) is not None


def _read_id(metadata: object) -> UUID | None:
    found = metadata.get(METADATA) if isinstance(metadata, dict) else None
    try:
        return UUID(found) if isinstance(found, str) else None
    except ValueError:
        return None
