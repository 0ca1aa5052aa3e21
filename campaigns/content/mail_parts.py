"""The MIME structure of a mail that somebody handed in (RFC 2045, 2046), bounded in depth, number and time.

Parts are places in the one bytes object, never copies: a mail nested twenty deep takes the memory of a flat one.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from campaigns.content.mail_head import Field, MailRefused, ParametersOf, read_fields
from campaigns.content.mail_parameters import read_parameters

DEEPEST = 20
MOST_PARTS = 500
_BOUNDARY = re.compile(r"[!-~ ]{0,199}[!-~]").fullmatch
_ENCODINGS = frozenset({"", "7bit", "8bit", "binary", "base64", "quoted-printable"})
_PLAIN_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})
_SINGLE = frozenset({
    "content-type", "content-transfer-encoding", "content-disposition", "content-id", "content-description",
})  # fmt: skip
_TEXT = ParametersOf("text/plain", {})


@dataclass(slots=True, repr=False)
class Part:
    """One entity: its header fields and its body, `data[start:end]`; `parts` are those of a multipart."""

    data: bytes
    start: int
    end: int
    fields: tuple[Field, ...]
    content: ParametersOf
    disposition: ParametersOf
    encoding: str
    parts: list[Part] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return self.content.start

    @property
    def is_multipart(self) -> bool:
        return self.kind.startswith("multipart/")

    @property
    def boundary(self) -> bytes:
        return self.content.values["boundary"].encode("ascii")

    @property
    def body(self) -> bytes:
        return self.data[self.start : self.end]

    def decode(self) -> bytes:
        """The body without its transfer encoding; raises MailRefused for base64 that readers decode differently."""
        if self.encoding == "base64":
            try:
                return binascii.a2b_base64(self.body.translate(None, b"\r\n\t "), strict_mode=True)
            except binascii.Error:
                raise _broken("The base64 of a part is broken.") from None
        if self.encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        return self.body


def read_parts(data: bytes) -> Part:
    """The whole mail as a tree; line ends are CRLF. Raises MailRefused."""
    budget = [MOST_PARTS]
    return _read(data, 0, len(data), depth=0, budget=budget)


def _read(data: bytes, start: int, end: int, *, depth: int, budget: list[int]) -> Part:
    budget[0] -= 1
    if depth > DEEPEST or budget[0] < 0:
        raise MailRefused(
            "mail.too-complex",
            "This mail has too many parts, or they lie too deep in each other.",
            action="Send fewer.",
        )
    fields, body = _split(data, start, end)
    part = _describe(data, body, end, fields)
    if part.is_multipart:
        for low, high in _find_parts(data, body, end, part.boundary):
            part.parts.append(_read(data, low, high, depth=depth + 1, budget=budget))
        if not part.parts:
            raise _broken("A multipart of this mail has no parts.")
    return part


def _split(data: bytes, start: int, end: int) -> tuple[tuple[Field, ...], int]:
    """The fields of an entity, and where its body begins."""
    if data.startswith(b"\r\n", start) and start < end:
        return (), start + 2
    blank = data.find(b"\r\n\r\n", start, end)
    if blank < 0:
        head = data[start:end]
        return read_fields(head.removesuffix(b"\r\n")), end
    return read_fields(data[start:blank]), blank + 4


def _describe(data: bytes, start: int, end: int, fields: tuple[Field, ...]) -> Part:
    texts: dict[str, str] = {}
    for entry in fields:
        if entry.key in _SINGLE:
            if entry.key in texts:
                raise _broken("A header about the content stands twice in one part.")
            texts[entry.key] = entry.text
    content = read_parameters(texts["content-type"]) if "content-type" in texts else _TEXT
    disposition = texts.get("content-disposition")
    encoding = texts.get("content-transfer-encoding", "").lower()
    part = Part(
        data,
        start,
        end,
        fields,
        content,
        read_parameters(disposition) if disposition else ParametersOf("", {}),
        encoding,
    )
    if content.start.count("/") != 1 or encoding not in _ENCODINGS:
        raise _broken("A part of this mail has a type or an encoding nobody knows.")
    # An encoded multipart is forbidden (RFC 2045 §6.4): some readers look into it, others do not.
    if part.is_multipart and (encoding not in _PLAIN_ENCODINGS or not _BOUNDARY(content.values.get("boundary", ""))):
        raise _broken("A multipart of this mail has no usable boundary, or is encoded as a whole.")
    return part


def _find_parts(data: bytes, start: int, end: int, boundary: bytes) -> list[tuple[int, int]]:
    """Where the parts between the delimiter lines lie; the last one may lack its closing delimiter."""
    # The line end before the body belongs to the first delimiter (RFC 2046 §5.1.1).
    delimiter = b"\r\n--" + boundary
    found: list[tuple[int, int]] = []
    begin, place = -1, max(start - 2, 0)
    while (at := data.find(delimiter, place, end)) >= 0:
        place = after = at + len(delimiter)
        line_end = data.find(b"\r\n", after, end)
        rest = data[after : line_end if line_end >= 0 else end]
        closing = rest.startswith(b"--")
        if rest.removeprefix(b"--").strip(b" \t"):
            continue
        if begin >= 0:
            found.append((begin, max(at, begin)))
            _check_number(found)
        if closing or line_end < 0:
            return found
        # The next delimiter may follow at once, and this line end is then its own.
        begin, place = line_end + 2, line_end
    if begin >= 0:
        found.append((begin, end))
    return found


def _check_number(found: list[tuple[int, int]]) -> None:
    if len(found) > MOST_PARTS:
        raise MailRefused("mail.too-complex", "This mail has too many parts.", action="Send fewer.")


def _broken(text: str) -> MailRefused:
    return MailRefused("mail.structure-broken", text, action="Let a mail library put the mail together.")
