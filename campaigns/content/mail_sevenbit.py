"""A mail that somebody handed in as seven-bit lines, so that no relay on the way rewrites what was signed (MF-06)."""

from __future__ import annotations

import re
from base64 import encodebytes
from dataclasses import replace
from urllib.parse import quote

from campaigns import addresses
from campaigns.content import mime
from campaigns.content.encoding import break_lines, encode_octets
from campaigns.content.mail_head import Field, MailRefused, ParametersOf, decode_words
from campaigns.content.mail_mailboxes import NotMailboxes, Shown, read_mailboxes
from campaigns.content.mail_parameters import read_parameters
from campaigns.content.mail_parts import Part
from campaigns.errors import AddressError

MAILBOXES = frozenset({"from", "sender", "reply-to", "to", "cc", "disposition-notification-to"})
_WITH_PARAMETERS = frozenset({"content-type", "content-disposition"})
_STRUCTURED = frozenset({
    "date", "message-id", "in-reply-to", "references", "mime-version", "content-transfer-encoding", "content-id",
    "list-unsubscribe", "list-unsubscribe-post", "list-help", "list-post", "list-owner", "list-archive",
    "auto-submitted", "precedence", "importance", "priority", "x-priority",
})  # fmt: skip
# Quoted-printable is readable in its source, and slow: nobody reads the source of a longer text.
_MOST_QUOTED = 256 * 1024
_TOKEN = re.compile(r"[\w!#$&.+^-]+", re.ASCII).fullmatch
_NOT_PLAIN = re.compile(r"[^\w .()-]", re.ASCII)


def needs_rewriting(root: Part) -> bool:
    """Whether something in the mail is not seven-bit, or says that it need not be."""
    return not root.data.isascii() or _says_so(root)


def _says_so(part: Part) -> bool:
    return part.encoding in {"8bit", "binary"} or any(map(_says_so, part.parts))


def rewrite_body(part: Part) -> tuple[bytes, str]:
    """The body in seven bits, and its transfer encoding; '' when it needs none. Raises MailRefused."""
    if part.is_multipart:
        return _join(part), ""
    body = part.body
    if body.isascii():
        return body, part.encoding if part.encoding in {"base64", "quoted-printable"} else ""
    if part.kind.startswith("text/") and len(body) <= _MOST_QUOTED:
        return _quoted_printable(part.decode()), "quoted-printable"
    return encodebytes(part.decode()).replace(b"\n", b"\r\n"), "base64"


def _join(part: Part) -> bytes:
    # What stands before the first delimiter and after the last is for no reader of today.
    line = b"--" + part.boundary
    pieces = [line + b"\r\n" + _write(child) + b"\r\n" for child in part.parts]
    return b"".join([*pieces, line, b"--\r\n"])


def _write(part: Part) -> bytes:
    body, encoding = rewrite_body(part)
    return b"".join([*head_lines(part, encoding=encoding), b"\r\n", body])


def head_lines(part: Part, *, encoding: str) -> list[bytes]:
    """The fields of a part in seven bits, with this transfer encoding; raises MailRefused."""
    charset = _missing_charset(part)
    about = {"content-transfer-encoding", *(["content-type"] if charset else [])}
    lines = [write_field(entry) for entry in part.fields if entry.key not in about]
    if charset:
        content = replace(part.content, values={**part.content.values, "charset": charset})
        lines.append(b"Content-Type: " + _write_parameters(content) + b"\r\n")
    if encoding:
        lines.append(f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii"))
    return lines


def _missing_charset(part: Part) -> str:
    """What a text with letters beyond ASCII was written in when it does not say so; '' when it says, or has none."""
    if not part.kind.startswith("text/") or "charset" in part.content.values or part.body.isascii():
        return ""
    return "utf-8" if _is_utf8(part.decode()) else "iso-8859-1"


def _quoted_printable(data: bytes) -> bytes:
    is_whole = data.endswith(b"\r\n")
    octets = data.decode("latin-1").replace("\r\n", "\n")
    encoded = break_lines(encode_octets(octets if is_whole else octets + "\n"))
    # A soft break can bring to the start of a line what there would end the part.
    encoded = (b"\r\n" + encoded).replace(b"\r\n--", b"\r\n=2D-")[2:]
    return encoded if is_whole else encoded.removesuffix(b"\r\n")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def write_field(entry: Field) -> bytes:
    """The field as a seven-bit line; addresses whose local part is not ASCII stay as they are (RFC 6532).

    Raises MailRefused.
    """
    if entry.value.isascii():
        return entry.line()
    try:
        return f"{entry.name}: ".encode("ascii") + _encode(entry) + b"\r\n"
    except (NotMailboxes, AddressError):
        raise _not_ascii() from None


def _encode(entry: Field) -> bytes:
    if entry.key in MAILBOXES:
        return b",\r\n ".join(write_shown(entry.name, shown) for shown in read_mailboxes(entry.text))
    if entry.key in _WITH_PARAMETERS:
        return _write_parameters(read_parameters(entry.text))
    if entry.key in _STRUCTURED:
        raise _not_ascii()
    return mime.unstructured(entry.name, decode_words(entry.text))


def _not_ascii() -> MailRefused:
    return MailRefused(
        "mail.header-not-ascii",
        "A header of this mail has letters beyond ASCII where none may be.",
        action="Let a mail library encode the headers (RFC 2047).",
    )


def write_shown(header: str, shown: Shown) -> bytes:
    """One mailbox for a header, its domain as A-label; raises AddressError and RenderError."""
    address = addresses.parse(shown.address)
    return mime.mailbox_header(header, shown.name, address.mailbox, allow_utf8=True)


def _write_parameters(read: ParametersOf) -> bytes:
    lines = [read.start]
    for name, value in read.values.items():
        if value.isascii() and value.isprintable():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f"{name}={value}" if _TOKEN(value) else f'{name}="{escaped}"')
            continue
        # RFC 2231 for everybody, plain ASCII for those who never learnt it (MF-10).
        lines.append(f"{name}*=UTF-8''{quote(value, safe='')}")
        lines.append(f'{name}="{_NOT_PLAIN.sub("_", value)}"')
    return ";\r\n ".join(lines).encode("ascii")
