"""What a mail that came to us is: a bounce, a delay, a delivery, a complaint, an automatic answer, or something else."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from campaigns.inbound import bounces, complaints
from campaigns.inbound.autoreplies import is_autoreply
from campaigns.inbound.bounces import Failure, Outcome
from campaigns.inbound.parse import NO_HEADERS, Headers, Mail, read_mail
from campaigns.inbound.ses import SesNotice, read_ses

log = logging.getLogger(__name__)


class Kind(StrEnum):
    BOUNCE = "bounce"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    COMPLAINT = "complaint"
    AUTOREPLY = "autoreply"
    OTHER = "other"


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """A mail read as a report. `original` are the headers of ours that it returns, as far as it does.

    `feedback_type`, `complainers` and `mail_from` (the return path ours had) are those of a complaint, `failures` those
    of the other kinds.
    """

    kind: Kind
    headers: Headers
    failures: tuple[Failure, ...] = ()
    original: Headers = NO_HEADERS
    envelope_id: str = ""
    feedback_type: str = ""
    complainers: tuple[str, ...] = ()
    mail_from: str = ""
    is_partial: bool = False


def read_report(raw: bytes, *, mail_from: str | None = None) -> Report:
    """The report in these bytes, whatever they are; never raises.

    `mail_from` is the sender of its envelope ('': none, as mail systems write), where it is known; otherwise the
    Return-Path header tells.
    """
    try:
        mail = read_mail(raw)
        return _read(mail if mail_from is None else _with_return_path(mail, mail_from))
    except Exception as error:
        # Strangers write these mails, and one of them must never stop the others. No traceback: it may quote the mail.
        log.error("A mail could not be read: %s", type(error).__name__)  # noqa: TRY400
        return Report(Kind.OTHER, NO_HEADERS, is_partial=True)


def _with_return_path(mail: Mail, mail_from: str) -> Mail:
    others = (field for field in mail.headers.fields if field[0] != "return-path")
    return replace(mail, headers=Headers((("return-path", f"<{mail_from}>"), *others)))


def _read(mail: Mail) -> Report:
    complaint = complaints.read_complaint(mail)
    if complaint is not None:
        return Report(
            Kind.COMPLAINT,
            mail.headers,
            original=complaint.original,
            feedback_type=complaint.feedback_type,
            complainers=complaint.addresses,
            mail_from=complaint.mail_from,
            envelope_id=complaint.envelope_id,
            is_partial=mail.is_partial,
        )
    told = next((found for part in mail.parts if part.is_text and (found := read_ses(part.read_text()))), None)
    if told is not None:
        return _read_ses(mail, told)
    if bounces.looks_like_notice(mail):
        report = _read_notice(mail)
        if report is not None:
            return report
    return Report(Kind.AUTOREPLY if is_autoreply(mail) else Kind.OTHER, mail.headers, is_partial=mail.is_partial)


def _read_notice(mail: Mail) -> Report | None:
    notice = bounces.open_notice(mail)
    failures = bounces.read_failures(mail, notice)
    if not notice.recipients and not bounces.tells_of_failure(mail, notice):
        return None
    envelope_id = next((report.envelope_id for report in notice.reports if report.envelope_id), "")
    kind = _kind_of(failures)
    return Report(kind, mail.headers, tuple(failures), notice.original, envelope_id, is_partial=mail.is_partial)


def _kind_of(failures: list[Failure]) -> Kind:
    outcomes = {failure.outcome for failure in failures}
    if Outcome.FAILED in outcomes or not outcomes:
        return Kind.BOUNCE
    return Kind.DELAYED if Outcome.DELAYED in outcomes else Kind.DELIVERED


def _read_ses(mail: Mail, told: SesNotice) -> Report:
    if told.kind == "Complaint":
        return Report(
            Kind.COMPLAINT,
            mail.headers,
            original=told.original,
            feedback_type=told.feedback_type,
            complainers=told.readers,
        )
    kind = Kind.OTHER if not told.failures else Kind.DELIVERED if told.kind == "Delivery" else Kind.BOUNCE
    return Report(kind, mail.headers, told.failures, told.original)


def describe_report(report: Report) -> dict[str, Any]:
    """The report as plain values: kind, and for each recipient address, class, reason and status."""
    rows = [
        {
            "address": failure.address,
            "class": str(failure.verdict.bounce_class if failure.outcome == Outcome.FAILED else failure.outcome),
            "reason": str(failure.verdict.reason),
            "status": failure.status,
        }
        for failure in report.failures
    ]
    rows += [
        {"address": address, "class": "complaint", "reason": report.feedback_type, "status": ""}
        for address in report.complainers
    ]
    return {"kind": str(report.kind), "recipients": rows}
