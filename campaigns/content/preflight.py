"""What is wrong with a draft: everything that would stop it, and what is worth a look, in words for people."""

from __future__ import annotations

import re
from collections.abc import Iterator

from liquid.exceptions import LiquidError

from campaigns.content import liquid, markup
from campaigns.content.compile import CompiledVersion, Preview
from campaigns.content.draft import BUILT_IN, VersionDraft
from campaigns.content.environment import ENCODING_FILTERS
from campaigns.content.links import SAYS_OFF
from campaigns.content.liquid import LiquidSource, read_placeholders
from campaigns.content.markers import RESERVED, read
from campaigns.content.markup import Kind, MisplacedSlot, Piece
from campaigns.content.mjml import MjmlError, compile_mjml, lint_mjml
from campaigns.content.problems import RenderError, TemplateError, TemplateProblem
from campaigns.models import SourceKind

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_STATEMENT = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
_INFOBIP_LIKE = re.compile(r"\{\$\s*(\w+)\s*\}")
_NOT_IN_URL = re.compile(r"[\t\n\r]+")
_BAD_LINK = re.compile(r"[\x00-\x20]*(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
# A host that hides behind a name (user@) or a backslash, or that goes by whatever page the mail is on (LW-02).
_HIDDEN_HOST = re.compile(r"\s*(?:https?:)?//(?:[^/?#\s]*[@\\]|\\)|\s*//|\s*https?:[\\/]*\\", re.IGNORECASE)
_SHOWN_ADDRESS = re.compile(r"<a\b(?P<tag>[^>]*)>\s*(?P<text>(?:https?://|www\.)[^\s<]+)\s*</a\s*>", re.IGNORECASE)
# Gmail cuts HTML off at about 102 KB (MP-11).
_CLIPPED, _NEARLY_CLIPPED = 102 * 1024, 90 * 1024
_LONGEST = {"subject": 500, "preheader": 300}
_LONGEST_SOURCE = 500_000


def check_draft(draft: VersionDraft) -> tuple[TemplateProblem, ...]:
    """Every problem of a draft, blocking ones first."""
    problems = [*_check_fields(draft), *_check_variables(draft)]
    if not any(problem.blocking for problem in problems):
        problems += _check_language(draft)
    # Only on what Liquid could read: every {{ then has its end.
    if draft.source_kind != SourceKind.TEXT and not any(problem.code == "content.syntax" for problem in problems):
        problems += _check_html(draft)
    if not any(problem.blocking for problem in problems):
        problems += _check_result(draft)
    return tuple(sorted(dict.fromkeys(problems), key=lambda problem: not problem.blocking))


def _sources(draft: VersionDraft) -> dict[str, str]:
    texts = {"subject": draft.subject, "preheader": draft.preheader, "source": draft.source}
    if draft.text_source.strip() and draft.source_kind != SourceKind.TEXT:
        texts["text_source"] = draft.text_source
    return texts


def _check_fields(draft: VersionDraft) -> Iterator[TemplateProblem]:
    if draft.source_kind not in SourceKind.values:
        yield TemplateProblem("source_kind", None, "content.kind-unknown", "Choose HTML, MJML or plain text.")
    for field, name in (("subject", "The subject"), ("source", "The content")):
        if not getattr(draft, field).strip():
            yield TemplateProblem(field, None, f"content.{field}-empty", f"{name} is empty.", "Write something.")
    for field, text in _sources(draft).items():
        longest = _LONGEST.get(field, _LONGEST_SOURCE)
        if len(text) > longest:
            words = f"This is longer than {longest} characters."
            yield TemplateProblem(field, None, "content.too-long", words, "Make it shorter.")
        reserved = RESERVED.search(text) or re.search("[\ud800-\udfff]", text)
        if reserved:
            line = text.count("\n", 0, reserved.start()) + 1
            words = "There is a character that mail cannot carry."
            yield TemplateProblem(field, line, "content.reserved-character", words, "Type this line anew.")
        if field in _LONGEST and re.search(r"[\r\n]", text):
            words = "There is a line break where only one line is allowed."
            yield TemplateProblem(field, 1, "content.line-break", words, "Write it on one line.")


def _check_variables(draft: VersionDraft) -> Iterator[TemplateProblem]:
    seen: set[str] = set()
    for variable in draft.variables:
        name = variable.name
        if not _NAME(name):
            words = f"“{name}” cannot be the name of a variable."
            yield TemplateProblem("variables", None, "content.variable-name", words, "Use letters, digits and _.")
        elif name in BUILT_IN:
            words = f"{name} is filled in by Sealpost itself."
            yield TemplateProblem("variables", None, "content.variable-reserved", words, "Choose another name.")
        elif name in seen:
            words = f"{name} is declared twice."
            yield TemplateProblem("variables", None, "content.variable-twice", words, "Remove one of them.")
        seen.add(name)
        if not variable.sample and variable.default is None:
            words = f"{name} has no sample."
            action = "Give it one, so that previews and checks look like real mail."
            yield TemplateProblem("variables", None, "content.variable-sample", words, action, blocking=False)


def _check_language(draft: VersionDraft) -> Iterator[TemplateProblem]:
    declared = {variable.name for variable in draft.variables}
    used: set[str] = set()
    for field, text in _sources(draft).items():
        source = read_placeholders(text)
        try:
            parsed = liquid.parse(source)
        except LiquidError as error:
            line = liquid.error_line(error, source=source)
            words = f"The template cannot be read: {error.message}."
            yield TemplateProblem(field, line, "content.syntax", words, "Look for a missing end tag or bracket.")
            continue
        used |= {name.name for name in liquid.names_in(parsed)}
        yield from _check_names(field, parsed, declared)
        for found in _INFOBIP_LIKE.finditer(source):
            words = f"{found[0]} is not a placeholder; it would be printed as it is."
            yield _at(field, parsed, found.start(), "content.placeholder-unknown", words, "Write {{ name }}.")
    for name in sorted(declared - used):
        words = f"{name} is declared but not used."
        yield TemplateProblem("variables", None, "content.variable-unused", words, "Remove it.", blocking=False)


def _at(field: str, source: LiquidSource, index: int, code: str, words: str, action: str) -> TemplateProblem:
    return TemplateProblem(field, source.line_of(index), code, words, action, blocking=False)


def _check_names(field: str, source: LiquidSource, declared: set[str]) -> Iterator[TemplateProblem]:
    for name, line in dict.fromkeys((found.name, found.line) for found in liquid.names_in(source)):
        if name not in declared and name not in BUILT_IN:
            words = f"{name} is not declared."
            yield TemplateProblem(field, line, "content.variable-undeclared", words, f"Declare {name}, or correct it.")
    for name in liquid.names_bound(source):
        if name in BUILT_IN:
            words = f"The template gives {name} a value of its own."
            yield TemplateProblem(field, None, "content.variable-reserved", words, "Use another name.")
    for found in liquid.unknown_filters(source):
        encoding = found.name in ENCODING_FILTERS
        words = f"The filter {found.name} {'is not needed' if encoding else 'does not exist'}."
        action = "Remove it: values are encoded for the place they stand in." if encoding else "Correct its name."
        yield TemplateProblem(field, found.line, "content.filter-unknown", words, action)


def _check_html(draft: VersionDraft) -> Iterator[TemplateProblem]:
    blank = _STATEMENT.sub(lambda found: re.sub(r"[^\n]", "x", found[0]), draft.source)
    line, has_lang = 1, False
    for piece in markup.pieces(blank):
        if piece.kind is Kind.TAG and not piece.text.startswith("</"):
            yield from _check_tag(piece, line)
            has_lang = has_lang or (piece.name in ("html", "mjml") and "lang=" in piece.attributes)
        elif piece.kind is Kind.CONDITIONAL:
            yield from _check_conditional(piece, line)
        line += piece.text.count("\n")
    if not has_lang:
        words = "The language of the mail is not stated; screen readers guess."
        action = 'Add lang="en" (or yours) to the first element.'
        yield TemplateProblem("source", None, "content.lang-missing", words, action, blocking=False)
    if draft.source_kind == SourceKind.MJML:
        yield from lint_mjml(draft.source)


def _check_conditional(piece: Piece, line: int) -> Iterator[TemplateProblem]:
    """What Outlook alone reads may link as well; how it looks there is its author's business."""
    start = piece.text.find("]>") + 2
    line += piece.text.count("\n", 0, start)
    for inner in markup.pieces(piece.text[start:].removesuffix("<![endif]-->")):
        if inner.kind is Kind.TAG and not inner.text.startswith("</"):
            yield from (found for found in _check_tag(inner, line) if found.code == "content.unsafe-link")
        line += inner.text.count("\n")


def _check_tag(piece: Piece, line: int) -> Iterator[TemplateProblem]:
    # URL standard §4.4: browsers take tabs and line ends out of an address before they read it.
    given = {attribute.name: _NOT_IN_URL.sub("", attribute.value) for attribute in markup.attributes(piece)}
    if piece.name == "base":
        words = "<base> changes where links lead to, and mail programs do not agree how."
        yield TemplateProblem("source", line, "content.base", words, "Remove it and write whole addresses.")
    if piece.name == "script":
        words = "No mail program runs scripts, and many call such mail dangerous."
        yield TemplateProblem("source", line, "content.script", words, "Remove the script.")
    for name in ("href", "src", "action", "background"):
        is_image = given.get(name, "").lower().startswith("data:image/") and name in ("src", "background")
        if _BAD_LINK.match(given.get(name, "")) and not is_image:
            words = f"The {name} of <{piece.name}> would run code or hide its content."
            yield TemplateProblem("source", line, "content.unsafe-link", words, "Use an https:// address.")
    leads_on = piece.name in ("a", "area") or piece.name.startswith(("v:", "mj-"))
    if leads_on and _HIDDEN_HOST.match(given.get("href", "")):
        words = f"The address of <{piece.name}> hides where it leads to."
        yield TemplateProblem(
            "source", line, "content.unsafe-link", words, "Write the whole address: https://, then the host."
        )
    if piece.name in ("img", "mj-image") and "alt" not in given:
        words = "An image has no alternative text."
        action = 'Add alt="…"; an empty one for decoration.'
        yield TemplateProblem("source", line, "content.alt-missing", words, action, blocking=False)


def _check_result(draft: VersionDraft) -> Iterator[TemplateProblem]:
    try:
        misplaced = list(_check_slots(draft))
        if misplaced:
            yield from misplaced
            return
        compiled = CompiledVersion(draft, digest=draft.digest())
        shown = compiled.preview({})
    except MjmlError as error:
        yield error.problem
        return
    except TemplateError as error:
        yield from error.problems
        return
    except RenderError as error:
        # Without samples nobody knows whether real values fail as well; each mail is judged by its own.
        known = all(variable.sample or variable.default is not None for variable in draft.variables)
        words = f"With the sample values: {error.safe_text}"
        yield TemplateProblem("source", None, error.code, words, error.action, blocking=known)
        return
    yield from _check_facts(compiled, shown)


def _check_facts(compiled: CompiledVersion, shown: Preview) -> Iterator[TemplateProblem]:
    size = len(shown.html.encode())
    if size > _NEARLY_CLIPPED:
        clipped = size > _CLIPPED
        words = (
            f"The HTML has {size // 1024} KB; Gmail {'cuts off' if clipped else 'nearly cuts off'} what follows 102 KB."
        )
        code = "content.too-big" if clipped else "content.nearly-too-big"
        yield TemplateProblem("source", None, code, words, "Shorten it or move styles into classes.", blocking=False)
    for found in _SHOWN_ADDRESS.finditer(shown.html):
        # Once clicks are counted the link leads through another host than its text shows (LW-07).
        if not SAYS_OFF.search(found["tag"]):
            words = f"The text of a link is an address: {found['text'][:60]}. Mail programs warn of such links."
            action = 'Write words people can click on, or add clicktracking="off" to the link.'
            yield TemplateProblem("source", None, "content.link-shows-address", words, action, blocking=False)
    if not compiled.has_unsubscribe_link:
        words = "There is no visible unsubscribe link, so it cannot be used for marketing."
        action = 'Add <a href="{{ unsubscribe_url }}">Unsubscribe</a>, to the text part too.'
        yield TemplateProblem("source", None, "content.unsubscribe-missing", words, action, blocking=False)
    if not compiled.has_postal_address:
        words = "There is no postal address, so it cannot be used for marketing."
        action = "Add {{ postal_address }} near the end, to the text part too."
        yield TemplateProblem("source", None, "content.postal-address-missing", words, action, blocking=False)


def _check_slots(draft: VersionDraft) -> Iterator[TemplateProblem]:
    """Placeholders where no value can be made harmless, in any branch of the template."""
    if draft.source_kind == SourceKind.TEXT:
        return
    source = read_placeholders(draft.source)
    html = compile_mjml(source) if draft.source_kind == SourceKind.MJML else source
    skeleton, slots = liquid.parse(html).every_branch()
    try:
        markup.places(skeleton)
    except MisplacedSlot as error:
        line = None
        if error.marker:
            statement = slots[read(error.marker)[1]].token
            # MJML moves things around; the statement itself stays as it was written.
            index = statement.start_index if html is source else source.find(statement.value)
            line = source.count("\n", 0, index) + 1 if index >= 0 else None
        yield TemplateProblem("source", line, error.code, error.safe_text, error.action)
