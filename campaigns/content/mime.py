"""Headers and entities of a mail as wire bytes (RFC 5322, 2045-2047, 2369, 2919, 8058).

Written here because the standard library breaks what providers look at: it encodes long List-Unsubscribe
URLs as RFC 2047 words, and lets line breaks in display names through.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache

from campaigns import addresses
from campaigns.content.problems import RenderError
from campaigns.content.values import clean
from campaigns.errors import AddressError

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOMAIN = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_MAILBOX = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_DOMAIN}").fullmatch
_LIST_ID = re.compile(rf"{_DOMAIN}").fullmatch
_FEEDBACK_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}").fullmatch
# What a mailto: address says as it stands (RFC 6068 §2): other signs would have to be written as numbers.
_PLAIN_MAILBOX = re.compile(r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9.-]{1,255}").fullmatch
_WEB_URL = re.compile(r"https?://[!#-;=?-\[\]_a-z~]+").fullmatch
_PRINTABLE = re.compile(r"[ -~]*").fullmatch
_HEADER_NAME = re.compile(r"[!-9;-~]{1,76}").fullmatch
_LONGEST_LINE = 998
_FOLD_AT = 76


@dataclass(frozen=True, slots=True)
class MailFrame:
    """What every mail of a submission shares. Mailboxes are `local@a-label-domain`, without a name.

    `allow_utf8` says that the next hop offers SMTPUTF8 (RFC 6531), so local parts need not be ASCII. `headers` are the
    caller's own, each (name, value); which names are allowed is the door's business.
    """

    from_name: str
    from_mailbox: str
    reply_to: str = ""
    list_id: str = ""
    feedback_id: str = ""
    is_bulk: bool = False
    account_name: str = ""
    postal_address: str = ""
    allow_utf8: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class MailRecipient:
    """One recipient; its repr shows nothing. `message_id` comes without <>, `values` by variable name.

    `to` and `cc` are what the headers show, each (name, mailbox), where that is not just the recipient. Whoever writes to
    `unsubscribe_mailbox` wants no more; empty when nobody reads such mail.
    """

    mailbox: str
    values: Mapping[str, object] = field(default_factory=dict)
    message_id: str = ""
    unsubscribe_url: str = ""
    unsubscribe_mailbox: str = ""
    browser_url: str = ""
    name: str = ""
    to: tuple[tuple[str, str], ...] | None = None
    cc: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, repr=False)
class Enclosed:
    """Attachments and inline images as finished MIME parts, encoded once for all mails of a request."""

    mixed: tuple[bytes, ...] = ()
    related: tuple[bytes, ...] = ()


NOTHING = Enclosed()


@lru_cache(maxsize=256)
def frame_head(frame: MailFrame) -> bytes:
    """The headers all mails of a frame share; raises RenderError for what no header may carry."""
    lines = [b"From: " + mailbox_header("From", frame.from_name, frame.from_mailbox, allow_utf8=frame.allow_utf8)]
    if frame.reply_to:
        lines.append(b"Reply-To: " + mailbox_header("Reply-To", "", frame.reply_to, allow_utf8=frame.allow_utf8))
    if frame.list_id:
        lines.append(b"List-ID: " + _list_id(frame.list_id))
    if frame.feedback_id:
        _require(bool(_FEEDBACK_ID(frame.feedback_id)), "header.feedback-id", "Feedback-ID")
        lines.append(b"Feedback-ID: " + frame.feedback_id.encode("ascii"))
    if frame.is_bulk:
        # Silences vacation answers; transactional mail never has it (LH-04).
        lines.append(b"Precedence: bulk")
    lines += [header_name(name) + b": " + unstructured(name, text) for name, text in frame.headers]
    lines.append(b"MIME-Version: 1.0")
    return b"\r\n".join(lines) + b"\r\n"


def recipient_head(recipient: MailRecipient, *, allow_utf8: bool, date: datetime) -> bytes:
    """To, Date, Message-ID and the unsubscribe headers of one mail."""
    to = _shown_recipients(recipient, allow_utf8=allow_utf8)
    if not _MAILBOX(recipient.message_id) or len(recipient.message_id) > 250:
        _require(False, "header.message-id", "Message-ID")
    head = b"To: %b\r\nDate: %b\r\nMessage-ID: <%b>\r\n" % (
        to,
        _date(date.replace(microsecond=0), date.utcoffset()),
        recipient.message_id.encode("ascii"),
    )
    if not recipient.unsubscribe_url:
        return head
    return head + unsubscribe_headers(recipient.unsubscribe_url, recipient.unsubscribe_mailbox)


def _shown_recipients(recipient: MailRecipient, *, allow_utf8: bool) -> bytes:
    """The value of To, and the Cc header behind it."""
    if recipient.to is None:
        to = mailbox_header("To", recipient.name, recipient.mailbox, allow_utf8=allow_utf8)
    elif recipient.to:
        to = b",\r\n ".join(mailbox_header("To", *shown, allow_utf8=allow_utf8) for shown in recipient.to)
    else:
        to = b"undisclosed-recipients:;"
    if not recipient.cc:
        return to
    return (
        to + b"\r\nCc: " + b",\r\n ".join(mailbox_header("Cc", *shown, allow_utf8=allow_utf8) for shown in recipient.cc)
    )


def header_name(name: str) -> bytes:
    """A header's name as it stands on the wire (RFC 5322 §3.6.8); raises RenderError."""
    _require(bool(_HEADER_NAME(name)), "header.name", "custom")
    return name.encode("ascii")


def unsubscribe_headers(url: str, mailbox: str = "") -> bytes:
    """List-Unsubscribe with the URL byte for byte and its one-click partner (RFC 8058; UN-01, UN-03).

    A mailbox is the second way, for mail programs that write a mail (RFC 2369 §3.2); the only fold stands before it.
    """
    if not _WEB_URL(url) or len(url) > _LONGEST_LINE - len("List-Unsubscribe: <>"):
        raise RenderError("header.unsubscribe-url", "The unsubscribe URL cannot stand in a header.")
    if mailbox and not _PLAIN_MAILBOX(mailbox):
        raise RenderError("header.unsubscribe-mailbox", "The unsubscribe address cannot stand in a header.")
    by_mail = b",\r\n <mailto:%b?subject=unsubscribe>" % mailbox.encode("ascii") if mailbox else b""
    one_click = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return b"List-Unsubscribe: <%b>%b\r\n%b" % (url.encode("ascii"), by_mail, one_click)


def subject_header(subject: str) -> bytes:
    """The whole Subject header line(s); raises RenderError for control characters and line breaks (MF-09)."""
    return b"Subject: " + unstructured("Subject", subject.strip()) + b"\r\n"


def subject_text(subject: str) -> str:
    """The subject as its header reads; raises RenderError for control characters and line breaks (MF-09)."""
    return header_text("Subject", subject)


def header_text(header: str, text: str) -> str:
    """The text as a header may carry it; raises RenderError for control characters and line breaks (MF-09)."""
    return _checked(header, text.strip())


def mailbox_header(header: str, name: str, mailbox: str, *, allow_utf8: bool) -> bytes:
    """One mailbox that reads back as exactly one mailbox, whatever the display name is (MF-08)."""
    if not _MAILBOX(mailbox):
        mailbox = _wire_mailbox(mailbox, allow_utf8=allow_utf8)
    address = mailbox.encode()
    if not name:
        return address
    phrase = _phrase(header, name)
    last = len(phrase) - phrase.rfind(b"\n") - 1 + (0 if b"\n" in phrase else len(header) + 2)
    space = b" " if last + len(address) + 3 <= _FOLD_AT else b"\r\n "
    return b"%b%b<%b>" % (phrase, space, address)


def _wire_mailbox(mailbox: str, *, allow_utf8: bool) -> str:
    """The mailbox with its domain as A-label (IN-03); raises RenderError for what cannot go out (IN-02)."""
    try:
        address = addresses.parse(mailbox) if mailbox.strip() == mailbox else None
    except AddressError:
        address = None
    if address is None:
        raise RenderError("address.invalid", "This is not an address a mail can carry.", action="Correct the address.")
    if address.needs_smtputf8 and not allow_utf8:
        raise RenderError(
            "address.needs-smtputf8",
            "This address has letters beyond ASCII before the @, which the next mail server does not take.",
            action="Use another address of this person, or a mail server that offers SMTPUTF8.",
        )
    return address.mailbox


def _phrase(header: str, name: str) -> bytes:
    name = _checked(header, name).strip()
    if _PRINTABLE(name) and "=?" not in name and len(name) <= 50:
        return b'"%b"' % name.replace("\\", "\\\\").replace('"', '\\"').encode("ascii")
    return _encoded_words(name, first_line=len(header) + 2)


def unstructured(header: str, text: str) -> bytes:
    """The value of an unstructured header, folded; encoded words only where needed, and for literal `=?` (MF-07)."""
    text = _checked(header, text)
    if not _PRINTABLE(text) or "=?" in text:
        return _encoded_words(text, first_line=len(header) + 2)
    if len(header) + 2 + len(text) <= _FOLD_AT:
        return text.encode("ascii")
    folded = _folded(text, first_line=len(header) + 2)
    if folded is None:
        return _encoded_words(text, first_line=len(header) + 2)
    return folded.encode("ascii")


def _folded(text: str, *, first_line: int) -> str | None:
    """ASCII text folded at single spaces so that unfolding gives it back; None when a line would stay too long."""
    lines: list[str] = []
    line = ""
    room = _FOLD_AT - first_line
    # A run of spaces stays inside its line: a fold there could leave a line of white space (MF-05).
    for word in re.split(r"(?<! ) (?! )", text):
        if line and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, room = word, _FOLD_AT - 1
        else:
            line = f"{line} {word}" if line else word
    lines.append(line)
    too_long = any(len(part) > _FOLD_AT for part in lines)
    return None if too_long else "\r\n ".join(lines)


def _encoded_words(text: str, *, first_line: int) -> bytes:
    """RFC 2047 words of at most 75 characters, whole characters each, one per line."""
    return b"\r\n ".join(b"=?utf-8?b?%b?=" % b64encode(chunk) for chunk in _chunks(text, first_line=first_line))


def _chunks(text: str, *, first_line: int) -> Iterator[bytes]:
    # "=?utf-8?b?" and "?=" take 12 characters, base64 makes 4 of 3.
    room = (_FOLD_AT - first_line - 12) // 4 * 3
    chunk = b""
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > room:
            yield chunk
            chunk, room = b"", 45
        chunk += encoded
    yield chunk


def _checked(header: str, text: str) -> str:
    if "\n" in clean(text):
        raise RenderError(
            "header.line-break",
            f"The {header} header would hold a line break.",
            action="Remove line breaks from subjects and names.",
        )
    return text.replace("\t", " ")


def _list_id(text: str) -> bytes:
    """`label.domain` or `Name <label.domain>` (RFC 2919; LH-01)."""
    name, angle, rest = text.rpartition("<")
    label = rest.strip().removesuffix(">") if angle else text.strip()
    _require(len(label) <= 255 and bool(_LIST_ID(label)), "header.list-id", "List-ID")
    bracketed = b"<" + label.encode("ascii") + b">"
    # The label on its own line: it may be long and is never folded.
    return _phrase("List-ID", name) + b"\r\n " + bracketed if name.strip() else bracketed


def _require(condition: bool, code: str, header: str) -> None:
    if not condition:
        raise RenderError(code, f"The {header} header cannot be written with this value.")


@lru_cache(maxsize=64)
def _date(date: datetime, offset: timedelta | None) -> bytes:
    # The offset is part of the key: equal instants of two zones are equal dates.
    if offset is None:
        raise ValueError("the date of a mail has a time zone (MF-02)")
    return format_datetime(date).encode("ascii")


def text_entity_head(subtype: str) -> bytes:
    """Headers of a text entity and the blank line after them."""
    return (
        b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        % subtype.encode("ascii")
    )


def multipart_head(subtype: str, *, boundary: str) -> bytes:
    """Headers of a multipart entity; the CRLF of its first delimiter is the blank line after them.

    An entity starts with its Content-Type and ends in CRLF, so a multipart/mixed or related can later be
    put around one by writing it as a part.
    """
    return b'Content-Type: multipart/%b;\r\n boundary="%b"\r\n' % (subtype.encode("ascii"), boundary.encode("ascii"))


def multipart(subtype: str, parts: Iterable[bytes], *, digest: str) -> bytes:
    """A finished multipart entity; `digest` and subtype fix its boundary, so entities of one kind do not nest."""
    boundary = f"{boundary_for(digest)}{subtype[0]}"
    line = f"\r\n--{boundary}".encode("ascii")
    whole = [multipart_head(subtype, boundary=boundary)]
    for part in parts:
        whole += [line, b"\r\n", part]
    return b"".join([*whole, line, b"--\r\n"])


def boundary_for(digest: str) -> str:
    """A boundary fixed by the content; `=_` cannot occur in quoted-printable, so it is never in a body (MF-11)."""
    return f"=_{digest[:32]}"
