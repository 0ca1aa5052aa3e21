"""A skeleton whose links lead through us and that tells when it is opened: made once, filled per recipient.

Per recipient there is one token for the whole mail. A link without values is its number behind the token; the values
of other links travel sealed in the address, so nothing is stored per recipient and the redirect is what was sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from campaigns import tokens
from campaigns.content.links import (
    MOST_LINKS,
    OWN_NAMES,
    Link,
    LinkKey,
    add_query,
    find_links,
    may_track,
    name_links,
    put,
)
from campaigns.content.markers import MARK, mark, read
from campaigns.content.problems import RenderError
from campaigns.content.slots import Needs, Slotted, Values, value_of
from campaigns.content.values import ENCODERS, HARMLESS, Place

_PLAIN = {Place.URL_START: Place.PLAIN_URL_START, Place.IN_URL: Place.PLAIN_IN_URL}
_BODY = re.compile(r"<body\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s*>", re.IGNORECASE)
# Gmail cuts off what follows 102 KB (MP-11): a pixel behind that would never be asked for.
_SEEN_BYTES = 100_000
_SMALL = "display:block;width:1px;height:1px;border:0;margin:0 0 -1px"


@dataclass(frozen=True, eq=False, slots=True)
class LinkPlan:
    """What is changed in the mails of one submission; one object for all of them.

    `base` is the address hits come to, without a last slash. `number` gives links their numbers; None leaves their
    targets as they are. `pixel` is `top`, `bottom` or empty. `utm` are encoded pairs. Links that start with a prefix
    in `own` stay. `decoy` adds a link that no person sees.
    """

    base: str
    number: Callable[[Sequence[LinkKey]], Sequence[int]] | None
    pixel: str = ""
    utm: tuple[tuple[str, str], ...] = ()
    own: tuple[str, ...] = ()
    decoy: bool = False


@dataclass(frozen=True, slots=True)
class Tracked:
    """How one mail is tracked: the plan of its submission and the token of its reader, or of all of them together."""

    plan: LinkPlan
    token: str


@dataclass(frozen=True, slots=True)
class _Seal:
    """The values of links, sealed; links share one whose values stand inside addresses, for all is encoded there."""

    needs: Needs

    def fill(self, values: Values, token: str) -> str:
        return tokens.seal_link_values(token, [_encoded(values, need) for need in self.needs])


@dataclass(frozen=True, slots=True)
class _Whole:
    """A link that starts with a value: whether it may be tracked shows only when the value is known."""

    url: str
    needs: Needs
    number: int | None
    plan: LinkPlan

    def fill(self, values: Values, token: str) -> str:
        url = MARK.sub(lambda found: _encoded(values, self.needs[read(found[0])[1]]), self.url)
        if not may_track(url, own=self.plan.own):
            return url
        url = add_query(url, self.plan.utm)
        if self.number is None:
            return url
        sealed = tokens.seal_link_values(token, [url], number=self.number)
        return f"{self.plan.base}/c/{token}.{self.number}.{sealed}"


@dataclass(slots=True)
class TrackedHtml:
    """The HTML of a skeleton with other links, and the slots it has beyond those of the skeleton."""

    text: str
    needs: list[tuple[int, Place]]
    plan: LinkPlan
    token_slot: int
    _extras: list[_Seal | _Whole | None] = field(default_factory=lambda: [None])

    def values(self, values: Values, token: str) -> list[str | RenderError]:
        """The values of all slots, those of the skeleton first; raises RenderError."""
        return [*values, *(token if extra is None else extra.fill(values, token) for extra in self._extras)]

    def slot(self, extra: _Seal | _Whole | None, place: Place) -> str:
        """The marker of a value that is worked out per recipient; None is the token itself."""
        if extra not in self._extras:
            self._extras.append(extra)
        need = (self.token_slot + self._extras.index(extra), place)
        if need not in self.needs:
            self.needs.append(need)
        return mark(self.needs.index(need))


def track_html(before: Slotted, *, names: Sequence[str], plan: LinkPlan) -> TrackedHtml:
    """Apply a plan to the HTML of a skeleton whose slots have these names; raises RenderError for too many links."""
    html = TrackedHtml(before.text, list(before.needs), plan, len(names))
    links = trackable(before, names=names, plan=plan)
    if plan.number is not None and len(links) > MOST_LINKS:
        raise too_many_links(len(links))
    numbers = plan.number(name_links(links)) if plan.number is not None else [None] * len(links)
    html.text = put(
        before.text, [(link, _target(html, link, number)) for link, number in zip(links, numbers, strict=True)]
    )
    if plan.pixel:
        html.text = _put_pixel(html.text, _pixel(html), at_end=plan.pixel == "bottom")
    return html


def too_many_links(count: int) -> RenderError:
    return RenderError(
        "content.too-many-links",
        f"This mail has {count} links, and clicks can be counted on {MOST_LINKS} at most.",
        action='Remove links, mark some with clicktracking="off", or switch click tracking off.',
    )


def trackable(html: Slotted, *, names: Sequence[str], plan: LinkPlan) -> list[Link]:
    """The links a plan may change, with what it adds to their addresses."""

    def is_own(url: str) -> bool:
        slots = [html.needs[read(marker)[1]][0] for marker in MARK.findall(url)]
        return any(OWN_NAMES.search(names[slot]) for slot in slots)

    links = [link for link in find_links(html.text, own=plan.own) if not is_own(link.url)]
    return [link if MARK.match(link.url) else replace(link, url=add_query(link.url, plan.utm)) for link in links]


def _target(html: TrackedHtml, link: Link, number: int | None) -> str | None:
    if MARK.match(link.url):
        return html.slot(_whole(html, link, number), Place.ATTRIBUTE) if number or html.plan.utm else None
    if number is None:
        return link.url if html.plan.utm else None
    target = f"{html.plan.base}/c/{html.slot(None, Place.IN_URL)}.{number}"
    needs = _needs_of(html, link)
    return f"{target}.{html.slot(_Seal(needs), Place.IN_URL)}" if needs else target


def _whole(html: TrackedHtml, link: Link, number: int | None) -> _Whole:
    seen: list[int] = []

    def renumber(_: re.Match[str]) -> str:
        seen.append(len(seen))
        return mark(seen[-1])

    return _Whole(MARK.sub(renumber, link.url), _needs_of(html, link), number, html.plan)


def _needs_of(html: TrackedHtml, link: Link) -> Needs:
    return tuple(html.needs[read(marker)[1]] for marker in MARK.findall(link.url))


def _encoded(values: Values, need: tuple[int, Place]) -> str:
    """A value as it stands in an address that is no HTML."""
    slot, place = need
    value = value_of(values, slot)
    return value if HARMLESS[place](value) else ENCODERS[_PLAIN[place]](value)


def _pixel(html: TrackedHtml) -> str:
    base, token = html.plan.base, html.slot(None, Place.IN_URL)
    pixel = f'<img src="{base}/o/{token}.gif" width="1" height="1" alt="" style="{_SMALL}">'
    if not html.plan.decoy:
        return pixel
    # Found by programs that follow everything: no reader sees it, hears it or reaches it with a key (TR-02).
    hidden = 'rel="nofollow" aria-hidden="true" tabindex="-1" style="display:none"'
    return f'{pixel}\n<a href="{base}/c/{token}.0" {hidden}></a>'


def _put_pixel(text: str, pixel: str, *, at_end: bool) -> str:
    """On a line of its own, as the first or the last thing in the body: only that line is written per recipient."""
    if at_end and len(text.encode()) <= _SEEN_BYTES:
        at = max((found.start() for found in _BODY_END.finditer(text)), default=len(text))
    else:
        first = _BODY.search(text)
        at = first.end() if first else 0
    return f"{text[:at]}\n{pixel}\n{text[at:]}"
