"""Mails as texts with `{{placeholders}}`, for transports that put the mail together elsewhere.

A placeholder stands for one value in one place and is filled with the value as that place needs it, so whoever
substitutes need not escape anything. The subject is one placeholder when it has any value: a header is made whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from campaigns.content import mime
from campaigns.content.markers import MARK, read
from campaigns.content.problems import RenderError
from campaigns.content.values import ENCODERS, Place

# Literal braces that would run together with a placeholder, or be taken for one.
_AMBIGUOUS = re.compile(rf"\{{\{{|\{{{MARK.pattern}|{MARK.pattern}\}}").search
_SUBJECT = "subject"


class Slotted(Protocol):
    """A text with markers: marker i stands where needs[i] = (slot, place) goes."""

    @property
    def text(self) -> str: ...
    @property
    def needs(self) -> tuple[tuple[int, Place], ...]: ...
    def fill(self, values: Sequence[str | RenderError]) -> str: ...


@dataclass(frozen=True, slots=True)
class MergeParts:
    """The texts many mails share; `html` is empty for a plain mail."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, repr=False)
class Merged:
    """One mail: `parts`, the same object for all mails of a skeleton, and what goes into its placeholders.

    Without values the parts are this mail alone, literally, whatever braces are in them.
    """

    parts: MergeParts
    values: Mapping[str, str] = field(default_factory=dict)


class MergeForm:
    """A skeleton's texts with placeholders, made once; without them when its own braces would be mistaken for some."""

    def __init__(self, templates: Mapping[str, Slotted]) -> None:
        self._subject, self._text = templates["subject"], templates["text"]
        self._html = templates.get("html")
        self._names: dict[tuple[int, Place], str] = {}
        bodies = [template for template in (self._html, self._text) if template is not None]
        texts = [mime.subject_text(self._subject.text), *(template.text for template in bodies)]
        self._parts = None if any(map(_AMBIGUOUS, texts)) else self._make_parts()

    def merge(self, values: Sequence[str | RenderError]) -> Merged:
        """The mail for these values; raises RenderError."""
        if self._parts is None:
            html = self._html.fill(values) if self._html else ""
            return Merged(MergeParts(self._fill_subject(values), html, self._text.fill(values)))
        filled = {name: ENCODERS[place](_value(values, slot)) for (slot, place), name in self._names.items()}
        if self._subject.needs:
            filled[_SUBJECT] = self._fill_subject(values)
        return Merged(self._parts, filled)

    def _make_parts(self) -> MergeParts:
        subject = f"{{{{{_SUBJECT}}}}}" if self._subject.needs else mime.subject_text(self._subject.text)
        html = self._with_placeholders(self._html) if self._html else ""
        return MergeParts(subject, html, self._with_placeholders(self._text))

    def _with_placeholders(self, template: Slotted) -> str:
        def name(marker: re.Match[str]) -> str:
            need = template.needs[read(marker[0])[1]]
            return f"{{{{{self._names.setdefault(need, f's{len(self._names)}')}}}}}"

        return MARK.sub(name, template.text)

    def _fill_subject(self, values: Sequence[str | RenderError]) -> str:
        return mime.subject_text(self._subject.fill(values))


def _value(values: Sequence[str | RenderError], slot: int) -> str:
    value = values[slot]
    if isinstance(value, RenderError):
        raise value
    return value
