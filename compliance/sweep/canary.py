"""The canary: a word nobody else uses, and every disguise in which it could lie somewhere."""

from __future__ import annotations

import base64
import gzip
import re
import secrets
import zlib
from collections.abc import Iterator

# What Django's signing compresses begins so: sessions, and packages of the job queue.
_SQUEEZED = re.compile(rb"eJ[A-Za-z0-9_-]{20,}")
_SOFT_BREAK = re.compile(rb"=\r?\n")
_MOST = 50_000_000  # bytes that a compressed value may grow to


class Canary:
    """The word, and values made of it."""

    def __init__(self) -> None:
        # Letters and digits only: quoted-printable and percent-encoding leave it as it is.
        self.word = "phi" + secrets.token_hex(12)
        # A domain is nobody's secret: mail is steered by it.
        self.address = f"{self.word}@canary.example.org"
        self.name = f"Ona {self.word.upper()}"
        self._forms = dict(_disguise(self.word))

    def find(self, data: bytes) -> str:
        """The disguise in which the word is in there, or ''."""
        for how, view in _views(data):
            lowered = view.lower()
            for form, needle in self._forms.items():
                # Base64 means something else in other letters; everything else may have changed its case.
                if needle in (view if form.startswith("base64") else lowered):
                    return f"{form}{how}"
        return ""


def _disguise(word: str) -> Iterator[tuple[str, bytes]]:
    for case, text in (("", word), (" in capitals", word.upper())):
        raw = text.encode()
        for shift in range(3):
            # The same bytes look different at each of three places within a group of four letters.
            encoded = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4]
            yield f"base64 ({shift}){case}", encoded
    raw = word.encode()
    yield "as it is", raw
    yield "UTF-16", word.encode("utf-16-le")
    yield "UTF-16 (big)", word.encode("utf-16-be")
    yield "hexadecimal", raw.hex().encode()
    yield "backwards", raw[::-1]


def _views(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield "", data
    if b"=\n" in data or b"=\r\n" in data:
        yield ", quoted-printable", _SOFT_BREAK.sub(b"", data)
    if data[:1] == b"\x78" and (opened := _inflate(data)):
        yield ", compressed", opened
    if data[:2] == b"\x1f\x8b" and (opened := _gunzip(data)):
        yield ", compressed", opened
    for found in _SQUEEZED.findall(data):
        if opened := _inflate(_decode(found)):
            yield ", signed and compressed", opened


def _decode(found: bytes) -> bytes:
    # Sealed values may look like base64 by chance, with a letter more than base64 has.
    whole = found[:-1] if len(found) % 4 == 1 else found
    return base64.urlsafe_b64decode(whole + b"=" * (-len(whole) % 4))


def _inflate(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _MOST)
    except zlib.error:
        return b""


def _gunzip(data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return b""
