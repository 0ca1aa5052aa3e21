"""Values with parameters, `text/plain; charset=utf-8`, in every spelling readers understand (RFC 2045 §5.1, RFC 2231)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from campaigns.content.mail_head import MailRefused, ParametersOf, decode_charset, decode_octets, decode_words

_START = re.compile(r"[\w!#$&.+^/-]{1,127}", re.ASCII)
_NAME = re.compile(r"\s*([\w!#$&.+^*-]{1,60})\s*=\s*", re.ASCII)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE = re.compile(r"[^;\"]*")
_NEXT = re.compile(r"\s*(?:;\s*)+|\s*$")
_UNESCAPE = re.compile(r"\\(.)")
_PIECE = re.compile(r"([^*]+)(?:\*(\d{1,2}))?(\*)?", re.ASCII).fullmatch


def read_parameters(text: str) -> ParametersOf:
    """The value and its parameters; raises MailRefused where two readers could see two things."""
    start = _START.match(text)
    if start is None:
        raise _broken()
    given: dict[str, str] = {}
    place = _after(text, start.end())
    while place < len(text):
        name = _NAME.match(text, place)
        if name is None:
            raise _broken()
        value, place = _read_value(text, name.end())
        if name[1].lower() in given:
            raise _broken()
        given[name[1].lower()] = value
        place = _after(text, place)
    return _collect(start[0].lower(), given)


def _after(text: str, place: int) -> int:
    found = _NEXT.match(text, place)
    if found is None:
        raise _broken()
    return found.end()


def _read_value(text: str, place: int) -> tuple[str, int]:
    if text.startswith('"', place):
        quoted = _QUOTED.match(text, place)
        if quoted is None:
            raise _broken()
        return _UNESCAPE.sub(r"\1", quoted[1]), quoted.end()
    bare = _BARE.match(text, place)
    assert bare is not None
    return bare[0].strip(), bare.end()


def _collect(start: str, given: Mapping[str, str]) -> ParametersOf:
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value in given.items():
        found = _PIECE(name)
        if found is None:
            raise _broken()
        if found[2] is None and found[3] is None:
            plain[name] = decode_words(value)
        else:
            row = pieces.setdefault(found[1], {})
            if int(found[2] or 0) in row:
                raise _broken()
            row[int(found[2] or 0)] = value, found[3] is not None
    extended = {name: _join(row) for name, row in pieces.items()}
    both = {name: (extended[name], plain[name]) for name in extended if name in plain and plain[name] != extended[name]}
    return ParametersOf(start, {**plain, **extended}, both)


def _join(pieces: Mapping[int, tuple[str, bool]]) -> str:
    if sorted(pieces) != list(range(len(pieces))):
        raise _broken()
    first, is_encoded = pieces[0]
    charset = "utf-8"
    if is_encoded:
        if first.count("'") < 2:
            raise _broken()
        charset, _, first = first.split("'", 2)
    rows = [(first, is_encoded), *(pieces[number] for number in range(1, len(pieces)))]
    data = b"".join(unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace") for text, encoded in rows)
    text = decode_charset(data, charset or "utf-8")
    return decode_octets(data) if text is None else text


def _broken() -> MailRefused:
    return MailRefused(
        "mail.header-broken",
        "A Content-Type or Content-Disposition header of this mail can be read in more than one way.",
        action="Let a mail library write the headers.",
    )
