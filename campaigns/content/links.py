"""The links of a finished mail: where each one stands, which of them may lead through us, and what replaces them.

Only the values of href are ever changed, inside Outlook's conditional comments too (LW-06); every other byte stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape, unescape
from html.entities import html5

from campaigns import tokens
from campaigns.content.markers import MARK, mark
from campaigns.content.markup import ATTRIBUTE, Kind, Piece, pieces

# Infobip counts the same; error 6024 there.
MOST_LINKS = 150
# Values of these names are links of our own: whoever follows one must reach us whatever becomes of tracking (LW-03).
OWN_NAMES = re.compile(r"\b(?:unsubscribe|preferences|browser)_url\b")

# What an HTML attribute decodes (HTML §13.2.5.73): a name without its semicolon is text where = or a letter follows.
_REFERENCE = re.compile(
    r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[A-Za-z][A-Za-z0-9]*;|[A-Za-z][A-Za-z0-9]*(?![=A-Za-z0-9]))"
)
# URL standard §4.4: tabs and line ends anywhere in an address mean nothing.
_NOT_IN_URL = re.compile(r"[\t\n\r]+")
# Absolute web addresses only; a host that hides behind a name (user@) or a backslash is not followed for anybody (LW-02).
_WEB = re.compile(
    rf"https?://(?:[^\s/?#@\\\x00-\x20\x7f<>\"]|{MARK.pattern})+(?:[/?#][^\x00-\x1f\x7f<>\"]*)?", re.IGNORECASE
)
_CONDITIONAL_START = re.compile(r"<!--.*?\]>", re.DOTALL)
_CONDITIONAL_END = "<![endif]-->"
_TRACKED = re.compile(r"https?://[^/]+/c/([A-Za-z0-9_-]+)\.[0-9]+(?:\.[A-Za-z0-9_-]+)?", re.IGNORECASE)
_LONGEST = 4000
SAYS_OFF = re.compile(r"\b(?:clicktracking|data-track)\s*=\s*[\"']?\s*(?:off|false|no)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Link:
    """The href at `start`:`end` of the HTML, quotes included; `url` is what it says, `after` where its tag ends."""

    start: int
    end: int
    after: int
    url: str
    is_visible: bool = True


def find_links(html: str, *, own: Sequence[str] = ()) -> list[Link]:
    """The links that may be tracked, in order; markers in them stand for values.

    Not among them: fragments, mailto and the like, links with `clicktracking="off"` or `data-track="off"`, links that
    are tracked already, and those that start with a prefix in `own` (LW-03, LW-05).
    """
    return [link for link in _all_links(html, 0) if may_track(link.url, own=own)]


def may_track(url: str, *, own: Sequence[str] = ()) -> bool:
    """Whether a click on this address may lead through us; one that starts with a marker is decided per reader."""
    if MARK.match(url):
        return True
    if len(url) > _LONGEST or not _WEB.fullmatch(url) or url.startswith(tuple(own)):
        return False
    tracked = _TRACKED.fullmatch(url)
    return tracked is None or tokens.read_visit_token(tracked[1]) is None


def rewrite(html: str, replace: Callable[[Link], str | None], *, own: Sequence[str] = ()) -> str:
    """The HTML with other addresses in the links for which `replace` has one; idempotent when those are tracked ones."""
    return put(html, [(link, replace(link)) for link in find_links(html, own=own)])


def put(html: str, targets: Sequence[tuple[Link, str | None]]) -> str:
    """The HTML with these hrefs; None leaves one as it is. Targets are addresses, not HTML."""
    out, at = [], 0
    for link, target in targets:
        if target is not None:
            out += [html[at : link.start], _quoted(target, html[link.start : link.end])]
            at = link.end
    return "".join([*out, html[at:]])


def _quoted(target: str, before: str) -> str:
    quote = before[:1] if before[:1] in ("'", '"') else ""
    text = escape(target, quote=True)
    # Without quotes an address may not end in a slash that closes the tag; with them any address is one value.
    return f"{quote}{text}{quote}" if quote or re.fullmatch(r"[A-Za-z0-9:/._-]*[A-Za-z0-9_-]", text) else f'"{text}"'


def _all_links(html: str, offset: int) -> Iterator[Link]:
    at = 0
    for piece in pieces(html):
        if piece.kind is Kind.TAG and _is_link(piece):
            yield from _link_in(piece, offset + at)
        elif piece.kind is Kind.CONDITIONAL and (start := _CONDITIONAL_START.match(piece.text)):
            inside = piece.text[start.end() :].removesuffix(_CONDITIONAL_END)
            for link in _all_links(inside, offset + at + start.end()):
                yield Link(link.start, link.end, link.after, link.url, is_visible=False)
        at += len(piece.text)


def _is_link(piece: Piece) -> bool:
    return not piece.text.startswith("</") and (piece.name in ("a", "area") or piece.name.startswith("v:"))


def _link_in(piece: Piece, at: int) -> Iterator[Link]:
    start = at + len(piece.text) - 1 - len(piece.attributes)
    found = list(ATTRIBUTE.finditer(piece.attributes))
    if any(_says_off(attribute) for attribute in found):
        return
    # The first of two counts, for browsers too.
    href = next((attribute for attribute in found if attribute["name"].lower() == "href"), None)
    if href is not None and href["value"]:
        url = decode_url(_bare(href["value"]))
        yield Link(start + href.start("value"), start + href.end("value"), at + len(piece.text), url)


def _says_off(attribute: re.Match[str]) -> bool:
    name, value = attribute["name"].lower(), _bare(attribute["value"] or "")
    return name in ("clicktracking", "data-track") and value.strip().lower() in ("off", "false", "no")


def _bare(value: str) -> str:
    return value[1:-1] if value[:1] in ("'", '"') else value


def decode_url(value: str) -> str:
    """The address in the value of an attribute, as a browser reads it; otherwise byte for byte (LW-04)."""
    return _NOT_IN_URL.sub("", _REFERENCE.sub(_decoded, value)).strip(" \x0c")


def _decoded(reference: re.Match[str]) -> str:
    name = reference[0][1:]
    return unescape(reference[0]) if name.startswith("#") else html5.get(name, reference[0])


@dataclass(frozen=True, slots=True)
class LinkKey:
    """What makes a link of a submission the same in every mail: its address with markers numbered from 0, its place."""

    url: str
    place: int


def name_links(links: Sequence[Link]) -> list[LinkKey]:
    """The key of each link; one that starts with a value is known only by that."""
    seen: Counter[str] = Counter()
    keys = []
    for link in links:
        url = mark(0) if MARK.match(link.url) else _renumbered(link.url)
        keys.append(LinkKey(url, seen[url]))
        seen[url] += 1
    return keys


def _renumbered(url: str) -> str:
    numbers: list[int] = []

    def renumber(_: re.Match[str]) -> str:
        numbers.append(len(numbers))
        return mark(numbers[-1])

    return MARK.sub(renumber, url)


def add_query(url: str, pairs: Sequence[tuple[str, str]]) -> str:
    """The address with more of a query, before its fragment; names it has already keep their values (LW-04).

    `pairs` come encoded. What was there stays byte for byte.
    """
    rest, hash_sign, fragment = url.partition("#")
    query = rest.partition("?")[2]
    had = {part.partition("=")[0].lower() for part in query.split("&")}
    more = "&".join(f"{name}={value}" for name, value in pairs if name not in had)
    if not more:
        return url
    joint = "" if rest.endswith(("?", "&")) else "&" if "?" in rest else "?"
    return f"{rest}{joint}{more}{hash_sign}{fragment}"
