"""MJML to HTML, once per source, with Liquid left in place.

Liquid tags may stand in text, between elements, and in attribute values. The compiler never sees them: it
writes characters it does not like in attributes as Rust escapes, so tags, entities and everything beyond
ASCII travel as plain words.
"""

from __future__ import annotations

import re

import mjml

from campaigns.content.deep import run_deep
from campaigns.content.problems import RenderError, TemplateProblem
from compliance.detectors.texts import PatientParser

_GUARDED = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|&(?:#\w+|\w+);|[^\x00-\x7f]+|\\", re.DOTALL)
_BROKEN_VALUE = re.compile(r"=\s*(?:\"[^\"<>]*[\n\t\r][^\"<>]*\"|'[^'<>]*[\n\t\r][^'<>]*')")
_POSITION = re.compile(r"position (\d+):(\d+)")
_HEAD = (
    "mj-attributes mj-all mj-class mj-breakpoint mj-font mj-html-attributes mj-selector mj-html-attribute "
    "mj-preview mj-style mj-title mj-head mj-raw"
)
_BODY = (
    "mj-body mj-accordion mj-accordion-element mj-accordion-title mj-accordion-text mj-button mj-carousel "
    "mj-carousel-image mj-column mj-divider mj-group mj-hero mj-image mj-navbar mj-navbar-link mj-section mj-social "
    "mj-social-element mj-spacer mj-table mj-text mj-wrapper mjml"
)
_KNOWN = frozenset(f"{_HEAD} {_BODY}".split())
_HTML_INSIDE = frozenset(
    [
        "mj-text",
        "mj-button",
        "mj-table",
        "mj-raw",
        "mj-navbar-link",
        "mj-accordion-title",
        "mj-accordion-text",
        "mj-social-element",
        "mj-title",
        "mj-preview",
        "mj-style",
        "mj-html-attribute",
    ]
)
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_UNQUOTED = re.compile(r"=\s*[^\s>/\"]")
_MOST_ELEMENTS = 1500


class MjmlError(Exception):
    """The source cannot be compiled; `problem` says where and why."""

    def __init__(self, problem: TemplateProblem) -> None:
        super().__init__(problem.text)
        self.problem = problem


def compile_mjml(source: str) -> str:
    """The HTML of an MJML source, Liquid in place; raises MjmlError."""
    kept: list[str] = []
    # The word may not occur in the source, or putting things back would change it.
    word = "zq"
    while word in source:
        word += "q"

    def keep(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"{word}{len(kept) - 1}x{word}"

    # Line breaks in attribute values are blanks to every reader; the compiler would write \\n.
    guarded = _BROKEN_VALUE.sub(lambda found: re.sub(r"\s", " ", found[0]), _GUARDED.sub(keep, source))
    try:
        html = run_deep(_to_html, guarded, most=_MOST_ELEMENTS)
    except RenderError as error:
        problem = TemplateProblem("source", None, error.code, error.safe_text, error.action)
        raise MjmlError(problem) from error
    except ValueError as error:
        raise MjmlError(_problem(str(error), source=source, guarded=guarded)) from error
    return re.sub(rf"{word}(\d+)x{word}", lambda found: kept[int(found[1])], html)


def _to_html(source: str) -> str:
    # No fonts: the mail fetches nothing its author did not ask for.
    return mjml.mjml2html(source, disable_comments=False, fonts={})


def _problem(message: str, *, source: str, guarded: str) -> TemplateProblem:
    found = _POSITION.search(message)
    lint = [problem for problem in lint_mjml(source) if problem.blocking]
    if lint:
        return lint[0]
    line = None
    if found:
        line = guarded.encode()[: int(found[1])].count(b"\n") + 1
    reason = _POSITION.sub("", message).replace(" in root template at", "").replace(" in root template", "").strip()
    return TemplateProblem(
        "source", line, "content.mjml-invalid", f"The MJML cannot be read: {reason}.", "Check the tags near this line."
    )


def lint_mjml(source: str) -> list[TemplateProblem]:
    """Elements that MJML does not know (it drops them silently) and tags left open, with their lines."""
    # Same length and the same line breaks, so lines stay right.
    plain = re.sub(r"\{%.*?%\}", lambda found: re.sub(r"[^\n]", " ", found[0]), source, flags=re.DOTALL)
    plain = re.sub(r"\{\{.*?\}\}", lambda found: re.sub(r"[^\n]", "x", found[0]), plain, flags=re.DOTALL)
    reader = _Reader()
    reader.feed(plain)
    reader.close()
    for name, line in reader.open:
        reader.report(line, "content.mjml-open", f"<{name}> is not closed.", f"Close it with </{name}>.")
    return reader.problems


class _Reader(PatientParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.problems: list[TemplateProblem] = []
        self.open: list[tuple[str, int]] = []

    def report(self, line: int, code: str, text: str, action: str, *, blocking: bool = True) -> None:
        self.problems.append(TemplateProblem("source", line, code, text, action, blocking))

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag)
        if tag in _VOID and self._in_html():
            self.report(self.getpos()[0], "content.mjml-void", f"<{tag}> is not closed.", f"Write <{tag} />.")
        else:
            self.open.append((tag, self.getpos()[0]))

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag)

    def handle_endtag(self, tag: str) -> None:
        line = self.getpos()[0]
        if not self.open or self.open[-1][0] != tag:
            opened = f" (<{self.open[-1][0]}> of line {self.open[-1][1]} is still open)" if self.open else ""
            self.report(line, "content.mjml-open", f"</{tag}> closes nothing{opened}.", "Close tags in order.")
        if any(name == tag for name, _ in self.open):
            while self.open.pop()[0] != tag:
                pass

    def _look(self, tag: str) -> None:
        line = self.getpos()[0]
        if tag == "mj-include":
            self.report(line, "content.mjml-include", "mj-include is not available.", "Paste the part in its place.")
        if _UNQUOTED.search(_QUOTED.sub('"', self.get_starttag_text() or "")):
            text = f"An attribute of <{tag}> has no quotes around its value."
            self.report(line, "content.mjml-unquoted", text, 'Write name="value".')
        if tag not in _KNOWN and tag != "mj-include" and not self._in_html():
            text = f"MJML does not know <{tag}>, and would leave it out."
            self.report(line, "content.mjml-unknown", text, "Use an mj- element, or put HTML inside mj-text or mj-raw.")

    def _in_html(self) -> bool:
        return any(name in _HTML_INSIDE for name, _ in self.open)
