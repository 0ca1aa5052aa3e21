"""Masking of placeholder values in a finished mail (Infobip's placeholdersMasking)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class Mask(Protocol):
    """How one value is hidden: from the left or right, all but `visible` characters, or up to a delimiter."""

    @property
    def name(self) -> str: ...
    @property
    def side(self) -> str: ...
    @property
    def mask(self) -> str: ...
    @property
    def visible(self) -> int: ...
    @property
    def delimiter(self) -> str: ...
    @property
    def skipped(self) -> tuple[str, ...]: ...


def mask_values(values: Mapping[str, Any], masks: Iterable[Mask]) -> dict[str, Any]:
    """The values with those that are masked as texts; a name without a value stays missing."""
    hidden = {
        mask.name: _mask_text(str(values[mask.name]), mask) for mask in masks if values.get(mask.name) is not None
    }
    return {**values, **hidden}


def _mask_text(text: str, mask: Mask) -> str:
    """`side` L masks the beginning and leaves the last `visible` characters; a delimiter overrides `visible`."""
    visible = mask.visible
    if mask.delimiter and mask.delimiter in text:
        place = text.index(mask.delimiter) if mask.side == "L" else text.rindex(mask.delimiter) + len(mask.delimiter)
        visible = len(text) - place if mask.side == "L" else place
    hidden = max(len(text) - visible, 0)
    start, end = (0, hidden) if mask.side == "L" else (len(text) - hidden, len(text))
    return "".join(
        mask.mask if start <= place < end and character not in mask.skipped else character
        for place, character in enumerate(text)
    )
