"""The header fields of a mail that somebody handed in, as they stand on the wire (RFC 5322 §2.2, RFC 2047).

Where readers of mail disagree about what a header says, it is refused: what was checked here is what they all see.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field

from campaigns.errors import CampaignError

MOST_FIELDS = 1_000
MOST_LINES = 4_000
LONGEST_HEAD = 256 * 1024

_FIELD = re.compile(rb"([!-9;-~]{1,76}):(.*)", re.DOTALL).fullmatch
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_WORD = re.compile(r"=\?([\w.:-]{1,40})(?:\*[\w-]{1,40})?\?([bBqQ])\?([^?\s]*)\?=", re.ASCII)
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[\w.:-]{1,40}(?:\*[\w-]{1,40})?\?[bBqQ]\?)", re.ASCII)
# By name, because codecs such as idna and punycode are slow on purpose-made text, and others are no charsets at all.
_CHARSET = re.compile(
    r"utf-?8|us-ascii|ascii|iso-?8859-\d{1,2}|latin-?1|(?:windows-|cp)125\d|koi8-[ru]|iso-2022-(?:jp|kr)|shift[_-]jis|"
    r"euc-(?:jp|kr)|gb2312|gbk|gb18030|big5|utf-16(?:be|le)?",
    re.IGNORECASE,
).fullmatch


class MailRefused(CampaignError):
    """A mail somebody handed in cannot be sent on as it is; nothing of it is in the text."""

    def __init__(self, code: str, safe_text: str, *, action: str = "Correct the mail.", status: int = 400) -> None:
        super().__init__(code, safe_text, action=action, status=status)


@dataclass(frozen=True, slots=True, repr=False)
class Field:
    """One header field; `value` is what follows the colon, folded as it came, without the last line end.

    `key` is the name in lower case.
    """

    name: str
    value: bytes
    key: str

    @property
    def text(self) -> str:
        """The value on one line; octets beyond ASCII read as UTF-8, else as Latin-1."""
        return decode_octets(self.value.replace(b"\r\n", b"")).strip(" \t")

    def line(self) -> bytes:
        return self.name.encode("ascii") + b":" + self.value + b"\r\n"


@dataclass(frozen=True, slots=True, repr=False)
class ParametersOf:
    """A value such as `text/plain; charset=utf-8`: what it begins with in lower case, and its parameters, decoded.

    `variants` holds what readers who know only one of the two spellings of a parameter see (RFC 2231 §3, RFC 2183).
    """

    start: str
    values: Mapping[str, str]
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_fields(head: bytes) -> tuple[Field, ...]:
    """The fields of a header block without its blank line; raises MailRefused."""
    if len(head) > LONGEST_HEAD or head.count(b"\r\n") > MOST_LINES:
        raise MailRefused(
            "mail.headers-too-large", "The headers of this mail are too large.", action="Use fewer headers."
        )
    found: list[tuple[str, list[bytes]]] = []
    for number, line in enumerate(head.split(b"\r\n") if head else ()):
        if _CONTROL(line):
            raise _broken()
        if line[:1] in {b" ", b"\t"} and found:
            # A line of blanks alone ends the headers for some readers (MF-05).
            if line.strip(b" \t"):
                found[-1][1].append(line)
        elif match := _FIELD(line):
            found.append((match[1].decode("ascii"), [match[2]]))
        elif number or not line.startswith((b"From ", b">From ")):
            raise _broken()
    if len(found) > MOST_FIELDS:
        raise MailRefused("mail.headers-too-large", "This mail has too many headers.", action="Use fewer headers.")
    return tuple(Field(name, b"\r\n".join(lines), name.lower()) for name, lines in found)


def _broken() -> MailRefused:
    return MailRefused(
        "mail.header-broken",
        "A header of this mail is not written as mail headers are.",
        action="Let a mail library write the headers.",
    )


def decode_octets(data: bytes) -> str:
    """Octets as text: UTF-8 when they are, else Latin-1, which everything is."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def decode_words(text: str) -> str:
    """The text with its encoded words as people read them; what cannot be decoded stays as it is (RFC 2047 §6)."""
    if "=?" not in text:
        return text
    return _WORD.sub(_decode_word, _BETWEEN_WORDS.sub(r"\1", text))


def _decode_word(found: re.Match[str]) -> str:
    charset, encoding, encoded = found.groups()
    try:
        octets = encoded.encode("ascii")
        if encoding in "bB":
            data = b64decode(octets + b"=" * (-len(octets) % 4))
        else:
            data = binascii.a2b_qp(octets, header=True)
    except (ValueError, UnicodeError):
        return found[0]
    text = decode_charset(data, charset)
    return found[0] if text is None else text


def decode_charset(data: bytes, charset: str) -> str | None:
    """The octets in a charset that mail uses; None for another one, and for octets it does not have."""
    if not _CHARSET(charset):
        return None
    try:
        return data.decode(charset)
    except (ValueError, LookupError):
        return None
