"""Any bytes as a mail: headers and parts that can be read, whatever they hold (evil input 37).

Written here because the standard library's parser recurses, raises on charsets nobody knows and on brackets in
addresses, and has no limits. This one never raises, takes time in proportion to the bytes, looks at so many headers and
parts and no deeper than some levels, and says when it left something out. Nothing packed is ever unpacked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from campaigns.inbound import decode

MOST_HEADERS = 1_000
MOST_HEADER_BYTES = 512 * 1024
LONGEST_VALUE = 32 * 1024
MOST_PARTS = 200
DEEPEST = 16
MOST_TEXT = 256 * 1024  # bytes of one part that are read as text

_NO_FOLD = re.compile(rb"\n(?![ \t])")
_FIELD = re.compile(rb"([!-9;-~]{1,200})[ \t]*:(.*)", re.DOTALL)
_PARAMETER = re.compile(r";\s*([\w!#$&+.^`|~*-]{1,60})\s*=\s*(?:\"((?:[^\"\\]|\\.){0,1000})\"|([^;\s\"]{0,1000}))")
_MULTIPART, _EMBEDDED = "multipart/", ("message/rfc822", "message/global", "message/rfc2822", "message/partial")
_HEADERS_ONLY = ("text/rfc822-headers", "text/rfc822-header", "message/rfc822-headers", "message/global-headers")


@dataclass(frozen=True, slots=True, repr=False)
class Headers:
    """Fields in their order, names in lower case, values unfolded and decoded; its repr shows nothing."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str:
        """The first field of this name, empty when there is none."""
        return next((value for found, value in self.fields if found == name), "")

    def get_all(self, name: str) -> list[str]:
        return [value for found, value in self.fields if found == name]


NO_HEADERS = Headers()


@dataclass(frozen=True, slots=True, repr=False)
class Part:
    """One leaf of a mail: a text, an attachment, or a whole mail inside it, which stays closed."""

    headers: Headers
    content_type: str
    charset: str
    body: bytes

    @property
    def is_mail(self) -> bool:
        """Another mail, or its headers: what `read_mail` can open."""
        return self.content_type in _EMBEDDED or self.content_type in _HEADERS_ONLY

    @property
    def is_text(self) -> bool:
        return self.content_type.startswith("text/") and not self.is_mail

    def read_bytes(self) -> bytes:
        """The body without its transfer encoding, as far as it is read at all."""
        return decode.decode_transfer(self.body[: 2 * MOST_TEXT], self.headers.get("content-transfer-encoding"))

    def read_whole(self) -> bytes:
        """All of the body without its transfer encoding: for files, which nobody reads as text."""
        return decode.decode_transfer(self.body, self.headers.get("content-transfer-encoding"))

    def read_text(self) -> str:
        """The body as text, HTML without its tags; what cannot be decoded shows as replacement characters."""
        text = decode.decode_text(self.read_bytes()[:MOST_TEXT], self.charset)
        return decode.strip_tags(text) if self.content_type == "text/html" else text


@dataclass(frozen=True, slots=True, repr=False)
class Mail:
    """A mail as far as it can be read; `is_partial` when limits or damage left something out."""

    headers: Headers
    parts: tuple[Part, ...]
    is_partial: bool = False

    @property
    def content_type(self) -> str:
        return _read_type(self.headers)[0]

    @property
    def report_type(self) -> str:
        """The kind of a multipart/report (RFC 6522), empty for others."""
        content_type, parameters = _read_type(self.headers)
        return parameters.get("report-type", "").lower() if content_type == "multipart/report" else ""


def read_mail(raw: bytes) -> Mail:
    """The mail in these bytes, whatever they are. Lines may end in CRLF, LF or CR."""
    return _Reader().read(_even_lines(raw).lstrip(b"\n"))


def _even_lines(raw: bytes) -> bytes:
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return raw


class _Reader:
    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._is_partial = False

    def read(self, data: bytes) -> Mail:
        headers, body = self._split(data)
        # A stack of our own: however deep the mail goes, Python's is not used up.
        waiting = [(headers, body, 0)]
        while waiting:
            found, content, depth = waiting.pop()
            children = self._open(found, content, depth)
            waiting.extend(reversed(children))
        return Mail(headers, tuple(self._parts), self._is_partial)

    def _open(self, headers: Headers, body: bytes, depth: int) -> list[tuple[Headers, bytes, int]]:
        """Keep a leaf; of a multipart the children."""
        content_type, parameters = _read_type(headers)
        boundary = parameters.get("boundary", "").rstrip()
        if content_type.startswith(_MULTIPART) and depth < DEEPEST:
            pieces = list(self._cut(body, boundary)) if boundary else []
            if pieces:
                return [(*self._split(piece), depth + 1) for piece in pieces]
            # No boundary, or none of its lines: the text is there all the same.
            self._is_partial, content_type = True, "text/plain"
        elif content_type.startswith(_MULTIPART):
            self._is_partial, content_type = True, "application/octet-stream"
        if len(self._parts) >= MOST_PARTS:
            self._is_partial = True
            return []
        self._parts.append(Part(headers, content_type, parameters.get("charset", ""), body))
        return []

    def _cut(self, body: bytes, boundary: str) -> Iterator[bytes]:
        """What stands between the delimiter lines; what follows the last one when the closing one is missing."""
        line = b"\n--" + boundary.encode("latin-1", "replace")
        body = b"\n" + body
        start, at = -1, body.find(line)
        for _ in range(10 * MOST_PARTS):
            if at < 0:
                break
            after = at + len(line)
            stop = body.find(b"\n", after)
            tail = body[after : stop if stop >= 0 else len(body)].strip()
            if tail in {b"", b"--"}:
                if start >= 0:
                    yield body[start:at]
                if tail:
                    return
                start = stop + 1 if stop >= 0 else len(body)
            at = body.find(line, after)
        self._is_partial = True
        if start >= 0 and at < 0:
            yield body[start:]

    def _split(self, data: bytes) -> tuple[Headers, bytes]:
        """(headers, body); a first line that is no field begins the body."""
        fields: list[tuple[str, str]] = []
        at, end = 0, len(data)
        while at < end:
            if data.startswith(b"\n", at):
                return Headers(tuple(fields)), data[at + 1 :]
            if len(fields) >= MOST_HEADERS or at > MOST_HEADER_BYTES:
                self._is_partial = True
                blank = data.find(b"\n\n", at)
                return Headers(tuple(fields)), data[blank + 2 :] if blank >= 0 else b""
            stop = _end_of_field(data, at)
            found = _FIELD.match(data[at : min(stop, at + LONGEST_VALUE)])
            if found is not None:
                fields.append((found[1].decode("ascii").lower(), decode.decode_header(found[2])))
            elif not data.startswith((b"From ", b">From "), at):
                # Not a mailbox file's first line: the blank line is missing.
                self._is_partial = True
                return Headers(tuple(fields)), data[at:]
            at = stop + 1
        return Headers(tuple(fields)), b""


def _end_of_field(data: bytes, at: int) -> int:
    """Where the field that starts here ends: before a line that does not go on with it."""
    found = _NO_FOLD.search(data, at)
    return found.start() if found else len(data)


def read_raw_values(raw: bytes, name: str) -> list[str]:
    """The fields of this name as they stand, on one line each and with their encoded words: for lists of mailboxes, in
    which a decoded comma or bracket would be somebody else's.
    """
    data = _even_lines(raw[:MOST_HEADER_BYTES]).lstrip(b"\n")
    blank = data.find(b"\n\n")
    field = re.compile(
        rb"^" + re.escape(name.encode("ascii")) + rb"[ \t]*:(.*(?:\n[ \t].*)*)", re.IGNORECASE | re.MULTILINE
    )
    found = field.findall(data[: blank if blank >= 0 else len(data)])[:MOST_HEADERS]
    return [decode.decode_text(value[:LONGEST_VALUE].replace(b"\n", b""), "").strip() for value in found]


def read_parameters(value: str) -> dict[str, str]:
    """The parameters of a field such as Content-Disposition, names in lower case, values as they stand."""
    found: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value[:LONGEST_VALUE]):
        found.setdefault(name.lower(), re.sub(r"\\(.)", r"\1", quoted) or plain)
    return found


def _read_type(headers: Headers) -> tuple[str, dict[str, str]]:
    """(type in lower case, parameters); text/plain when there is none or it is no type (RFC 2045 §5.2)."""
    value = headers.get("content-type")
    content_type = value.partition(";")[0].strip().lower()
    if "/" not in content_type:
        content_type = "text/plain"
    parameters: dict[str, str] = {}
    for name, quoted, plain in _PARAMETER.findall(value[:LONGEST_VALUE]):
        parameters.setdefault(name.lower().partition("*")[0], quoted.replace("\\", "") or plain)
    return content_type.split()[0], parameters
