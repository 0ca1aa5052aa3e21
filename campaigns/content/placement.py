"""Where the values of recipients stand in a template: of mail with protected data they stand in what is read, nowhere else.

A subject is shown on lock screens and logged by servers; a link is forwarded, fetched by scanners and logged by where it
leads to. So no value stands in a subject, a preheader, a link or any other attribute, protected or not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from liquid.builtin.expressions import Path
from liquid.expression import Expression

from campaigns.content import liquid, markup
from campaigns.content.draft import VersionDraft
from campaigns.content.environment import SlotNode
from campaigns.content.liquid import LiquidSource, parse, read_placeholders
from campaigns.content.markers import MARK, read
from campaigns.content.mjml import compile_mjml
from campaigns.content.values import Place
from campaigns.models import SourceKind

# Names every template has that say nothing of the recipient; the address of one does.
SHARED = frozenset({"account_name", "postal_address", "unsubscribe_url"})
_BROWSER = "browser_url"
# Whatever a link begins with, up to a value in it; or a value that a link begins with.
_IN_LINK = re.compile(
    rf"(?:[a-z][a-z0-9+.-]{{0,20}}:|www\.)[^\s<>\"']*?({MARK.pattern})|({MARK.pattern})://", re.IGNORECASE
)
_LOGIC_IN_TAG = re.compile(r"<[a-zA-Z][^<>]{0,2000}?\{%")


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A value where none may stand: `field` is subject, preheader, html or text; `name` is empty for logic in a tag."""

    name: str
    field: str


def find_misplaced(draft: VersionDraft) -> list[Misplaced]:
    """Every value of a recipient outside of what is read, each once; raises LiquidError and MjmlError."""
    return list(dict.fromkeys(_find(draft)))


def find_unused(draft: VersionDraft) -> list[str]:
    """Declared names that no part of the mail uses (45 CFR 164.514(d): no more than necessary)."""
    texts = (draft.subject, draft.preheader, draft.source, draft.text_source)
    used = {found.name for text in texts for found in liquid.names_in(parse(read_placeholders(text)))}
    return [variable.name for variable in draft.variables if variable.name not in used]


def links_to_browser(draft: VersionDraft) -> bool:
    """Whether the mail offers to be read in the browser, which is excluded for protected mail."""
    texts = (draft.subject, draft.preheader, draft.source, draft.text_source)
    return any(found.name == _BROWSER for text in texts for found in liquid.names_in(parse(read_placeholders(text))))


def _find(draft: VersionDraft) -> Iterator[Misplaced]:
    for field, text in (("subject", draft.subject), ("preheader", draft.preheader)):
        names = liquid.names_in(parse(read_placeholders(text)))
        yield from (Misplaced(found.name, field) for found in names if found.name not in SHARED)
    source = read_placeholders(draft.source)
    if draft.source_kind == SourceKind.TEXT:
        yield from _find_in_text(parse(source))
        return
    html = compile_mjml(source) if draft.source_kind == SourceKind.MJML else source
    yield from _find_in_html(parse(html))
    if draft.text_source.strip():
        yield from _find_in_text(parse(read_placeholders(draft.text_source)))


def _find_in_html(source: LiquidSource) -> Iterator[Misplaced]:
    if _LOGIC_IN_TAG.search(source.text):
        yield Misplaced("", "html")
    skeleton, slots = source.every_branch()
    markers = MARK.findall(skeleton)
    for marker, place in zip(markers, markup.places(skeleton), strict=True):
        if place is not Place.TEXT:
            yield from (Misplaced(name, "html") for name in _names(slots[read(marker)[1]]))


def _find_in_text(source: LiquidSource) -> Iterator[Misplaced]:
    skeleton, slots = source.every_branch()
    for found in _IN_LINK.finditer(skeleton):
        slot = slots[read(found[1] or found[2])[1]]
        yield from (Misplaced(name, "text") for name in _names(slot))


def _names(slot: SlotNode) -> list[str]:
    """The names a statement prints something of, but what is the same for everybody; one that names nothing prints words."""
    paths = (part for part in _parts(slot.expression) if isinstance(part, Path))
    names = dict.fromkeys(str(path.path[0]) for path in paths)
    return [name for name in names if name not in SHARED]


def _parts(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in expression.children():
        yield from _parts(child)
