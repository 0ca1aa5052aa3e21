"""HTML of a skeleton: where its slots stand, CSS inlining, the preheader. Works on markers, never on values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from html import unescape
from itertools import accumulate

import css_inline

from campaigns.content.deep import run_deep
from campaigns.content.markers import MARK
from campaigns.content.problems import RenderError
from campaigns.content.values import Place

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True)

_PIECE = re.compile(
    r"(?P<comment><!--.*?-->)"
    r"|<(?P<close>/?)(?P<name>[a-zA-Z][^\s/>]*)(?P<attributes>(?:[^>\"']|\"[^\"]*\"|'[^']*')*)>"
    r"|(?P<declaration><[!?][^>]*>)",
    re.DOTALL,
)
_START = re.compile(r"<(?:!|\?|/?[a-zA-Z])")
ATTRIBUTE = re.compile(r"(?P<name>[^\s=/>\"']+)(?:\s*=\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s>]+))?")
# <![if !mso]> is valid for Outlook only; the HTML5 form says the same to Outlook and survives a parser.
_REVEALED_START = re.compile(r"<!\[if ([^\]]*)\]>(?!-->)")
_REVEALED_END = re.compile(r"(?<!--)<!\[endif\]>")
_CONDITIONAL = re.compile(r"<!--\s*\[if |<!--\s*<!\[endif\]|<!--\s*\[endif\]", re.IGNORECASE)
_RAW = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes", "plaintext"})
_URLATTRIBUTES = frozenset(
    ["href", "src", "background", "action", "poster", "cite", "data", "formaction", "longdesc", "xlink:href"]
)
_CLOSED_ELEMENTS = frozenset(["script", "style", "meta", "base", "link", "iframe", "object", "embed"])
_LITERAL_LINK = re.compile(r"\s*(?:https?://|mailto:|tel:|#)", re.IGNORECASE)
_MAIL_LINK = re.compile(r"\s*(?:mailto:|tel:)", re.IGNORECASE)
_WEB_LINK = re.compile(r"<a(?:rea)?\s[^>]*?\bhref\s*=\s*[\"']?\s*https?:", re.IGNORECASE)
_LONG_TAG = 40
_MOST_ELEMENTS = 3000
# Keeps mail clients from filling the preview line with the body after a short preheader.
_FILLER = "&#847;&zwnj;&nbsp;" * 24


class Kind(Enum):
    """What a stretch of HTML is."""

    TEXT = auto()
    RAW = auto()
    TAG = auto()
    COMMENT = auto()
    CONDITIONAL = auto()
    DECLARATION = auto()


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of HTML: `name` is the element of a tag or raw text, `attributes` the text after the name."""

    kind: Kind
    text: str
    name: str = ""
    attributes: str = ""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`quoted` is False for a bare value; `value` is decoded."""

    name: str
    value: str
    quoted: bool


class MisplacedSlot(RenderError):
    """A placeholder stands where no value can be made harmless; `marker` is the first such one."""

    def __init__(self, code: str, safe_text: str, *, action: str, marker: str) -> None:
        super().__init__(code, safe_text, action=action)
        self.marker = marker


def pieces(html: str) -> Iterator[Piece]:
    """The HTML cut into tags, text, comments and raw text; joined they are the HTML again."""
    at = 0
    while at < len(html):
        start = _START.search(html, at)
        if start is None:
            yield Piece(Kind.TEXT, html[at:])
            return
        if start.start() > at:
            yield Piece(Kind.TEXT, html[at : start.start()])
        found = _PIECE.match(html, start.start())
        if found is None:
            # Something is left open until the end; looking for it again at each `<` would take for ever.
            yield Piece(Kind.TEXT, html[start.start() :])
            return
        piece = _piece(found)
        yield piece
        at = found.end()
        if piece.kind is Kind.TAG and not found["close"] and piece.name in _RAW:
            end = re.compile(rf"</{re.escape(piece.name)}(?=[\s/>])", re.IGNORECASE).search(html, at)
            stop = end.start() if end else len(html)
            yield Piece(Kind.RAW, html[at:stop], piece.name)
            at = stop


def _piece(found: re.Match[str]) -> Piece:
    if found["comment"]:
        kind = Kind.CONDITIONAL if _CONDITIONAL.match(found[0]) else Kind.COMMENT
        return Piece(kind, found[0])
    if found["declaration"]:
        return Piece(Kind.DECLARATION, found[0])
    return Piece(Kind.TAG, found[0], found["name"].lower(), found["attributes"])


def attributes(piece: Piece) -> Iterator[Attribute]:
    """The attributes of a tag, in order."""
    for found in ATTRIBUTE.finditer(piece.attributes):
        value = found["value"] or ""
        quoted = value[:1] in ("'", '"')
        yield Attribute(found["name"].lower(), unescape(value[1:-1] if quoted else value), quoted or not value)


def places(html: str) -> list[Place]:
    """The place of every marker in the HTML, in order; raises MisplacedSlot."""
    found: list[Place] = []
    for piece in pieces(html):
        if MARK.search(piece.text):
            found.extend(_places_in(piece))
    return found


def _places_in(piece: Piece) -> list[Place]:
    if piece.kind is Kind.TEXT:
        return [Place.TEXT for _ in MARK.finditer(piece.text)]
    if piece.kind is Kind.CONDITIONAL:
        inside = re.sub(r"^<!--.*?\]>|<!\[endif\]-->$", "", piece.text, flags=re.DOTALL)
        return places(inside)
    if piece.kind is not Kind.TAG or MARK.search(piece.name) or piece.name in _CLOSED_ELEMENTS:
        where = f"<{piece.name}>" if piece.name and not MARK.search(piece.name) else "a tag name or a comment"
        raise _misplaced("content.slot-place", f"A placeholder stands inside {where}.", piece.text)
    result: list[Place] = []
    for attribute in attributes(piece):
        result.extend(_places_in_attribute(attribute, tag=piece))
    if len(result) != len(MARK.findall(piece.text)):
        raise _misplaced("content.slot-place", "A placeholder stands between the attributes of a tag.", piece.text)
    return result


def _places_in_attribute(attribute: Attribute, *, tag: Piece) -> list[Place]:
    if MARK.search(attribute.name):
        raise _misplaced("content.slot-place", "A placeholder stands in the name of an attribute.", attribute.name)
    count = len(MARK.findall(attribute.value))
    if not count:
        return []
    if not attribute.quoted:
        text = f"A placeholder is the value of {attribute.name}= without quotes."
        raise _misplaced("content.slot-unquoted", text, attribute.value, action='Write it as name="{{ … }}".')
    if attribute.name.startswith("on") or attribute.name in ("srcdoc", "srcset", "ping"):
        text = f"A placeholder stands in the attribute {attribute.name} of <{tag.name}>."
        raise _misplaced("content.slot-place", text, attribute.value)
    if attribute.name == "style":
        return [Place.STYLE] * count
    if attribute.name in _URLATTRIBUTES:
        return link_places(attribute.value)
    return [Place.ATTRIBUTE] * count


def link_places(link: str) -> list[Place]:
    """The places of the markers in a link; raises MisplacedSlot when its scheme is not a literal harmless one."""
    count = len(MARK.findall(link))
    if MARK.match(link):
        return [Place.URL_START] + [Place.IN_URL] * (count - 1)
    if not _LITERAL_LINK.match(link):
        text = "A link with a placeholder starts with something else than https://, http://, mailto: or tel:."
        raise _misplaced("content.link-scheme", text, link, action="Start the link with https://.")
    return [Place.IN_MAIL if _MAIL_LINK.match(link) else Place.IN_URL] * count


def _misplaced(code: str, text: str, around: str, *, action: str = "") -> MisplacedSlot:
    found = MARK.search(around)
    action = action or "Placeholders may stand in text and in quoted attributes."
    return MisplacedSlot(code, text, action=action, marker=found[0] if found else "")


def finish(html: str, *, preheader: str) -> str:
    """The HTML as it is sent: CSS inlined, ordinary comments gone, preheader (already HTML) first in the body."""
    html = _REVEALED_START.sub(r"<!--[if \1]><!-->", html)
    html = _REVEALED_END.sub("<!--<![endif]-->", html)
    if not re.match(r"\s*<!doctype", html, re.IGNORECASE):
        html = "<!DOCTYPE html>\n" + html
    html = run_deep(_INLINER.inline, html, most=_MOST_ELEMENTS)
    out: list[str] = []
    preheader_html = _preheader(preheader)
    kept = [piece for piece in pieces(html) if piece.kind is not Kind.COMMENT]
    for piece, (behind, ahead) in zip(kept, _slots_near(kept), strict=True):
        text = _wrapped(piece, behind=behind, ahead=ahead) if piece.kind is Kind.TAG else piece.text
        if piece.kind is Kind.TAG and piece.name == "body" and not text.startswith("</"):
            text, preheader_html = text + preheader_html, ""
        out.append(text)
    return "\n".join(line.rstrip() for line in "".join(out).split("\n")).strip("\n") + "\n"


def _slots_near(kept: list[Piece]) -> list[tuple[bool, bool]]:
    """For each piece: is there a slot, or a link that may become one, before it, and after it, on its line."""
    behind = [*accumulate(kept, lambda flag, piece: _last_line_has_slot(piece.text, flag), initial=False)]
    backwards = accumulate(reversed(kept), lambda flag, piece: _first_line_has_slot(piece.text, flag), initial=False)
    ahead = [*backwards][::-1]
    return list(zip(behind[:-1], ahead[1:], strict=True))


def _last_line_has_slot(text: str, before: bool) -> bool:
    _, newline, tail = text.rpartition("\n")
    return _has_slot(tail) or (before and not newline)


def _first_line_has_slot(text: str, after: bool) -> bool:
    head, newline, _ = text.partition("\n")
    return _has_slot(head) or (after and not newline)


def _has_slot(text: str) -> bool:
    """Whether something here is one recipient's: a value now, or a link once clicks are counted."""
    return MARK.search(text) is not None or _WEB_LINK.search(text) is not None


def _wrapped(piece: Piece, *, behind: bool, ahead: bool) -> str:
    """The tag with line breaks inside it where a slot is near.

    White space between attributes and before `>` means nothing, so lines with values stay short without
    touching the text: only those lines are encoded per recipient, and short ones encode fast.
    """
    has_slot = _has_slot(piece.text)
    if not has_slot and len(piece.text) < _LONG_TAG:
        return piece.text
    empty = piece.attributes.endswith("/")
    name = piece.text[: len(piece.text) - len(piece.attributes) - 1]
    given = [found[0] for found in ATTRIBUTE.finditer(piece.attributes.rstrip("/"))]
    between = "\n" if has_slot else " "
    start = "\n" if has_slot or behind else " "
    close = " />" if empty else "\n>" if ahead else ">"
    return f"{name}{start}{between.join(given)}{close}" if given else piece.text


def _preheader(text: str) -> str:
    if not text:
        return ""
    style = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"
    # The text on a line of its own: the filler is then encoded once, not per recipient.
    return f'\n<div style="{style}">\n{text}\n{_FILLER}</div>\n'
