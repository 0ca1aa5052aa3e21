"""Reports for tests, written as mail systems write them, about messages of ours."""

from __future__ import annotations

from campaigns import tokens
from campaigns.models import Message

RETURN_PATH = "bounces@mail.example.org"


def return_path(message: Message) -> str:
    """The address a bounce of this message comes back to (VERP)."""
    local, _, domain = RETURN_PATH.partition("@")
    return f"{local}+{tokens.bounce_token(message.public_id)}@{domain}"


def make_dsn(
    recipient: str,
    *,
    to: str = RETURN_PATH,
    action: str = "failed",
    status: str = "5.1.1",
    diagnostic: str = "550 5.1.1 <someone@example.com>: Recipient address rejected: User unknown",
    envelope_id: str = "",
    original: str = "Subject: News\r\nFrom: news@example.org\r\n",
) -> bytes:
    """A delivery status notification as Postfix writes it (RFC 3464)."""
    ident = f"Original-Envelope-Id: {envelope_id}\r\n" if envelope_id else ""
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@mx.example.net (Mail Delivery System)\r\nTo: {to}\r\n"
        "Subject: Undelivered Mail Returned to Sender\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nI'm sorry to have to inform you that your message could not be delivered.\r\n"
        "--b1\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; mx.example.net\r\n{ident}\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {diagnostic}\r\n\r\n"
        f"--b1\r\nContent-Type: text/rfc822-headers\r\n\r\n{original}\r\n--b1--\r\n"
    ).encode()


def make_complaint(message: Message, *, feedback_type: str = "abuse", headers: str = "", reader: str = "") -> bytes:
    """A feedback report (RFC 5965) that returns our mail with its return path; `reader` is often left out (FB-01)."""
    named = f"Original-Rcpt-To: {reader}\r\n" if reader else ""
    return (
        "From: <complaints@fbl.example.net>\r\nTo: abuse@example.org\r\nSubject: FW: News\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nThis is an abuse report.\r\n"
        "--b1\r\nContent-Type: message/feedback-report\r\n\r\n"
        f"Feedback-Type: {feedback_type}\r\nUser-Agent: SomeGenerator/1.0\r\nVersion: 1\r\n{named}\r\n"
        "--b1\r\nContent-Type: message/rfc822\r\n\r\n"
        f"Return-Path: <{return_path(message)}>\r\n{headers}From: news@example.org\r\nTo: redacted\r\n"
        "Subject: News\r\n\r\nHello\r\n--b1--\r\n"
    ).encode()
