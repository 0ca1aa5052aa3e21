"""Delivery status notifications (RFC 3464, 3461, 6533): the machine-readable part, however it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_RECIPIENTS = 50
DELIVERY_STATUS = ("message/delivery-status", "message/global-delivery-status", "message/delivery-report")

_FIELD = re.compile(r"\s{0,3}([A-Za-z][A-Za-z-]{2,40})[ \t]*:[ \t]*(.*)")
_ABOUT_RECIPIENT = {
    "final-recipient", "original-recipient", "action", "status", "diagnostic-code", "remote-mta", "last-attempt-date",
    "will-retry-until", "x-actual-recipient", "final-log-id", "x-supplementary-info", "x-display-name",
}  # fmt: skip
_NAMES = {"final-recipient", "original-recipient", "x-actual-recipient"}
_QUOTED = re.compile(r'"[^"]{1,64}"@[^\s<>]{1,255}')
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_UNITEXT = re.compile(r"\\x\{(1?[0-9A-F]{1,6})\}", re.IGNORECASE)
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_COMMENT = re.compile(r"\([^()]{0,200}\)")


@dataclass(frozen=True, slots=True, repr=False)
class RecipientStatus:
    """What a notification says of one recipient; `action` and `status` are empty where it does not say."""

    final: str = ""
    original: str = ""
    actual: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    remote: str = ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Everything that may be the address we wrote to, the likeliest first."""
        # Decoded last: a report has no xtext, and some write it all the same.
        named = (self.original, self.final, self.actual, read_xtext(self.original))
        return tuple(dict.fromkeys(address for address in named if "@" in address))


@dataclass(frozen=True, slots=True, repr=False)
class DeliveryStatus:
    """A whole report; `envelope_id` is the ENVID of the mail it is about (RFC 3461 §4.4)."""

    envelope_id: str = ""
    recipients: tuple[RecipientStatus, ...] = field(default_factory=tuple)


def read_delivery_status(text: str) -> DeliveryStatus:
    """The report in a text of fields; its recipients are empty when there are none in it.

    Takes what breaks RFC 3464: no blank line between recipients, blank lines within one, an order of its own.
    """
    envelope_id, is_after_blank = "", False
    recipients: list[dict[str, str]] = [{}]
    for name, value in _fields(text):
        if name == "original-envelope-id":
            envelope_id = envelope_id or value[:200]
        elif name in _ABOUT_RECIPIENT:
            # A second one of a field begins the next recipient, and so does a name in a group of its own.
            is_next = is_after_blank and name in _NAMES and _names_recipient(recipients[-1])
            if is_next or name in recipients[-1]:
                if len(recipients) >= MOST_RECIPIENTS:
                    break
                recipients.append({})
            recipients[-1][name] = value
        is_after_blank = name == ""
    found = tuple(_read_recipient(fields) for fields in recipients if _names_recipient(fields))
    return DeliveryStatus(envelope_id, found)


def _fields(text: str) -> Iterator[tuple[str, str]]:
    """(name in lower case, unfolded value) of each field, and ('', '') for each blank line."""
    name, value = "", ""
    for line in text.splitlines():
        if name and line[:1] in {" ", "\t"} and line.strip() and not _is_known_field(line):
            value = f"{value} {line.strip()}" if len(value) < 4_000 else value
            continue
        if name:
            yield name, value
        found = _FIELD.match(line)
        name, value = (found[1].lower(), found[2].strip()) if found else ("", "")
        if not line.strip():
            yield "", ""
    if name:
        yield name, value


def _is_known_field(line: str) -> bool:
    found = _FIELD.match(line)
    return found is not None and found[1].lower() in _ABOUT_RECIPIENT


def _names_recipient(fields: dict[str, str]) -> bool:
    return bool(fields.keys() & _NAMES)


def _read_recipient(fields: dict[str, str]) -> RecipientStatus:
    status = _STATUS.search(fields.get("status", ""))
    action = _COMMENT.sub("", fields.get("action", "")).strip().lower()
    return RecipientStatus(
        final=read_typed_address(fields.get("final-recipient", "")),
        original=read_typed_address(fields.get("original-recipient", "")),
        actual=read_typed_address(fields.get("x-actual-recipient", "")),
        action=action.partition(" ")[0],
        status=status[0] if status else "",
        diagnostic=_strip_type(fields.get("diagnostic-code", "")),
        remote=_strip_type(fields.get("remote-mta", "")),
    )


def read_typed_address(value: str) -> str:
    """The address behind `rfc822;` or `utf-8;` in a report (RFC 3464 §2.3.1, RFC 6533 §3)."""
    kind, semicolon, address = value.partition(";")
    address = (address if semicolon else kind).strip()
    if semicolon and kind.strip().lower() in {"utf-8", "utf8"}:
        address = _UNITEXT.sub(lambda found: _character(found[1]), address)
    if address.startswith("<") or "<" in address:
        address = address.partition("<")[2].partition(">")[0]
    elif quoted := _QUOTED.match(address):
        address = quoted[0]
    else:
        address = _COMMENT.sub("", address).strip().partition(" ")[0]
    return address.strip("<>';, ")[:320]


def _character(number: str) -> str:
    code = int(number, 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else ""


def read_xtext(value: str) -> str:
    """xtext decoded (RFC 3461 §4): `+2B` is a plus."""
    return _XTEXT.sub(lambda found: chr(int(found[1], 16)), value.strip())


def _strip_type(value: str) -> str:
    """The text behind `smtp;` and its like."""
    kind, semicolon, rest = value.partition(";")
    return rest.strip() if semicolon and len(kind.strip()) < 20 and " " not in kind.strip() else value.strip()
