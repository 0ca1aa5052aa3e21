"""Compiled skeletons: literals encoded once, slots filled per recipient."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from campaigns.content import markup, mime
from campaigns.content.encoding import break_lines, encode_chars, quoted_printable, split_head
from campaigns.content.markers import IN_MAIL, IN_URL, MARK, PLAIN, URL_START, mark, read
from campaigns.content.merge import Merged, MergeForm
from campaigns.content.problems import RenderError
from campaigns.content.textpart import make_text
from campaigns.content.values import ENCODERS, HARMLESS, Place

_PLAIN_PLACES = {
    PLAIN: Place.PLAIN,
    URL_START: Place.PLAIN_URL_START,
    IN_URL: Place.PLAIN_IN_URL,
    IN_MAIL: Place.PLAIN_IN_MAIL,
}
# A line of its own between two runs in the text that is encoded in one go; no value may hold NUL.
_CUT = "\0\r\n"

Values = Sequence[str | RenderError]


@dataclass(frozen=True, slots=True)
class Template:
    """A text whose markers count its needs: `text` has marker i where needs[i] = (slot, place) goes."""

    text: str
    needs: tuple[tuple[int, Place], ...]

    def fill(self, values: Values) -> str:
        filled = [ENCODERS[place](_value(values, slot)) for slot, place in self.needs]
        return MARK.sub(lambda found: filled[read(found[0])[1]], self.text)

    def bind(self, known: Mapping[int, str]) -> Template:
        """The template with the values of some slots as literals."""
        left = [need for need in self.needs if need[0] not in known]
        text = MARK.sub(lambda found: _bound_need(self.needs[read(found[0])[1]], known, left), self.text)
        return Template(text, tuple(left))


def _bound_need(need: tuple[int, Place], known: Mapping[int, str], left: list[tuple[int, Place]]) -> str:
    slot, place = need
    return ENCODERS[place](known[slot]) if slot in known else mark(left.index(need))


def _value(values: Values, slot: int) -> str:
    value = values[slot]
    if isinstance(value, RenderError):
        raise value
    return value


def template_of(text: str, places: Sequence[Place] | None = None) -> Template:
    """The text with its markers counted; without `places` each stands in a header line."""
    places = [Place.LINE for _ in MARK.finditer(text)] if places is None else places
    needs: dict[tuple[int, Place], int] = {}
    found = iter(places)

    def renumber(marker: re.Match[str]) -> str:
        need = (read(marker[0])[1], next(found))
        return mark(needs.setdefault(need, len(needs)))

    return Template(MARK.sub(renumber, text), tuple(needs)) if places else Template(text, ())


def plain_template(text: str) -> Template:
    """A text part with its markers counted."""
    return template_of(text, [_PLAIN_PLACES[read(marker)[0]] for marker in MARK.findall(text)])


class CompiledSkeleton:
    """One shape of a version's mail; `wire` and `read` fill in the values of its slots."""

    def __init__(
        self,
        templates: Mapping[str, Template],
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

    def wire(self, values: Values, *, shared: tuple[tuple[str, str], ...] = ()) -> tuple[bytes, bytes]:
        """(subject header, entity) as wire bytes; raises RenderError.

        `shared` are (name, value) pairs that many mails have in common: they become literals, encoded once.
        """
        subject, wire = self._bind(shared)
        return mime.subject_header(subject.fill(values)) if subject.needs else wire.subject, wire.fill(values)

    def merge(self, values: Values, *, shared: tuple[tuple[str, str], ...] = ()) -> Merged:
        """The same mail as texts with placeholders, for somebody else to put together; raises RenderError."""
        return self._merge_form(shared).merge(values)

    def _bound(self, shared: tuple[tuple[str, str], ...]) -> tuple[Template, _Wire]:
        templates = self._with_literals(shared)
        return templates["subject"], _Wire(templates, boundary=self._boundary)

    def _make_merge_form(self, shared: tuple[tuple[str, str], ...]) -> MergeForm:
        return MergeForm(self._with_literals(shared))

    def _with_literals(self, shared: tuple[tuple[str, str], ...]) -> dict[str, Template]:
        known = {slot: value for name, value in shared for slot, given in enumerate(self._names) if given == name}
        return {field: template.bind(known) for field, template in self._templates.items()}

    def read(self, values: Values) -> tuple[str, str, str, str]:
        """(subject, preheader, html, text) as people read them; raises RenderError."""
        html = self._templates.get("html")
        return (
            self._templates["subject"].fill(values),
            self._templates["preheader"].fill(values),
            html.fill(values) if html else "",
            self._templates["text"].fill(values),
        )


class _Wire:
    """The entity: encoded runs of literal lines, and one format for all lines with slots."""

    def __init__(self, templates: Mapping[str, Template], *, boundary: str) -> None:
        subject = templates["subject"]
        self.subject = b"" if subject.needs else mime.subject_header(subject.text)
        self._needs: dict[tuple[int, Place], int] = {}
        self._out: list[bytes] = []
        self._runs: list[str] = []
        self._order: list[int] = []
        html = templates.get("html")
        if html is None:
            self._add(mime.text_entity_head("plain"), templates["text"])
        else:
            self._literal(mime.multipart_head("alternative", boundary=boundary))
            for subtype, template in (("plain", templates["text"]), ("html", html)):
                # The CRLF before a delimiter belongs to it (RFC 2046 §5.1.1): each part keeps its own last line end.
                self._add(f"\r\n--{boundary}\r\n".encode("ascii") + mime.text_entity_head(subtype), template)
            self._literal(f"\r\n--{boundary}--\r\n".encode("ascii"))
        self._format = _CUT.join(self._runs)
        self._steps = [(slot, HARMLESS[place], ENCODERS[place]) for slot, place in self._needs]
        self._in_order = tuple(self._order)

    def _literal(self, encoded: bytes) -> None:
        if len(self._out) > len(self._runs):
            self._out[-1] += encoded
        else:
            self._out.append(encoded)

    def _add(self, head: bytes, template: Template) -> None:
        self._literal(head)
        lines = template.text.split("\n")[:-1]
        for has_slot, group in groupby(lines, key=lambda line: MARK.search(line) is not None):
            if has_slot:
                for line in group:
                    self._line(line, template)
            else:
                self._literal(quoted_printable("\n".join(group) + "\n"))
        self._literal(b"")

    def _line(self, line: str, template: Template) -> None:
        """A line with slots: what stands before the first one is settled, as far as whole stretches go."""
        first, *bits = MARK.split(line)
        head, rest = split_head(encode_chars(first))
        if head:
            self._literal(head)
        run = "%s".join(bit.replace("%", "%%") for bit in (rest, *map(encode_chars, bits))) + "\r\n"
        if len(self._out) > len(self._runs):
            self._runs.append(run)
        else:
            self._runs[-1] += run
        for marker in MARK.findall(line):
            need = template.needs[read(marker)[1]]
            self._order.append(self._needs.setdefault(need, len(self._needs)))

    def fill(self, values: Values) -> bytes:
        if not self._steps:
            return self._out[0]
        filled: list[str] = []
        for slot, is_harmless, encode in self._steps:
            value = values[slot]
            if isinstance(value, RenderError):
                raise value
            filled.append(value if is_harmless(value) else encode_chars(encode(value)))
        encoded = break_lines(self._format % tuple([filled[need] for need in self._in_order]))
        out = [b""] * (2 * len(self._out) - 1)
        out[0::2] = self._out
        out[1::2] = encoded.split(b"\0\r\n")
        return b"".join(out)


def compile_skeleton(texts: Mapping[str, str], *, names: Sequence[str], digest: str) -> CompiledSkeleton:
    """Compile the skeletons of a mail's fields; `names` tells which slot is which. Raises RenderError."""
    preheader = texts["preheader"]
    templates = {
        "subject": template_of(texts["subject"]),
        "preheader": plain_template(preheader),
    }
    links: frozenset[int] | None = None
    seen: frozenset[int] | None = None
    if "html" in texts:
        html = markup.finish(texts["html"], preheader=_escaped(preheader))
        templates["html"] = template_of(html, markup.places(html))
        visible = make_text(html)
        links, seen = visible.link_slots, visible.text_slots
        text = lines_of(texts["text"]) if "text" in texts else visible.text
    else:
        text = lines_of(texts["text"])
    templates["text"] = plain_template(text)
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
