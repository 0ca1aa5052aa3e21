"""Quoted-printable by whole lines (RFC 2045 §6.7): a line's encoding depends on that line alone.

Runs of literal lines are encoded once, lines with values per recipient, and both give the bytes that
encoding the finished text gives. No encoded line starts with a dot or with `From `, so neither dot-stuffing
nor a mailbox file changes a body.
"""

from __future__ import annotations

import re

_SAFE = re.compile(r"[ -<>-~]*").fullmatch
_UNSAFE = re.compile(r"[^ -<>-~\n]")
_CODES = {chr(code): f"={code:02X}" for code in range(256)}
# Up to 73 characters, never cutting an =XX in two; room for a soft break and an encoded first character.
_STRETCH = re.compile(r".{1,73}(?<!=)(?<!=.)")
_LONGEST = 73


def encode_chars(text: str) -> str:
    """Text (line breaks as \\n) with every character that needs it as =XX; lines end in CRLF and are not broken yet."""
    return text if _SAFE(text) else encode_octets(text.encode().decode("latin-1"))


def encode_octets(octets: str) -> str:
    """The same for octets of any charset, each given as the character of its number."""
    return _UNSAFE.sub(lambda found: _CODES[found[0]], octets).replace("\n", "\r\n")


def break_lines(encoded: str) -> bytes:
    """Whole encoded lines with soft breaks: 76 characters at most, the last line ends in CRLF too."""
    if " \r\n" in encoded:
        encoded = encoded.replace(" \r\n", "=20\r\n")
    lines = encoded.split("\r\n")
    if max(map(len, lines)) > _LONGEST:
        lines = [line if len(line) <= _LONGEST else "=\r\n".join(_STRETCH.findall(line)) for line in lines]
    return _guard_starts("\r\n".join(lines))


def split_head(encoded: str) -> tuple[bytes, str]:
    """The beginning of a line, not its end, as (bytes already broken, the rest): what follows does not change those.

    Breaks fall every so many characters from the start of the line, so whole stretches are settled by themselves.
    """
    if len(encoded) <= _LONGEST:
        return b"", encoded
    *whole, rest = _STRETCH.findall(encoded)
    return _guard_starts("=\r\n".join(whole) + "=\r\n"), rest


def _guard_starts(lines: str) -> bytes:
    broken = "\r\n" + lines
    if "\r\n." in broken:
        broken = broken.replace("\r\n.", "\r\n=2E")
    if "\r\nFrom " in broken:
        broken = broken.replace("\r\nFrom ", "\r\n=46rom ")
    return broken[2:].encode("ascii")


def quoted_printable(text: str) -> bytes:
    """The encoding of a whole text whose last line ends in \\n."""
    return break_lines(encode_chars(text))
