"""Complaints: abuse reports (RFC 5965, 6430, 6591) and what feedback loops send instead (FB-01 to FB-04)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from campaigns.inbound import notices
from campaigns.inbound.parse import NO_HEADERS, Headers, Mail, Part, read_mail

# Types that ask for no more mail (FB-02); the others are logged.
ACTING = frozenset({"abuse", "fraud", "opt-out"})

_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{2,40})[ \t]*:[ \t]*(.*)$", re.MULTILINE)
# Outlook's JMRP and its like: the mail as it was, with a header that names the reader, and no report beside it.
_READER_HEADERS = ("x-hmxmroriginalrecipient", "x-hmxmrreporter")
_ABOUT_SUBJECT = re.compile(
    r"complaint about message from|^(?:fw|fwd): .{0,20}(?:abuse|spam) (?:report|complaint)|email feedback report|abuse report",
    re.IGNORECASE,
)
# Who writes nothing but complaints, whatever the subject is.
_LOOPS = re.compile(
    r"\b(?:staff@hotmail\.com|complaints@email-abuse\.amazonses\.com|(?:fbl|feedback-?loop|scomp|arf)[\w.-]*@|@(?:fbl|feedback|arf)\.)",
    re.IGNORECASE,
)
# SpamCop sends the mail as text behind its own words.
_SPAMCOP = re.compile(r"^\[spamcop \(", re.IGNORECASE)
_UNSUBSCRIBE = re.compile(r"^(?:re: ?)?(?:unsubscribe|opt[- ]?out|remove)\b", re.IGNORECASE)
_SENT_BY_BUTTON = re.compile(
    r"sent this e-?mail to unsubscribe|list-unsubscribe|unsubscribe from the message", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, repr=False)
class Complaint:
    """`feedback_type` in lower case (`abuse` where none is given); `addresses` may be redacted or empty, and so may `mail_from` and
    `envelope_id` of the mail it is about (FB-01)."""

    feedback_type: str
    addresses: tuple[str, ...]
    original: Headers
    mail_from: str = ""
    envelope_id: str = ""

    @property
    def acts(self) -> bool:
        return self.feedback_type in ACTING


def read_complaint(mail: Mail) -> Complaint | None:
    """The complaint in a mail, None when it is none."""
    report = next((part for part in mail.parts if _is_report(part)), None)
    original = next((read_mail(part.read_bytes()).headers for part in mail.parts if part.is_mail), NO_HEADERS)
    if report is not None or mail.report_type == "feedback-report":
        fields = _read_fields(report.read_text() if report is not None else "")
        return Complaint(
            fields.get("feedback-type", "abuse").strip().lower()[:40],
            _find_readers(fields, original),
            original,
            mail_from=fields.get("original-mail-from", "")[:320],
            envelope_id=fields.get("original-envelope-id", "")[:200],
        )
    # Some loops pass the mail on as it is, with the reader in its own headers.
    original = original if original.fields or not any(map(mail.headers.get, _READER_HEADERS)) else mail.headers
    readers = [original.get(name) for name in _READER_HEADERS if "@" in original.get(name)]
    subject = mail.headers.get("subject")
    if _SPAMCOP.search(subject):
        original = original if original.fields else _read_quoted(mail)
    is_about = (
        _ABOUT_SUBJECT.search(subject)
        or _SPAMCOP.search(subject)
        or _LOOPS.search(mail.headers.get("from"))
        or any(mail.headers.get(name) for name in ("x-xarf", "x-arf"))
    )
    if readers or (original.fields and is_about):
        return Complaint("abuse", _find_readers({"original-rcpt-to": " ".join(readers)}, original), original)
    if _is_button(mail):
        return Complaint("opt-out", tuple(notices.find_addresses(mail.headers.get("from"))), original)
    return None


def _is_report(part: Part) -> bool:
    """The machine-readable part, also where it goes as plain text."""
    if part.content_type == "message/feedback-report":
        return True
    return (
        part.is_text and b"feedback-type:" in part.body[:2_000].lower() and b"user-agent:" in part.body[:2_000].lower()
    )


def _read_fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in _FIELD.findall(text[:20_000]):
        fields[name.lower()] = f"{fields.get(name.lower(), '')} {value}".strip()
    return fields


def _find_readers(fields: dict[str, str], original: Headers) -> tuple[str, ...]:
    told = [fields.get(name, "") for name in ("original-rcpt-to", "removal-recipient")]
    told += [original.get(name) for name in (*_READER_HEADERS, "to", "delivered-to")]
    return tuple(dict.fromkeys(address for value in told for address in notices.find_addresses(value)))


def _read_quoted(mail: Mail) -> Headers:
    """The headers of a mail that stands in the text of another."""
    text = next((part.read_text() for part in mail.parts if part.is_text), "")
    return read_mail(notices.split_original(text)[1].encode("utf-8", "replace")).headers


def _is_button(mail: Mail) -> bool:
    """A mail program's own unsubscribe button, which writes a mail (RFC 2369)."""
    if mail.headers.get("x-apple-unsubscribe").strip().lower() == "true":
        return True
    if not _UNSUBSCRIBE.match(mail.headers.get("subject")):
        return False
    return any(part.is_text and _SENT_BY_BUTTON.search(part.read_text()[:2_000]) for part in mail.parts)
