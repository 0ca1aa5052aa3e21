"""The text alternative made from HTML: link targets, lists and image texts stay; style and hidden parts go (MF-12)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from campaigns.content.markers import IN_MAIL, IN_URL, MARK, URL_START, mark, read
from compliance.detectors.texts import PatientParser

_SKIPPED = frozenset(
    ["head", "script", "style", "title", "template", "noscript", "xml", "svg", "math", "object", "select", "textarea"]
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_PARAGRAPHS = frozenset(
    ["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "blockquote", "pre", "table", "figure"]
)
_LINES = frozenset(
    [
        "div",
        "tr",
        "li",
        "dt",
        "dd",
        "center",
        "section",
        "article",
        "header",
        "footer",
        "nav",
        "main",
        "address",
        "caption",
        "figcaption",
    ]
)
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all", re.IGNORECASE)
_SPACE = re.compile(r"[ \t\r\n\f\u200b\u034f\ufeff]+")
_MANY_BREAKS = re.compile(r"\n{3,}")


@dataclass(slots=True)
class TextPart:
    """Readable text with markers, and what a person can see of the HTML: link slots and text slots."""

    text: str
    link_slots: frozenset[int]
    text_slots: frozenset[int]


@dataclass(slots=True)
class _Open:
    name: str
    hidden: bool
    href: str = ""
    start: int = 0
    items: int = 0


@dataclass(slots=True)
class _Found:
    links: set[int] = field(default_factory=set)
    texts: set[int] = field(default_factory=set)


def make_text(html: str) -> TextPart:
    """The text part of an HTML skeleton; links read `label <target>`."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (line.strip() for line in "".join(reader.out).split("\n"))
    text = _MANY_BREAKS.sub("\n\n", "\n".join(lines)).strip("\n")
    return TextPart(text + "\n", frozenset(reader.found.links), frozenset(reader.found.texts))


class _Reader(PatientParser):
    def __init__(self) -> None:
        super().__init__()
        self.out: list[str] = []
        self.found = _Found()
        self._open: list[_Open] = []
        # Line breaks owed before the next words: those of an end and a start tag are one.
        self._owed = 0
        self._after_bullet = False

    @property
    def _hidden(self) -> bool:
        return bool(self._open) and self._open[-1].hidden

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "img" and not self._hidden:
            self._text(given.get("alt", ""))
        if tag in _VOID:
            self._break_at(tag)
            return
        if tag in ("p", "li", "tr", "td") and self._open and self._open[-1].name == tag:
            self.handle_endtag(tag)
        hidden = self._hidden or tag in _SKIPPED or "hidden" in given or bool(_HIDDEN.search(given.get("style", "")))
        self._break_at(tag)
        if tag == "li" and not hidden:
            self._say(self._bullet())
            self._after_bullet = True
        self._open.append(_Open(tag, hidden, given.get("href", "") if tag == "a" else "", len(self.out)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if all(element.name != tag for element in self._open):
            return
        while self._open:
            element = self._open.pop()
            if element.href and not element.hidden:
                self._link(element)
            self._break_at(element.name)
            if element.name == tag:
                return

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.found.texts.update(_slots(data))
            self._text(data)

    def _text(self, data: str) -> None:
        text = _SPACE.sub(" ", data)
        # Layout tables are full of white space; only what parts words counts.
        if text.startswith(" ") and self._ends_with_space():
            text = text[1:]
        if text:
            self._say(text)

    def _say(self, text: str) -> None:
        if self._owed and self.out:
            self.out.append("\n" * self._owed)
        self._owed = 0
        self._after_bullet = False
        self.out.append(text)

    def _ends_with_space(self) -> bool:
        return not self.out or self._owed > 0 or self.out[-1][-1:] in (" ", "\n")

    def _break_at(self, tag: str) -> None:
        if self._hidden or self._after_bullet:
            return
        if tag in _PARAGRAPHS:
            self._owed = 2
        elif tag in _LINES:
            self._owed = max(self._owed, 1)
        elif tag == "br":
            self._owed = min(self._owed + 1, 2)
        elif tag == "hr":
            self._owed = 2
            self._say("----")
            self._owed = 2
        elif tag in ("td", "th") and not self._ends_with_space():
            self.out.append(" ")

    def _bullet(self) -> str:
        holder = next((element for element in reversed(self._open) if element.name in ("ul", "ol")), None)
        if holder is None or holder.name == "ul":
            return "- "
        holder.items += 1
        return f"{holder.items}. "

    def _link(self, element: _Open) -> None:
        label = _SPACE.sub(" ", "".join(self.out[element.start :])).strip()
        href = element.href.strip()
        if not href or href.startswith("#"):
            return
        if label:
            self.found.links.update(_slots(href) if MARK.fullmatch(href) else ())
        if href in (label, f"mailto:{label}", f"tel:{label}") and not MARK.search(href):
            return
        owed, self._owed = self._owed, self._owed if not label else 0
        while label and not self.out[-1].strip():
            self.out.pop()
        self._say(f"{'' if self._ends_with_space() else ' '}<{_link_markers(href)}>")
        self._owed = owed if label else 0


def _slots(text: str) -> list[int]:
    return [read(marker)[1] for marker in MARK.findall(text)]


def _link_markers(href: str) -> str:
    """The target with markers that still say they stand in a link."""
    base = IN_MAIL if href.lower().startswith(("mailto:", "tel:")) else IN_URL

    def moved(found: re.Match[str]) -> str:
        return mark(read(found[0])[1], base=URL_START if found.start() == 0 else base)

    return MARK.sub(moved, href)
