"""Compiled skeletons: literals encoded once, slots filled per recipient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from campaigns.content import markup, mime
from campaigns.content.links import name_links
from campaigns.content.markers import MARK, read
from campaigns.content.merge import Merged, MergeForm
from campaigns.content.slots import Slotted, Values, place_plainly, place_slots
from campaigns.content.textpart import make_text
from campaigns.content.tracked import LinkPlan, Tracked, TrackedHtml, track_html, trackable
from campaigns.content.values import Place
from campaigns.content.wire import Wire

Shared = tuple[tuple[str, str], ...]


class CompiledSkeleton:
    """One shape of a version's mail; `wire` and `read` fill in the values of its slots."""

    def __init__(
        self,
        templates: Mapping[str, Slotted],
        *,
        names: Sequence[str],
        digest: str,
        facts: tuple[bool, bool],
    ) -> None:
        self.has_unsubscribe_link, self.has_postal_address = facts
        self._templates = templates
        self._names = names
        self._boundary = mime.boundary_for(digest)
        self._bind = lru_cache(maxsize=16)(self._bound)
        self._merge_form = lru_cache(maxsize=16)(self._make_merge_form)

    def wire(self, values: Values, *, shared: Shared = (), tracked: Tracked | None = None) -> tuple[bytes, bytes]:
        """(subject header, entity) as wire bytes; raises RenderError.

        `shared` are (name, value) pairs that many mails have in common: they become literals, encoded once.
        """
        if tracked is None:
            subject, wire, _ = self._bind(shared)
        else:
            subject, wire, html = self._bind(shared, tracked.plan)
            values = html.values(values, tracked.token) if html else values
        return mime.subject_header(subject.fill(values)) if subject.needs else wire.subject, wire.fill(values)

    def merge(self, values: Values, *, shared: Shared = (), tracked: Tracked | None = None) -> Merged:
        """The same mail as texts with placeholders, for somebody else to put together; raises RenderError."""
        form, html = self._merge_form(shared, tracked.plan if tracked else None)
        return form.merge(html.values(values, tracked.token) if html and tracked else values)

    def _bound(self, shared: Shared, plan: LinkPlan | None = None) -> tuple[Slotted, Wire, TrackedHtml | None]:
        templates, html = self._made(shared, plan)
        token_slot = html.token_slot if html else None
        return templates["subject"], Wire(templates, boundary=self._boundary, token_slot=token_slot), html

    def _make_merge_form(self, shared: Shared, plan: LinkPlan | None) -> tuple[MergeForm, TrackedHtml | None]:
        templates, html = self._made(shared, plan)
        return MergeForm(templates), html

    def _made(self, shared: Shared, plan: LinkPlan | None) -> tuple[dict[str, Slotted], TrackedHtml | None]:
        templates = self._with_literals(shared)
        if plan is None or "html" not in templates:
            return templates, None
        html = track_html(templates["html"], names=self._names, plan=plan)
        return {**templates, "html": Slotted(html.text, tuple(html.needs))}, html

    def _with_literals(self, shared: Shared) -> dict[str, Slotted]:
        known = {slot: value for name, value in shared for slot, given in enumerate(self._names) if given == name}
        return {field: template.bind(known) for field, template in self._templates.items()}

    def count_links(self) -> int:
        """How many links clicks could be counted on; placeholders of our own are none of them."""
        html = self._templates.get("html")
        plan = LinkPlan(base="", number=None)
        return len(trackable(html, names=self._names, plan=plan)) if html else 0

    def annotate(self, values: Values, *, shared: Shared, plan: LinkPlan, note: Callable[[int], str]) -> str:
        """The HTML as people read it with a piece of HTML at the start of each link, by its number; raises RenderError."""
        html = self._with_literals(shared).get("html")
        if html is None or plan.number is None:
            return ""
        links = trackable(html, names=self._names, plan=plan)
        text: list[str] = []
        at = 0
        for link, number in zip(links, plan.number(name_links(links)), strict=True):
            if link.is_visible:
                text += [html.text[at : link.after], note(number)]
                at = link.after
        return Slotted("".join([*text, html.text[at:]]), html.needs).fill(values)

    def read(self, values: Values) -> tuple[str, str, str, str]:
        """(subject, preheader, html, text) as people read them; raises RenderError."""
        html = self._templates.get("html")
        return (
            self._templates["subject"].fill(values),
            self._templates["preheader"].fill(values),
            html.fill(values) if html else "",
            self._templates["text"].fill(values),
        )


def compile_skeleton(texts: Mapping[str, str], *, names: Sequence[str], digest: str) -> CompiledSkeleton:
    """Compile the skeletons of a mail's fields; `names` tells which slot is which. Raises RenderError."""
    preheader = texts["preheader"]
    subject_places = [Place.LINE for _ in MARK.finditer(texts["subject"])]
    templates = {
        "subject": place_slots(texts["subject"], subject_places),
        "preheader": place_plainly(preheader),
    }
    links: frozenset[int] | None = None
    seen: frozenset[int] | None = None
    if "html" in texts:
        html = markup.finish(texts["html"], preheader=_escaped(preheader))
        templates["html"] = place_slots(html, markup.places(html))
        visible = make_text(html)
        links, seen = visible.link_slots, visible.text_slots
        text = lines_of(texts["text"]) if "text" in texts else visible.text
    else:
        text = lines_of(texts["text"])
    templates["text"] = place_plainly(text)
    in_text = frozenset(read(marker)[1] for marker in MARK.findall(text))
    facts = (
        _has("unsubscribe_url", names, in_text, links),
        _has("postal_address", names, in_text, seen),
    )
    return CompiledSkeleton(templates, names=names, digest=digest, facts=facts)


def _has(name: str, names: Sequence[str], *where: frozenset[int] | None) -> bool:
    slots = {slot for slot, given in enumerate(names) if given == name}
    return all(slots & found for found in where if found is not None)


def lines_of(text: str) -> str:
    """Text with \\n line ends, one of them last; blanks at line ends stay (`-- ` starts a signature)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
