"""A delivery status notification as bytes: a multipart/report (RFC 3464, 6522) that gives back headers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from uuid import uuid4


class Action(StrEnum):
    """What became of the mail to one recipient (RFC 3464 §2.3.3)."""

    FAILED = "failed"
    DELIVERED = "delivered"
    RELAYED = "relayed"


SUBJECTS = {
    Action.FAILED: "Undelivered mail returned to sender",
    Action.DELIVERED: "Successful mail delivery report",
    Action.RELAYED: "Successful mail delivery report",
}
_WORDS = {
    Action.FAILED: "could not be delivered to",
    Action.DELIVERED: "was delivered to",
    Action.RELAYED: "was handed to the next server, which may report no further, for",
}


@dataclass(frozen=True, slots=True, repr=False)
class RecipientStatus:
    """One recipient; `diagnostic` is `type; text`, `original` is `type;address` as the sender had it, both '' when unknown."""

    address: str
    action: Action
    status: str
    diagnostic: str = ""
    original: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class DeliveryReport:
    """About one mail, to the mailbox `to`, by the host `reporter`; `head` are the mail's headers, CRLF lines."""

    reporter: str
    from_mailbox: str
    to: str
    arrived_at: datetime
    head: str
    recipients: Sequence[RecipientStatus]
    envelope_id: str = ""

    @property
    def subject(self) -> str:
        actions = [entry.action for entry in self.recipients]
        return SUBJECTS[Action.FAILED if Action.FAILED in actions else actions[0]]


def write_report(report: DeliveryReport, *, now: datetime) -> bytes:
    """The mail, seven bits and CRLF lines."""
    boundary = f"=_{uuid4().hex}"
    domain = report.from_mailbox.rpartition("@")[2]
    lines = [
        f"From: Mail Delivery System <{report.from_mailbox}>",
        f"To: <{report.to}>",
        f"Subject: {report.subject}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: <{uuid4().hex}@{domain}>",
        "Auto-Submitted: auto-replied",  # no answer to it from anybody (RFC 3834)
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="{boundary}"',
        *("", f"--{boundary}", "Content-Type: text/plain; charset=us-ascii", "", *_text(report)),
        *("", f"--{boundary}", "Content-Type: message/delivery-status", "", *_status(report)),
        *("", f"--{boundary}", "Content-Type: text/rfc822-headers", "", report.head.rstrip("\r\n")),
        *("", f"--{boundary}--", ""),
    ]
    return "\r\n".join(lines).encode("ascii", "backslashreplace")


def _text(report: DeliveryReport) -> list[str]:
    lines = ["This is the mail system of the server you sent by.", ""]
    for entry in report.recipients:
        lines += [f"Your mail {_WORDS[entry.action]}", f"  {entry.address}", f"  Status: {entry.status}"]
        lines += [f"  {entry.diagnostic}", ""] if entry.diagnostic else [""]
    return [*lines, "The headers of your mail are enclosed."]


def _status(report: DeliveryReport) -> list[str]:
    lines = [f"Original-Envelope-Id: {report.envelope_id}"] if report.envelope_id else []
    lines += [f"Reporting-MTA: dns; {report.reporter}", f"Arrival-Date: {format_datetime(report.arrived_at)}"]
    for entry in report.recipients:
        lines += ["", *([f"Original-Recipient: {entry.original}"] if entry.original else [])]
        lines += [f"Final-Recipient: {_typed(entry.address)}", f"Action: {entry.action}", f"Status: {entry.status}"]
        lines += [f"Diagnostic-Code: {entry.diagnostic}"] if entry.diagnostic else []
    return lines


def _typed(address: str) -> str:
    """The address with its type; letters beyond ASCII in the form of RFC 6533 §3 for seven bits."""
    if address.isascii():
        return f"rfc822; {address}"
    return "utf-8; " + "".join(char if char.isascii() and char != "\\" else f"\\x{{{ord(char):X}}}" for char in address)
