"""A mail of a stranger as people and programs get to see it: texts, files, who wrote it. Nothing in it ever acts.

Built on the parser that takes any bytes; packed files stay packed, and nothing is fetched from anywhere.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

import filetype

from campaigns import filetypes
from campaigns.content.mail_mailboxes import NotMailboxes, Shown, read_mailboxes
from campaigns.inbound import decode
from campaigns.inbound.parse import MOST_TEXT, Headers, Part, read_mail, read_parameters, read_raw_values

MOST_FILES = 100
_LONGEST_NAME = 120
_LONGEST_SHOWN = 300
_PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
_CID = re.compile(r"""(["'(]\s*)cid:([^"')\s]{1,200})""", re.IGNORECASE)
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_CONTINUED = re.compile(r"(filename|name)\*(\d{1,2})(\*?)")


@dataclass(frozen=True, slots=True, repr=False)
class File:
    """A file in a mail; `content_type` is what the sender says it is, and `content_id` what its HTML calls it."""

    name: str
    content_type: str
    data: bytes
    content_id: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Letter:
    """A mail taken apart. `sender` is empty when From names nobody, or more than one."""

    headers: Headers
    sender: Shown
    reply_to: Shown
    to: str
    subject: str
    html: str
    text: str
    files: tuple[File, ...]
    is_partial: bool

    def safe_html(self) -> str:
        """The HTML with the pictures it brought along in place; the frame it is shown in loads nothing else."""
        pictures = {file.content_id: file.data for file in self.files if file.content_id}

        def put(found: re.Match[str]) -> str:
            data = pictures.get(found[2], b"")
            kind = filetype.guess_mime(data) if data else None
            if kind not in _PICTURES:
                return found[0]
            return f"{found[1]}data:{kind};base64,{base64.b64encode(data).decode('ascii')}"

        return _CID.sub(put, self.html) if "cid:" in self.html.lower() else self.html


_NOBODY = Shown("", "")


def read_letter(raw: bytes) -> Letter:
    """The letter in these bytes, whatever they are; takes time and memory in proportion to them."""
    mail = read_mail(raw)
    html, text, files = "", "", list[File]()
    is_partial = mail.is_partial
    for part in mail.parts:
        is_attached = part.headers.get("content-disposition").lower().startswith("attachment")
        if part.is_text and not is_attached and part.content_type == "text/html" and not html:
            html = decode.decode_text(part.read_bytes()[:MOST_TEXT], part.charset)
        elif part.is_text and not is_attached and part.content_type == "text/plain" and not text:
            text = part.read_text()
        elif len(files) < MOST_FILES:
            files.append(_read_file(part))
        else:
            is_partial = True
    return Letter(
        headers=mail.headers,
        sender=_one(read_raw_values(raw, "from")),
        reply_to=_one(read_raw_values(raw, "reply-to")),
        to=mail.headers.get("to")[:_LONGEST_SHOWN],
        subject=_plain(mail.headers.get("subject"))[:_LONGEST_SHOWN],
        html=html,
        text=text,
        files=tuple(files),
        is_partial=is_partial,
    )


def _one(values: list[str]) -> Shown:
    """The one mailbox of a header that stands once; nobody when there is any doubt."""
    try:
        (value,) = values
        (shown,) = read_mailboxes(value)
    except (NotMailboxes, ValueError):
        return _NOBODY
    is_address = "@" in shown.address and len(shown.address) <= 254 and shown.address.isprintable()
    return Shown(_plain(shown.name)[:_LONGEST_SHOWN], shown.address) if is_address else _NOBODY


def _read_file(part: Part) -> File:
    content_id = part.headers.get("content-id").strip("<> ")[:200]
    return File(_name_of(part), part.content_type[:100], part.read_whole(), content_id)


def _name_of(part: Part) -> str:
    """A name that is nothing but one: no path, nothing that cannot be seen, none that runs backwards (evil input 17)."""
    wanted = _plain(next(_names(part), "")).replace("\\", "/").rpartition("/")[2].strip(". ")
    if wanted:
        stem, dot, ending = wanted.rpartition(".")
        return f"{stem[: _LONGEST_NAME - 20]}{dot}{ending[:20]}" if dot else wanted[:_LONGEST_NAME]
    return "mail.eml" if part.is_mail else f"file{filetypes.usual_extension(part.read_bytes())}"


def _names(part: Part) -> Iterator[str]:
    for header, name in (("content-disposition", "filename"), ("content-type", "name")):
        found = read_parameters(part.headers.get(header))
        if extended := found.get(f"{name}*"):
            yield _decode_extended(extended)
        if name in found:
            yield decode.decode_header(found[name].encode("utf-8", "replace"))
        pieces = {int(at[2]): (value, bool(at[3])) for key, value in found.items() if (at := _CONTINUED.fullmatch(key))}
        if pieces:
            joined = "".join(value for _, (value, _) in sorted(pieces.items()))
            yield _decode_extended(joined) if any(is_encoded for _, is_encoded in pieces.values()) else joined


def _decode_extended(value: str) -> str:
    """`utf-8'en'a%20name` (RFC 2231 §4)."""
    charset, _, rest = value.partition("'")
    return decode.decode_text(unquote_to_bytes(rest.partition("'")[2] or value), charset)


def _plain(text: str) -> str:
    return "".join(letter for letter in text if unicodedata.category(letter) not in _UNSAFE)
