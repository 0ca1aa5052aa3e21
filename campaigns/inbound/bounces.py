"""Mail that did not arrive: who, why, and for good or not, out of any notice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaigns.inbound import autoreplies, dsn, notices, transcripts, words
from campaigns.inbound.dsn import RecipientStatus
from campaigns.inbound.notices import Entry
from campaigns.inbound.parse import NO_HEADERS, Headers, Mail, read_mail
from campaigns.replies import wording
from campaigns.replies.classify import Verdict, classify_reply
from campaigns.replies.meaning import Class, Reason

# Receipts (RFC 8098), and reports of providers about many mails.
_OTHER_REPORTS = {"disposition-notification", "tlsrpt", "feedback-report"}
# What only mail servers say.
_CODE = re.compile(r"\b[45][0-7]\d[ -][45]\.\d\.\d|\b[45]\.\d\.\d{1,3}\b|^[ \t:<>]*55\d[ -]", re.MULTILINE)


class Outcome(StrEnum):
    """What became of a mail for one recipient (RFC 3464 §2.3.3); only `failed` ever acts."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"


@dataclass(frozen=True, slots=True, repr=False)
class Failure:
    """One recipient of a notice. `addresses` are all that may be the one we wrote to, the likeliest first.

    `address` is the one the other side could not reach.
    """

    address: str
    outcome: Outcome
    verdict: Verdict
    addresses: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """The enhanced status code; where nobody gave one, what RFC 3463 has for it."""
        return self.verdict.status or {Outcome.FAILED: "5.0.0", Outcome.DELAYED: "4.0.0"}.get(self.outcome, "2.0.0")


@dataclass(frozen=True, slots=True, repr=False)
class Notice:
    """A notice taken apart: its text for people, its reports, and what it returns of our mail."""

    text: str
    reports: tuple[dsn.DeliveryStatus, ...]
    original: Headers
    returned: str = ""

    @property
    def recipients(self) -> list[RecipientStatus]:
        return [recipient for report in self.reports for recipient in report.recipients]


def open_notice(mail: Mail) -> Notice:
    """Take a notice apart; of a notice inside a notice the inner one, when the outer names nobody."""
    for _ in range(3):
        notice = _open(mail)
        inner = next(
            (part.read_bytes() for part in mail.parts if part.is_mail), notice.returned.encode("utf-8", "replace")
        )
        if notice.recipients or b"delivery-status" not in inner[:20_000].lower():
            return notice
        mail = read_mail(inner)
    return notice


def _open(mail: Mail) -> Notice:
    reports: list[dsn.DeliveryStatus] = []
    texts: list[str] = []
    original = NO_HEADERS
    for part in mail.parts:
        if part.content_type in dsn.DELIVERY_STATUS:
            reports.append(dsn.read_delivery_status(part.read_text()))
        elif part.is_mail:
            original = original if original.fields else read_mail(part.read_bytes()).headers
        elif part.headers.get("message-id") and len(mail.parts) > 1:
            original = original if original.fields else part.headers
        elif part.is_text and not original.fields and not (texts and part.content_type == "text/html"):
            text = part.read_text()
            texts += [text] if text.strip() else []
    text, returned = notices.split_original("\n".join(texts)[: 2 * notices.LONGEST])
    returned = _skip_announcement(returned)
    if not original.fields and returned:
        original = read_mail(returned.encode("utf-8", "replace")).headers
    if not any(report.recipients for report in reports) and "recipient" in text.lower():
        reports.append(dsn.read_delivery_status(text))
    return Notice(text, tuple(reports), original, returned)


def _skip_announcement(text: str) -> str:
    """A mail that is quoted in a text, without the line that announces it."""
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if ":" in line[:40] and " " not in line.partition(":")[0]), 0)
    return "\n".join(lines[start:])


def looks_like_notice(mail: Mail) -> bool:
    """Whether a mail comes from a mail system and tells of mail that did not arrive."""
    headers = mail.headers
    if mail.report_type == "delivery-status" or headers.get("x-failed-recipients"):
        return True
    if any(part.content_type in dsn.DELIVERY_STATUS for part in mail.parts):
        return True
    subject = headers.get("subject")
    if mail.report_type in _OTHER_REPORTS or words.any_of(words.AUTOREPLY_SUBJECTS, subject):
        return False
    if words.any_of(words.DAEMONS, headers.get("from")):
        return True
    tells = words.any_of(words.FAILURE_SUBJECTS, subject)
    came_from = headers.get("return-path").strip()
    # A null sender never answers anybody; without the header nobody knows.
    if came_from != "<>" and words.any_of(words.ANSWERS, subject):
        return False
    if came_from not in {"<>", ""}:
        return tells
    return tells or not autoreplies.says_so(mail) or any(_CODE.search(part.read_text()) for part in mail.parts[:3])


def tells_of_failure(mail: Mail, notice: Notice) -> bool:
    """Whether the words of a notice say that mail did not arrive, or its subject does and a server's code is in it."""
    subject = mail.headers.get("subject")
    if words.any_of(words.FAILED, f"{subject}\n{notice.text}"):
        return True
    return words.any_of(words.FAILURE_SUBJECTS, subject) and _CODE.search(notice.text) is not None


def read_failures(mail: Mail, notice: Notice) -> list[Failure]:
    """The recipients of a notice and what became of the mail for each; empty when it names nobody."""
    if notice.recipients:
        return [_judge_reported(recipient, notice) for recipient in notice.recipients]
    entries = _find_entries(mail, notice)
    return [_judge_entry(entry, notice, is_only=len(entries) == 1) for entry in entries]


def _find_entries(mail: Mail, notice: Notice) -> Sequence[Entry]:
    senders = [mail.headers.get(name) for name in ("to", "from", "reply-to", "delivered-to", "x-original-to")]
    senders += [notice.original.get(name) for name in ("from", "return-path", "sender", "reply-to")]
    others = {address.lower() for value in senders for address in notices.find_addresses(value)}
    named = notices.find_addresses(" ".join(mail.headers.get_all("x-failed-recipients")))
    if named:
        entries = {entry.address.lower(): entry for entry in notices.read_notice(notice.text, others=())}
        return [entries.get(address.lower(), Entry(address, "")) for address in named]
    found = notices.read_notice(notice.text, others=others)
    if found:
        return found
    wanted = [
        address
        for name in ("to", "x-envelope-to", "cc")
        for address in notices.find_addresses(notice.original.get(name))
    ]
    # Nobody is named: whose it was, the address it came to may say.
    return [Entry(address, "") for address in dict.fromkeys(wanted)][: notices.MOST_RECIPIENTS] or [Entry("", "")]


def _judge_reported(recipient: RecipientStatus, notice: Notice) -> Failure:
    known = recipient.action in set(Outcome)
    outcome = Outcome(recipient.action) if known else Outcome.FAILED
    if not known and recipient.status.startswith("2"):
        outcome = Outcome.DELIVERED
    told = _told_about(recipient, notice)
    verdict = _judge(recipient.diagnostic, told, status=recipient.status)
    addresses = recipient.addresses or tuple(entry.address for entry in notices.read_notice(notice.text, others=()))[:1]
    named = next(
        (address for address in (recipient.final, recipient.actual, *addresses) if notices.is_address(address)), ""
    )
    return Failure(named or recipient.final, outcome, verdict, addresses)


def _told_about(recipient: RecipientStatus, notice: Notice) -> str:
    """What the text for people says about a recipient; of a single one, all of it."""
    if len(notice.recipients) == 1:
        return notice.text
    for entry in notices.read_notice(notice.text, others=()):
        if entry.address.lower() in {address.lower() for address in recipient.addresses}:
            return entry.text
    return ""


def _judge_entry(entry: Entry, notice: Notice, *, is_only: bool) -> Failure:
    told = f"{entry.text}\n{notice.text}" if is_only else "" if entry.text else notice.text
    outcome = Outcome.FAILED
    if words.any_of(words.STILL_TRYING, notice.text) and not words.any_of(words.GAVE_UP, notice.text):
        outcome = Outcome.DELAYED
    return Failure(
        entry.address, outcome, _judge(entry.text, told, status=""), (entry.address,) if entry.address else ()
    )


def _judge(said: str, told: str, *, status: str) -> Verdict:
    """The verdict on what a server said (the closest words), by the text around it where that does not tell."""
    command = transcripts.find_command(said) or transcripts.find_command(told)
    told = transcripts.drop_wrappers(told)
    unproven = None
    candidates = (transcripts.find_reply(said) or said, said, transcripts.find_reply(told), told)
    for text in dict.fromkeys(text for text in candidates if text.strip()):
        verdict = classify_reply(wording.find_code(text), status, text, command=command)
        if unproven is None and verdict.reason not in {Reason.UNDEFINED, Reason.UNPROVEN}:
            return verdict
        if unproven is not None and verdict.bounce_class == Class.HARD:
            return verdict
        unproven = verdict if verdict.reason == Reason.UNPROVEN else unproven
    return unproven or classify_reply(0, status, "")
