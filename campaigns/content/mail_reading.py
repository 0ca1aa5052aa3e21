"""Reading a stored mail the way a mail program does: parts, headers, pictures that travel with it."""

from __future__ import annotations

import base64
import re
import zlib
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import cast

_CID = re.compile(r"""(["'(]\s*)cid:([^"')\s]+)""", re.IGNORECASE)
# Far beyond any mail we make (10 MB), so that a damaged row cannot fill the memory.
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class ReadMail:
    """A mail taken apart; `headers` in their order, decoded for people."""

    subject: str
    sender: str
    to: str
    headers: tuple[tuple[str, str], ...]
    html: str
    text: str
    attachments: tuple[Attachment, ...]


def inflate(raw: bytes) -> bytes:
    """The wire bytes of a kept mail."""
    return zlib.decompressobj().decompress(raw, _LARGEST)


def read_mail(data: bytes) -> ReadMail:
    """The mail in these wire bytes."""
    mail = message_from_bytes(data, policy=policy.default)
    html, text = _body(mail, "html"), _body(mail, "plain")
    headers = tuple((name, str(value)) for name, value in mail.items())
    attachments = tuple(
        Attachment(part.get_filename() or "without a name", len(part.get_payload(decode=True) or b""))
        for part in mail.iter_attachments()
    )
    return ReadMail(
        str(mail["Subject"] or ""),
        str(mail["From"] or ""),
        str(mail["To"] or ""),
        headers,
        _inline_pictures(html, mail),
        text,
        attachments,
    )


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""


def _inline_pictures(html: str, mail: EmailMessage) -> str:
    """Pictures the mail carries itself, put where the HTML names them; the frame may load nothing else."""
    if "cid:" not in html.lower():
        return html
    pictures = {
        str(part["Content-ID"] or "").strip("<> "): part
        for part in mail.walk()
        if part.get_content_maintype() == "image"
    }

    def put(found: re.Match[str]) -> str:
        part = pictures.get(found[2])
        if part is None:
            return found[0]
        data = base64.b64encode(cast("bytes", part.get_payload(decode=True)) or b"").decode("ascii")
        return f"{found[1]}data:{part.get_content_type()};base64,{data}"

    return _CID.sub(put, html)
