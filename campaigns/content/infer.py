"""The variables of a template nobody declared: whatever its texts ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from liquid.exceptions import LiquidError

from campaigns.content.draft import BUILT_IN, Variable, VersionDraft
from campaigns.content.liquid import names_in, parse, read_placeholders


def infer_variables(draft: VersionDraft) -> VersionDraft:
    """The draft with a variable for each name it uses, in their order; declared ones keep what was said about them.

    A text that cannot be read adds none: checking the draft says what is wrong with it.
    """
    declared = {variable.name: variable for variable in draft.variables}
    texts = (draft.subject, draft.preheader, draft.source, draft.text_source)
    names = dict.fromkeys(name for text in texts for name in _names(text))
    wanted = [name for name in names if name not in BUILT_IN]
    return replace(draft, variables=tuple(declared.get(name) or Variable(name) for name in wanted))


def _names(text: str) -> Iterable[str]:
    try:
        return [found.name for found in names_in(parse(read_placeholders(text)))]
    except LiquidError:
        return []
