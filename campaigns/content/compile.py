"""Compiled versions: everything that does not depend on the recipient is done once.

A skeleton becomes runs of encoded literal lines and runs of lines with slots. A version that only
substitutes has one skeleton; one with logic runs Liquid per recipient, and the skeletons it yields are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from liquid import RenderContext
from liquid.exceptions import LiquidError

from campaigns.content import fill, mime
from campaigns.content.draft import BUILT_IN, Variable, VersionDraft, draft_of
from campaigns.content.environment import MISSING, Printed, SlotNode, as_render_error, evaluate_now, printed_text
from campaigns.content.liquid import LiquidSource, evaluation_context, parse, read_placeholders
from campaigns.content.markers import RESERVED
from campaigns.content.merge import Merged
from campaigns.content.mime import NOTHING, Enclosed, MailFrame, MailRecipient
from campaigns.content.mjml import MjmlError, compile_mjml
from campaigns.content.problems import RenderError, TemplateError, TemplateProblem
from campaigns.content.samples import part_of, stand_in
from campaigns.content.tracked import LinkPlan, Tracked
from campaigns.models import SourceKind, TemplateVersion

_VERSIONS_KEPT = 64
_SKELETONS_KEPT = 128


@dataclass(frozen=True, slots=True)
class Preview:
    """A mail as people see it."""

    subject: str
    preheader: str
    html: str
    text: str


class CompiledVersion:
    """A version ready to be written to any number of recipients; safe to share between threads."""

    def __init__(self, draft: VersionDraft, *, digest: str) -> None:
        self.digest = digest
        self.variables: tuple[Variable, ...] = draft.variables
        self._kind = draft.source_kind
        self._sources = _parse_sources(draft)
        self._defaults = [(variable.name, variable.default) for variable in draft.variables]
        self.has_logic = any(source.has_logic for source in self._sources.values())
        self.has_browser_link = any("browser_url" in source.text for source in self._sources.values())
        self._skeleton = lru_cache(maxsize=_SKELETONS_KEPT)(self._compile)
        self._plan: list[tuple[str, tuple[str, ...] | None, SlotNode]] = []
        self._fixed = None if self.has_logic else self._compile_fixed()
        sample = self._fixed or self._sample_skeleton(draft)
        self.has_unsubscribe_link = sample is not None and sample.has_unsubscribe_link
        self.has_postal_address = sample is not None and sample.has_postal_address
        self.link_count = sample.count_links() if sample is not None else 0

    def mail(
        self,
        frame: MailFrame,
        recipient: MailRecipient,
        *,
        date: datetime,
        enclosed: Enclosed = NOTHING,
        tracked: Tracked | None = None,
    ) -> bytes:
        """The mail as wire bytes; raises RenderError when this recipient's cannot be made."""
        skeleton, values = self._resolve(_built_ins(frame, recipient), recipient.values)
        subject, entity = skeleton.wire(values, shared=_shared(frame), tracked=tracked)
        head = mime.frame_head(frame)
        if enclosed is not NOTHING:
            entity = mime.multipart("mixed", [entity, *enclosed.related, *enclosed.mixed], digest=self.digest)
        return b"".join((head, mime.recipient_head(recipient, allow_utf8=frame.allow_utf8, date=date), subject, entity))

    def read(self, frame: MailFrame, recipient: MailRecipient) -> tuple[str, str, str]:
        """(subject, html, text) as people read them; raises RenderError."""
        skeleton, values = self._resolve(_built_ins(frame, recipient), recipient.values)
        subject, _, html, text = skeleton.read([*values])
        return subject, html, text

    def merge(self, frame: MailFrame, recipient: MailRecipient, *, tracked: Tracked | None = None) -> Merged:
        """The same mail as texts with placeholders, without headers; raises RenderError."""
        skeleton, values = self._resolve(_built_ins(frame, recipient), recipient.values)
        return skeleton.merge(values, shared=_shared(frame), tracked=tracked)

    def preview(self, values: Mapping[str, object]) -> Preview:
        """The mail for these values; a name without one shows its sample, default or itself. Raises RenderError."""
        skeleton, found = self._show(values)
        subject, preheader, html, text = skeleton.read(found)
        return Preview(subject, preheader, html, text)

    def read_publicly(self, frame: MailFrame, *, page_url: str, archive_url: str) -> Preview:
        """The mail for nobody in particular: defaults, or nothing, where readers' values would stand.

        Its own links lead to public pages. Raises RenderError when it says nothing without a reader.
        """
        built_ins = {"account_name": frame.account_name, "postal_address": _one_line(frame.postal_address)}
        built_ins |= {"browser_url": page_url, "unsubscribe_url": archive_url}
        skeleton, found = self._resolve(built_ins, {})
        subject, preheader, html, text = skeleton.read([_or_nothing(value) for value in found])
        return Preview(subject, preheader, html, text)

    def annotate(self, frame: MailFrame, *, plan: LinkPlan, note: Callable[[int], str]) -> str:
        """The HTML of the preview with a note in each link, made from its number; raises RenderError."""
        skeleton, found = self._show({"account_name": frame.account_name, "postal_address": frame.postal_address})
        return skeleton.annotate(found, shared=_shared(frame), plan=plan, note=note)

    def _show(self, values: Mapping[str, object]) -> tuple[fill.CompiledSkeleton, Sequence[str | RenderError]]:
        samples: dict[str, object] = {v.name: v.sample or v.default or stand_in(v.name) for v in self.variables}
        given = {name: value for name, value in values.items() if value not in (None, "")}
        built_ins = {**BUILT_IN, **{name: str(given[name]) for name in BUILT_IN if name in given}}
        built_ins["postal_address"] = _one_line(built_ins["postal_address"])
        return self._resolve(built_ins, {**samples, **given})

    def _resolve(
        self, built_ins: Mapping[str, str], given: Mapping[str, object]
    ) -> tuple[fill.CompiledSkeleton, Sequence[str | RenderError]]:
        """The skeleton for these values and the text of each of its slots."""
        scope = self._scope(built_ins, given)
        if self._fixed is not None:
            return self._fixed, self._fixed_values(scope)
        skeleton, values = self._run(scope)
        if self.has_unsubscribe_link and not skeleton.has_unsubscribe_link:
            raise RenderError("content.unsubscribe-link-lost", "This recipient's mail has no visible unsubscribe link.")
        if self.has_postal_address and not skeleton.has_postal_address:
            raise RenderError("content.postal-address-lost", "This recipient's mail has no postal address.")
        return skeleton, values

    def _scope(self, built_ins: Mapping[str, str], given: Mapping[str, object]) -> dict[str, object]:
        """Values by name: declared ones only; an empty value takes the default, without one it is missing."""
        scope: dict[str, object] = {name: value for name, value in built_ins.items() if value}
        for name, default in self._defaults:
            value = given.get(name)
            if value is not None and value != "":
                scope[name] = value
            elif default is not None:
                scope[name] = default
        return scope

    def _fixed_values(self, scope: dict[str, object]) -> list[str | RenderError]:
        context = None
        values: list[str | RenderError] = []
        for name, path, node in self._plan:
            if path is not None:
                value = scope.get(path[0])
                for segment in path[1:]:
                    value = part_of(value, segment)
            else:
                context = context or evaluation_context(self._sources["subject"], scope=scope)
                value = _evaluate(node, context)
            if type(value) is str:
                values.append(value)
            else:
                values.append(_text_or_error(name, value))
        return values

    def _compile_fixed(self) -> fill.CompiledSkeleton:
        """The only skeleton there is, and the plan to resolve its slots."""
        statements: dict[str, SlotNode] = {}
        numbers: dict[str, int] = {}

        def number(node: SlotNode) -> int:
            key = str(node.expression)
            statements.setdefault(key, node)
            return numbers.setdefault(key, len(numbers))

        texts = tuple((field, source.fixed_skeleton(number)) for field, source in self._sources.items())
        self._plan = [(node.name, node.plain_path(), node) for node in statements.values()]
        return self._compile(texts, tuple(node.name for node in statements.values()))

    def _run(self, scope: dict[str, object]) -> tuple[fill.CompiledSkeleton, list[str | RenderError]]:
        """Run Liquid for these values."""
        printed = Printed()
        texts = tuple((field, source.render(scope, printed=printed)) for field, source in self._sources.items())
        values = [_text_or_error(name, value) for name, value in zip(printed.names, printed.values, strict=True)]
        return self._skeleton(texts, tuple(printed.names)), values

    def _compile(self, texts: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> fill.CompiledSkeleton:
        return fill.compile_skeleton(dict(texts), names=names, digest=self.digest)

    def _sample_skeleton(self, draft: VersionDraft) -> fill.CompiledSkeleton | None:
        """The skeleton of the samples; None when they do not render, and then no promise is made."""
        samples: dict[str, object] = {variable.name: variable.sample for variable in draft.variables}
        try:
            return self._run(self._scope(BUILT_IN, samples))[0]
        except RenderError:
            return None


def _evaluate(node: SlotNode, context: RenderContext) -> object:
    try:
        return evaluate_now(node.expression.evaluate, context)
    except LiquidError as error:
        # A limit: it ends this recipient's mail as it does in a template with logic.
        return as_render_error(error)


def _text_or_error(name: str, value: object) -> str | RenderError:
    try:
        return printed_text(name, value)
    except RenderError as error:
        return error


def _built_ins(frame: MailFrame, recipient: MailRecipient) -> dict[str, str]:
    return {
        # As people write it, where it is known; the mailbox has its domain as A-label.
        "email": str(recipient.values.get("email") or recipient.mailbox),
        "unsubscribe_url": recipient.unsubscribe_url,
        "browser_url": recipient.browser_url,
        "postal_address": _one_line(frame.postal_address),
        "account_name": frame.account_name,
    }


def _or_nothing(value: str | RenderError) -> str | RenderError:
    return "" if isinstance(value, RenderError) and value.code == MISSING else value


@lru_cache(maxsize=64)
def _shared(frame: MailFrame) -> tuple[tuple[str, str], ...]:
    pairs = (("account_name", frame.account_name), ("postal_address", _one_line(frame.postal_address)))
    # A value with a marker's character stays a value: as a literal it would be taken for a slot.
    return tuple((name, value) for name, value in pairs if value and not RESERVED.search(value))


@lru_cache(maxsize=64)
def _one_line(address: str) -> str:
    """HTML shows line breaks as blanks, so the lines of an address are joined by commas."""
    return ", ".join(line.strip(" ,") for line in address.splitlines() if line.strip(" ,"))


def _parse_sources(draft: VersionDraft) -> dict[str, LiquidSource]:
    """The parsed sources by field; MJML is HTML from here on. Raises TemplateError."""
    texts = {"subject": draft.subject, "preheader": draft.preheader}
    try:
        if draft.source_kind == SourceKind.TEXT:
            texts["text"] = draft.source
        else:
            mjml = draft.source_kind == SourceKind.MJML
            texts["html"] = compile_mjml(read_placeholders(draft.source)) if mjml else draft.source
            if draft.text_source.strip():
                texts["text"] = draft.text_source
        return {field: parse(read_placeholders(text)) for field, text in texts.items()}
    except MjmlError as error:
        raise TemplateError([error.problem]) from error
    except LiquidError as error:
        text = f"The template cannot be read: {error.message}."
        raise TemplateError([TemplateProblem("source", None, "content.syntax", text)]) from error


_compiled: OrderedDict[str, CompiledVersion] = OrderedDict()
_lock = threading.Lock()


def compile_trial(version: TemplateVersion) -> CompiledVersion:
    """The same with a subject that says that it is a test; made anew each time. Raises TemplateError."""
    draft = draft_of(version)
    return CompiledVersion(replace(draft, subject=f"[Test] {draft.subject}"), digest=version.digest)


def compile_version(version: TemplateVersion) -> CompiledVersion:
    """The compiled form of a version, kept by digest; thread safe. Raises TemplateError."""
    with _lock:
        if version.digest in _compiled:
            _compiled.move_to_end(version.digest)
            return _compiled[version.digest]
    # Outside the lock: two threads may do the same work once, none waits for another's template.
    compiled = CompiledVersion(draft_of(version), digest=version.digest)
    with _lock:
        _compiled[version.digest] = compiled
        while len(_compiled) > _VERSIONS_KEPT:
            _compiled.popitem(last=False)
    return compiled
