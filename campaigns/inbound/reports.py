"""What a mail that came to us is: a bounce, a delay, a delivery, a complaint, an automatic answer, or something else."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from campaigns.inbound import bounces, complaints, ses, words
from campaigns.inbound.autoreplies import is_autoreply
from campaigns.inbound.bounces import Failure, Outcome
from campaigns.inbound.parse import Headers, Mail, read_mail
from campaigns.replies.classify import Verdict, classify_reply
from campaigns.replies.meaning import Reason

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

    `feedback_type` and `complainers` are those of a complaint, `failures` those of the other kinds.
    """

    kind: Kind
    headers: Headers
    failures: tuple[Failure, ...] = ()
    original: Headers = Headers()
    envelope_id: str = ""
    feedback_type: str = ""
    complainers: tuple[str, ...] = ()
    is_partial: bool = False


def read_report(raw: bytes) -> Report:
    """The report in these bytes, whatever they are; never raises."""
    try:
        return _read(read_mail(raw))
    except Exception as error:
        # Strangers write these mails, and one of them must never stop the others. No traceback: it may quote the mail.
        log.error("A mail could not be read: %s", type(error).__name__)  # noqa: TRY400
        return Report(Kind.OTHER, Headers(), is_partial=True)


def _read(mail: Mail) -> Report:
    complaint = complaints.read_complaint(mail)
    if complaint is not None:
        return Report(
            Kind.COMPLAINT,
            mail.headers,
            original=complaint.original,
            feedback_type=complaint.feedback_type,
            complainers=complaint.addresses,
            is_partial=mail.is_partial,
        )
    told = next((found for part in mail.parts if part.is_text and (found := ses.read_ses(part.read_text()))), None)
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
    if not notice.recipients and not words.any_of(words.FAILED, f"{mail.headers.get('subject')}\n{notice.text}"):
        return None
    envelope_id = next((report.envelope_id for report in notice.reports if report.envelope_id), "")
    kind = _kind_of(failures)
    return Report(kind, mail.headers, tuple(failures), notice.original, envelope_id, is_partial=mail.is_partial)


def _kind_of(failures: list[Failure]) -> Kind:
    outcomes = {failure.outcome for failure in failures}
    if Outcome.FAILED in outcomes or not outcomes:
        return Kind.BOUNCE
    return Kind.DELAYED if Outcome.DELAYED in outcomes else Kind.DELIVERED


# --- Amazon SES -------------------------------------------------------------------------------------

_SES_REASONS = {
    ("Permanent", "General"): Reason.NO_MAILBOX,
    ("Permanent", "NoEmail"): Reason.NO_MAILBOX,
    ("Transient", "MailboxFull"): Reason.MAILBOX_FULL,
    ("Transient", "MessageTooLarge"): Reason.TOO_LARGE,
    ("Transient", "ContentRejected"): Reason.BAD_CONTENT,
    ("Transient", "AttachmentRejected"): Reason.POLICY,
}


def _read_ses(mail: Mail, told: dict[str, Any]) -> Report:
    sent = told.get("mail") if isinstance(told.get("mail"), dict) else {}
    fields = tuple(
        (ses.text_of(h.get("name")).lower(), ses.text_of(h.get("value"))) for h in ses.list_of(sent.get("headers"))
    )
    original = Headers(fields)
    kind = told["notificationType"]
    if kind == "Complaint":
        complaint = told.get("complaint") if isinstance(told.get("complaint"), dict) else {}
        readers = [
            ses.text_of(reader.get("emailAddress")) for reader in ses.list_of(complaint.get("complainedRecipients"))
        ]
        feedback = ses.text_of(complaint.get("complaintFeedbackType")).lower() or "abuse"
        return Report(
            Kind.COMPLAINT, mail.headers, original=original, feedback_type=feedback, complainers=tuple(readers)
        )
    if kind == "Delivery":
        delivery = told.get("delivery") if isinstance(told.get("delivery"), dict) else {}
        arrived = [ses.text_of(reader) for reader in delivery.get("recipients") or [] if isinstance(reader, str)]
        failures = tuple(
            Failure(reader, Outcome.DELIVERED, Verdict(Reason.UNDEFINED, "2.0.0"), (reader,)) for reader in arrived
        )
        return Report(Kind.DELIVERED, mail.headers, failures, original)
    bounce = told.get("bounce") if isinstance(told.get("bounce"), dict) else {}
    kinds = (ses.text_of(bounce.get("bounceType")), ses.text_of(bounce.get("bounceSubType")))
    failures = tuple(_judge_ses(row, kinds) for row in ses.list_of(bounce.get("bouncedRecipients")))
    return Report(Kind.BOUNCE if failures else Kind.OTHER, mail.headers, failures, original)


def _judge_ses(row: dict[str, Any], kinds: tuple[str, str]) -> Failure:
    address, status = ses.text_of(row.get("emailAddress")), ses.text_of(row.get("status"))
    verdict = classify_reply(0, status, ses.text_of(row.get("diagnosticCode")))
    if verdict.reason == Reason.UNDEFINED:
        verdict = Verdict(_SES_REASONS.get(kinds, Reason.UNDEFINED), status)
    return Failure(address, Outcome.FAILED, verdict, (address,))
