"""Notices of Amazon SES as JSON in a mail of its notification service (SNS)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from campaigns.inbound.bounces import Failure, Outcome
from campaigns.inbound.parse import Headers
from campaigns.replies.classify import Verdict, classify_reply
from campaigns.replies.meaning import Reason

_MOST = 256 * 1024
# The second one is that of event destinations of a configuration set.
_KINDS = ("notificationType", "eventType")
_REASONS = {
    ("Permanent", "General"): Reason.NO_MAILBOX,
    ("Permanent", "NoEmail"): Reason.NO_MAILBOX,
    ("Transient", "MailboxFull"): Reason.MAILBOX_FULL,
    ("Transient", "MessageTooLarge"): Reason.TOO_LARGE,
    ("Transient", "ContentRejected"): Reason.BAD_CONTENT,
    ("Transient", "AttachmentRejected"): Reason.POLICY,
}


@dataclass(frozen=True, slots=True, repr=False)
class SesNotice:
    """`kind` is SES's: Bounce, Complaint, Delivery, or another; `readers` are those who complained."""

    kind: str
    original: Headers
    failures: tuple[Failure, ...] = ()
    feedback_type: str = ""
    readers: tuple[str, ...] = ()


def read_ses(text: str) -> SesNotice | None:
    """The notification in a text, None when there is none; never raises."""
    start = text.find("{")
    if start < 0 or not any(name in text[:_MOST] for name in _KINDS):
        return None
    found = _load(text[start:_MOST])
    message = found.get("Message")
    if isinstance(message, str):
        found = _load(message)
    return _read(found) if _kind_of(found) else None


def _load(text: str) -> dict[str, Any]:
    # Mail programs break its long line in the middle of words; a footer follows.
    for candidate in (text, text.replace("\n ", "").replace("\n", "")):
        try:
            return _object(json.JSONDecoder(strict=False).raw_decode(candidate)[0])
        except (ValueError, RecursionError):
            continue
    return {}


def _read(told: dict[str, Any]) -> SesNotice:
    headers = _objects(_object(told.get("mail")).get("headers"))
    original = Headers(tuple((_text(row.get("name")).lower(), _text(row.get("value"))) for row in headers))
    kind = _kind_of(told)
    if kind == "Complaint":
        complaint = _object(told.get("complaint"))
        readers = (_text(row.get("emailAddress")) for row in _objects(complaint.get("complainedRecipients")))
        feedback_type = _text(complaint.get("complaintFeedbackType")).lower() or "abuse"
        return SesNotice(kind, original, feedback_type=feedback_type, readers=tuple(readers))
    if kind == "Delivery":
        arrived = _object(told.get("delivery")).get("recipients")
        found = [_text(reader) for reader in arrived] if isinstance(arrived, list) else []
        return SesNotice(kind, original, tuple(_delivered(reader) for reader in found if reader))
    bounce = _object(told.get("bounce"))
    kinds = (_text(bounce.get("bounceType")), _text(bounce.get("bounceSubType")))
    return SesNotice(kind, original, tuple(_judge(row, kinds) for row in _objects(bounce.get("bouncedRecipients"))))


def _kind_of(told: dict[str, Any]) -> str:
    return next((_text(told[name]) for name in _KINDS if isinstance(told.get(name), str)), "")


def _delivered(reader: str) -> Failure:
    return Failure(reader, Outcome.DELIVERED, Verdict(Reason.UNDEFINED, "2.0.0"), (reader,))


def _judge(row: dict[str, Any], kinds: tuple[str, str]) -> Failure:
    address, status = _text(row.get("emailAddress")), _text(row.get("status"))
    verdict = classify_reply(0, status, _text(row.get("diagnosticCode")))
    if verdict.reason == Reason.UNDEFINED:
        verdict = Verdict(_REASONS.get(kinds, Reason.UNDEFINED), status)
    return Failure(address, Outcome.FAILED, verdict, (address,))


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value[:4_000] if isinstance(value, str) else ""
