"""What is read of a mail: its texts made comparable, with the lines they came from."""

from __future__ import annotations

import bisect
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser

# In these places a reader, a lock screen or a log sees the text without opening the mail.
STRICT = frozenset(
    {"subject", "preheader", "from-name", "campaign-name", "template-name", "attachment-name", "header", "reference"}
)
PLACES = STRICT | {"html", "text", "from-address"}

_BLOCKS = frozenset({
    "address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "footer", "h1", "h2", "h3", "h4", "h5", "h6",
    "head", "header", "hr", "li", "ol", "p", "pre", "section", "table", "td", "th", "title", "tr", "ul",
})  # fmt: skip
_READ_ATTRIBUTES = ("alt", "title", "aria-label", "placeholder", "value", "content", "summary")
_LINK_ATTRIBUTES = ("href", "src", "action", "background", "cite", "data", "poster", "srcset", "formaction")
_CSS_URL = re.compile(r"url\(\s{0,9}['\"]?([^'\")]{0,2000})", re.IGNORECASE)
_TAG = re.compile(r"\{\{.{0,400}?\}\}|\{%.{0,400}?%\}", re.DOTALL)
# Stands for a value: neither a digit nor a letter, so nothing grows together around it.
VALUE = "\N{OBJECT REPLACEMENT CHARACTER}"
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"), "-")


@dataclass(frozen=True, slots=True)
class Link:
    """An address in a mail, with values as {{ }}, and the line it stands on."""

    url: str = field(repr=False)
    line: int


@dataclass(frozen=True, slots=True)
class Readable:
    """A text as detectors read it; `starts` are (position, line) pairs from which a line number is found."""

    place: str
    text: str = field(repr=False)
    starts: tuple[tuple[int, int], ...] = ((0, 1),)
    links: tuple[Link, ...] = ()

    def line_at(self, position: int) -> int:
        """The line of the source a position came from."""
        index = bisect.bisect_right(self.starts, position, key=lambda start: start[0]) - 1
        start, line = self.starts[max(index, 0)]
        return line + self.text.count("\n", start, position)


def read_texts(parts: Mapping[str, str]) -> list[Readable]:
    """The parts of a mail by place; `html` is read as HTML. Raises ValueError for a place nobody knows."""
    if unknown := parts.keys() - PLACES:
        raise ValueError(f"no place of a mail: {sorted(unknown)[0]}")
    return [_read_html(text) if place == "html" else _read_plain(place, text) for place, text in parts.items()]


def normalise(text: str) -> str:
    """One spelling for what looks alike: NFKC, ASCII digits and dashes, nothing invisible; values as one mark."""
    text = unicodedata.normalize("NFKC", _TAG.sub(VALUE, text)).translate(_DASHES)
    return "".join(map(_plain, text)) if not text.isascii() else text


def _plain(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return "" if category == "Cf" else character


_URL = re.compile(r"https?://[^\s<>\"']{1,2000}", re.IGNORECASE)


def _read_plain(place: str, text: str) -> Readable:
    links = [Link(found[0], text.count("\n", 0, found.start()) + 1) for found in _URL.finditer(text)]
    return Readable(place, normalise(text), links=tuple(links))


class PatientParser(HTMLParser):
    """Python's parser, which gives up at no HTML: a declaration it does not know is a comment, as in browsers."""

    def __init__(self, *, convert_charrefs: bool = True) -> None:
        super().__init__(convert_charrefs=convert_charrefs)

    def read(self, html: str) -> None:
        """All of it. Whatever is left open ends with it: else the parser looks for its end once a character."""
        self.feed(f"{html}\n--></style></script>")
        self.close()

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        # Its own raises an error that quotes the text, for `<![` and a word it does not expect.
        return self.parse_bogus_comment(i, report)


def _read_html(html: str) -> Readable:
    reader = _HtmlReader()
    reader.read(html)
    return Readable("html", "".join(reader.pieces), tuple(reader.starts) or ((0, 1),), tuple(reader.links))


class _HtmlReader(PatientParser):
    """Text as it is read, with attributes and comments, which are read too; words split by tags stay whole."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self.starts: list[tuple[int, int]] = []
        self.links: list[Link] = []
        self._length = 0
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        if tag in _BLOCKS:
            self._add("\n")
        for name, value in attrs:
            self._read_attribute(name, value or "")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
        if tag in _BLOCKS:
            self._add("\n")

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self._read_style(data)
        else:
            self._add(normalise(data))

    def handle_comment(self, data: str) -> None:
        self._add(f"\n{normalise(data)}\n")

    def _read_attribute(self, name: str, value: str) -> None:
        if name in _READ_ATTRIBUTES:
            self._add(f"\n{normalise(value)}\n")
        if name == "style":
            self._read_style(value)
        if name in _LINK_ATTRIBUTES and value:
            self.links.append(Link(value, self.getpos()[0]))

    def _read_style(self, css: str) -> None:
        self.links += [Link(found[1], self.getpos()[0]) for found in _CSS_URL.finditer(css)]

    def _add(self, text: str) -> None:
        if text:
            self.starts.append((self._length, self.getpos()[0]))
            self.pieces.append(text)
            self._length += len(text)
