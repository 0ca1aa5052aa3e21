"""A finished mail that a program hands in, checked and put in order: what this gives back may leave as it is.

Both doors for such mails read them here, so what one refuses the other refuses too. Nothing but CampaignError is raised,
and the time is bounded by the size, whatever is inside (evil inputs 31, 32, 34).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from uuid import uuid4

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.content import mail_sevenbit
from campaigns.content.mail_controls import Controls, is_control, read_controls
from campaigns.content.mail_files import HTML_TEXTS, MailFile, list_files, list_leaves
from campaigns.content.mail_head import Field, MailRefused, decode_words
from campaigns.content.mail_mailboxes import NotMailboxes, Shown, read_mailboxes, read_one
from campaigns.content.mail_parts import Part, read_parts
from campaigns.errors import AddressError

LONGEST_LINE = 998
_ONCE = frozenset({
    "from", "sender", "reply-to", "to", "cc", "message-id", "in-reply-to", "references", "subject", "date",
    "mime-version", "feedback-id", "precedence", "auto-submitted",
})  # fmt: skip
# Written by the servers a mail passes, and by us: whoever hands one in could only forge them (LH-03, SU-06).
_TRACE = frozenset({
    "bcc", "return-path", "received", "received-spf", "delivered-to", "x-original-to", "envelope-to", "apparently-to",
    "dkim-signature", "domainkey-signature", "authentication-results", "feedback-id", "content-length",
})  # fmt: skip
_TRACE_PREFIXES = ("resent-", "arc-", "cfbl-")
# Headers whose values are addresses, ids, dates or types, or are looked at by themselves.
_NOT_WORDS = frozenset({
    "from", "to", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id", "in-reply-to", "references",
    "mime-version", "content-type", "content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post",
})  # fmt: skip
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,248}>", re.ASCII).fullmatch
_ADDRESS_IN_NAME = re.compile(r"@([\w.-]+)")
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Invisible, yet part of how some scripts and emoji are written.
_JOINERS = frozenset("\u200c\u200d")


@dataclass(frozen=True, slots=True, repr=False)
class Submitted:
    """A checked mail. `raw` has CRLF lines of seven bits, one From, no Bcc, no controls; `to`… are as its headers had them.

    `written_sender` is what From said where the caller wanted another sender. `needs_smtputf8` when an address in its headers is not ASCII before the @, which not every next hop takes.
    """

    raw: bytes
    from_name: str
    sender: Address
    written_sender: Address
    subject: str
    controls: Controls
    files: tuple[MailFile, ...]
    needs_smtputf8: bool
    _fields: Sequence[Field] = field(default=())
    _root: Part | None = None

    def htmls(self) -> list[str]:
        """The HTML of the mail as readers show it, wherever it stands; characters that cannot be read are replaced."""
        leaves = list_leaves(self._root) if self._root is not None else []
        return [_read_text(part) for part in leaves if part.kind in HTML_TEXTS]

    def recipients(self) -> list[tuple[str, Address]]:
        """Everybody in To, Cc and Bcc, each (name, address), in this order; raises MailRefused and AddressError."""
        found: list[tuple[str, Address]] = []
        for header in ("to", "cc", "bcc"):
            for entry in self._fields:
                if entry.key == header:
                    found += [(shown.name, addresses.parse(shown.address)) for shown in _mailboxes(entry)]
        return found

    def answers_to(self) -> list[Address]:
        """Whom an answer reaches: everybody in Reply-To, else the sender; raises MailRefused and AddressError."""
        named = [entry for entry in self._fields if entry.key == "reply-to"]
        found = [addresses.parse(shown.address) for entry in named for shown in _mailboxes(entry)]
        return found or [self.sender]

    def other_headers(self) -> str:
        """The values of all headers but those that name people, the subject and the type of the content, a line each."""
        return "\n".join(entry.text for entry in self._fields if entry.key not in _NOT_WORDS)


def read_submitted(raw: bytes, *, now: datetime, largest: int, sender: tuple[str, Address] | None = None) -> Submitted:
    """The mail in these bytes, ready to leave from the mailbox in From, or from the (name, address) given instead.

    `largest` is in bytes. Raises MailRefused with codes `mail.…`, `control.invalid`, `sender.…`, and RenderError.
    """
    if len(raw) > largest:
        raise _too_large(largest)
    root = read_parts(_normalise(raw))
    _check_fields(root.fields)
    shown, written = _read_sender(root.fields)
    controls = read_controls(root.fields)
    files = list_files(root)
    name, address = (sender[0] or shown.name, sender[1]) if sender is not None else (shown.name, written)
    _check_name(name, sender=address)
    body, lines = _body_and_content_lines(root)
    head = _head(root.fields, lines, sender=(name, address), now=now)
    mail = head + b"\r\n" + body
    mail = mail if mail.endswith(b"\r\n") else mail + b"\r\n"
    if len(mail) > largest:
        # Seven bits take more room than eight.
        raise _too_large(largest)
    _check_lines(mail)
    subject = next((decode_words(entry.text) for entry in root.fields if entry.key == "subject"), "")
    return Submitted(mail, name, address, written, subject, controls, files, not head.isascii(), root.fields, root)


def _read_text(part: Part) -> str:
    try:
        return part.decode().decode(part.content.values.get("charset", "utf-8"), "replace")
    except (LookupError, ValueError):
        return part.decode().decode("utf-8", "replace")


def _too_large(largest: int) -> MailRefused:
    """What to raise for a mail of more bytes."""
    megabytes = largest // (1024 * 1024)
    return MailRefused(
        "mail.too-large", f"A mail has at most {megabytes} MB with its attachments.", action="Attach less.", status=413
    )


def _normalise(raw: bytes) -> bytes:
    """Every line end as CRLF, so that no server on the way sees other lines than we did (SM-03, MF-05)."""
    if b"\0" in raw:
        raise MailRefused(
            "mail.nul", "The mail holds a NUL, which no mail may.", action="Encode binary files as base64."
        )
    if raw.count(b"\r\n") != raw.count(b"\n") or raw.count(b"\r\n") != raw.count(b"\r"):
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
    _check_lines(raw)
    return raw


def _check_lines(data: bytes) -> None:
    start = 0
    while len(data) - start > LONGEST_LINE:
        # The last line end that is near enough: a step passes many lines of usual length at once.
        found = data.rfind(b"\r\n", start, start + LONGEST_LINE + 2)
        if found < 0:
            raise MailRefused(
                "mail.line-too-long",
                f"A line of the mail has more than {LONGEST_LINE} octets.",
                action="Encode long lines as quoted-printable or base64.",
            )
        start = found + 2


def _check_fields(fields: Sequence[Field]) -> None:
    """Readers choose among two headers of one name each in their own way (MF-01, SU-04)."""
    seen: set[str] = set()
    for entry in fields:
        key = entry.key
        if key in seen and (key in _ONCE or key.startswith("list-")):
            if key == "from":
                raise _bad_sender("The mail has more than one From.")
            raise MailRefused("mail.header-twice", "A header that may stand once stands twice.", action="Send it once.")
        seen.add(key)


def _read_sender(fields: Sequence[Field]) -> tuple[Shown, Address]:
    """The one mailbox of From; Sender is it, or at the same domain. Raises MailRefused (SU-04, evil input 34)."""
    values = {entry.key: entry for entry in fields if entry.key in {"from", "sender"}}
    if "from" not in values:
        raise _bad_sender("The mail has no From.")
    shown = _one(values["from"])
    address = _address(shown)
    if "sender" in values and _address(_one(values["sender"])).domain != address.domain:
        raise _bad_sender("The Sender of the mail is at another domain than its From.")
    return shown, address


def _check_name(name: str, *, sender: Address) -> None:
    """Raises MailRefused for a name that hides something or shows another address than the mail has (evil input 11)."""
    if any(unicodedata.category(c) in _UNSAFE and c not in _JOINERS for c in name):
        raise _bad_sender("The name in From holds characters that cannot be seen.")
    for found in _ADDRESS_IN_NAME.finditer(unicodedata.normalize("NFKC", name)):
        if found[1].strip(".").lower() != sender.domain:
            raise _bad_sender("The name in From reads like another address.")


def _one(entry: Field) -> Shown:
    try:
        return read_one(entry.text)
    except NotMailboxes:
        raise _bad_sender("From and Sender hold one plain mailbox each.") from None


def _address(shown: Shown) -> Address:
    try:
        address = addresses.parse(shown.address)
    except AddressError:
        raise _bad_sender("From holds no valid address.") from None
    if address.needs_smtputf8:
        raise _bad_sender("The part of a from-address before the @ must be ASCII.")
    return address


def _bad_sender(text: str) -> MailRefused:
    return MailRefused("sender.not-one", text, action="Write one mailbox of your own domain into From.")


def _mailboxes(entry: Field) -> list[Shown]:
    try:
        return read_mailboxes(entry.text)
    except NotMailboxes:
        raise MailRefused(
            "mail.recipients-broken", "The recipients in the headers cannot be read.", action="Correct To, Cc and Bcc."
        ) from None


def _body_and_content_lines(root: Part) -> tuple[bytes, list[bytes]]:
    """The body in seven bits, and the header lines that describe it."""
    if not mail_sevenbit.needs_rewriting(root):
        return root.body, [entry.line() for entry in root.fields if entry.key.startswith("content-")]
    body, encoding = mail_sevenbit.rewrite_body(root)
    lines = mail_sevenbit.head_lines(root, encoding=encoding)
    return body, [line for line in lines if line[:8].lower() == b"content-"]


def _head(
    fields: Sequence[Field], content_lines: Sequence[bytes], *, sender: tuple[str, Address], now: datetime
) -> bytes:
    """All header lines in their order, with what every mail must have (SU-06)."""
    lines: list[bytes] = []
    kept: set[str] = set()
    for entry in fields:
        key = entry.key
        if key in _TRACE or key.startswith(_TRACE_PREFIXES) or key.startswith("content-") or is_control(entry):
            continue
        if (key == "date" and not _is_date(entry.text)) or (key == "message-id" and not _MESSAGE_ID(entry.text)):
            continue
        if key == "from":
            # Written anew, so that every reader finds the mailbox that was checked (MF-08).
            mailbox = Shown(sender[0], sender[1].mailbox)
            lines.append(b"From: " + mail_sevenbit.write_shown("From", mailbox) + b"\r\n")
        else:
            lines.append(mail_sevenbit.write_field(entry))
        kept.add(key)
    missing = {
        "date": f"Date: {format_datetime(now.replace(microsecond=0))}",
        "message-id": f"Message-ID: <{uuid4().hex}@{sender[1].domain}>",
        "to": "To: undisclosed-recipients:;",
        "subject": "Subject:",
        "mime-version": "MIME-Version: 1.0",
    }
    lines += [f"{line}\r\n".encode("ascii") for key, line in missing.items() if key not in kept]
    return b"".join([*lines, *content_lines])


def _is_date(text: str) -> bool:
    try:
        return len(text) < 100 and parsedate_to_datetime(text).year > 1970
    except (ValueError, OverflowError, IndexError, TypeError):
        return False
