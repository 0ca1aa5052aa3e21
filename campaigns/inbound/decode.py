"""Transfer encodings, charsets, encoded words and HTML of strangers, as text: nothing here ever raises."""

from __future__ import annotations

import base64
import binascii
import codecs
import quopri
import re
from functools import lru_cache
from html import unescape

_WORD = re.compile(r"=\?([\w.:-]{1,60})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?\n]{0,500}?)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?)")
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_FOLD = re.compile(rb"\n[ \t]*")
# Names people write for charsets that exist under another.
_ALIASES = {
    "uft-8": "utf-8", "utf8mb4": "utf-8", "unicode-1-1-utf-7": "utf-7", "unicode": "utf-8", "x-unknown": "utf-8",
    "us-ascii": "utf-8", "ascii": "utf-8", "iso-2022-jp": "iso2022_jp_ext", "iso-2022-jp-ms": "iso2022_jp_ext",
    "cp50220": "iso2022_jp_ext", "cp50221": "iso2022_jp_ext", "cp50222": "iso2022_jp_ext", "x-sjis": "cp932",
    "shift_jis": "cp932", "shift-jis": "cp932", "windows-31j": "cp932", "ks_c_5601-1987": "cp949", "x-euc-jp": "euc_jp",
    "gb2312": "gb18030", "x-gbk": "gb18030", "iso-8859-8-i": "iso8859_8", "windows-874": "cp874", "x-mac-roman": "mac_roman",
}  # fmt: skip
# Codecs of Python that are no charsets: they unpack or rewrite.
_NO_CHARSETS = {"base64", "bz2", "hex", "quopri", "rot13", "uu", "zlib", "punycode", "idna", "undefined", "mbcs", "oem"}
_FALLBACKS = ("utf-8", "cp932", "euc_jp", "cp1252")

_HIDDEN = {"style", "script", "head", "title"}
_BREAKS = {"br", "p", "div", "tr", "li", "table", "td", "hr", "pre", "h1", "h2", "h3", "h4"}
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})|<!--|<[!?]")


def decode_transfer(body: bytes, encoding: str) -> bytes:
    """The bytes behind base64 or quoted-printable, as far as they can be read; anything else as it is."""
    name = encoding.strip().lower()
    if name == "base64":
        return _decode_base64(body)
    return quopri.decodestring(body) if name == "quoted-printable" else body


def _decode_base64(body: bytes) -> bytes:
    letters = _NO_BASE64.sub(b"", body)
    whole = letters[: len(letters) // 4 * 4]
    rest = letters[len(whole) :]
    try:
        return base64.b64decode(whole) + (base64.b64decode(rest + b"=" * (4 - len(rest))) if len(rest) > 1 else b"")
    except (binascii.Error, ValueError):
        return b""


@lru_cache(maxsize=256)
def _find_charset(name: str) -> str:
    """The codec for a charset's name, empty when nobody knows it."""
    wanted = name.strip().strip("\"'").lower()[:60]
    try:
        found = codecs.lookup(_ALIASES.get(wanted, wanted))
    except (LookupError, ValueError):
        return ""
    return "" if found.name in _NO_CHARSETS or not getattr(found, "_is_text_encoding", True) else found.name


def decode_text(data: bytes, charset: str) -> str:
    """The text in these bytes; by its own charset if that is true, else by the first that is."""
    named = _find_charset(charset) if charset else ""
    for name in dict.fromkeys((named, *_FALLBACKS)):
        if not name:
            continue
        try:
            return _clean(data.decode(name))
        except (UnicodeError, ValueError):
            continue
    return _clean(data.decode(named or "latin-1", "replace"))


def _clean(text: str) -> str:
    return text.replace("\0", "")


def decode_header(value: bytes) -> str:
    """A field's value on one line, encoded words decoded (RFC 2047)."""
    text = decode_text(_FOLD.sub(b" ", value).strip(), "")
    if "=?" not in text:
        return text
    return _WORD.sub(_decode_word, _BETWEEN_WORDS.sub(r"\1", text)).strip()


def _decode_word(found: re.Match[str]) -> str:
    charset, kind, content = found[1], found[2].lower(), found[3].encode("utf-8", "replace")
    data = _decode_base64(content) if kind == "b" else quopri.decodestring(content.replace(b"_", b" "), header=True)
    # A word stands inside one line, whatever was put into it.
    return re.sub(r"[\r\n]+", " ", decode_text(data, charset))


def strip_tags(html: str) -> str:
    """The words of an HTML text, a line for each block. Takes time in proportion to the text."""
    pieces: list[str] = []
    at, missing = 0, set[str]()  # ends that do not come any more are looked for once

    def find_end(end: str, start: int) -> int:
        stop = html.find(end, start) if end not in missing else -1
        if stop < 0:
            missing.add(end)
        return stop

    while (found := _TAG.search(html, at)) is not None:
        pieces.append(html[at : found.start()])
        name = (found[2] or "").lower()
        start = found.end()
        if name in _HIDDEN and not found[1]:
            start = max(start, find_end(f"</{name}", start))
        elif found[0] == "<!--":
            start = max(start, find_end("-->", start))
        stop = find_end(">", start)
        if stop < 0:
            return unescape("".join(pieces))
        pieces.append("\n" if name in _BREAKS else "")
        at = stop + 1
    return unescape("".join((*pieces, html[at:])))
