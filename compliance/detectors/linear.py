"""Which regular expressions a rule may use: only those whose work for one start is bounded, whatever the text.

Python's matcher backtracks. A pattern is taken when every repetition is bounded, none stands around another, and all
choices together stay below a limit; then its time grows with the text and not with its square. A possessive repetition
(`{1,9}+`) gives nothing back, so it is no choice.
"""

from __future__ import annotations

import re

MOST_REPEATS = 80
MOST_CHOICES = 8_192

# One piece of a pattern: an escape, a class, an opening of a group, or one character.
_PIECE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:[:=!]|<[=!]|-i:)|.", re.DOTALL)
_REPEAT = re.compile(r"\{([0-9]{1,3})(?:,([0-9]{0,3}))?\}")


class NotLinear(ValueError):
    """The pattern could take more time than its text is worth."""


def check_linear(pattern: str) -> None:
    """Raises NotLinear, or re.error for what is no pattern."""
    re.compile(pattern)
    choices, at, before = 1, 0, ""
    while at < len(pattern):
        low, high, width = _read_repeat(pattern, at)
        if width:
            if high is None or high > MOST_REPEATS:
                raise NotLinear("A repetition has no bound, or one that is too high.")
            if before == ")" and high > 1:
                raise NotLinear("A group is repeated.")
            at += width
            is_possessive = pattern[at : at + 1] == "+"
            choices *= 1 if is_possessive else high - low + 1
            # A mark for possessive, or for lazy: the same choices in another order.
            at += pattern[at : at + 1] in {"+", "?"}
            continue
        piece = _PIECE.match(pattern, at)
        assert piece is not None
        before = piece[0]
        if before == "|":
            choices += 1
        at = piece.end()
    if choices > MOST_CHOICES:
        raise NotLinear("There are too many ways to match.")


def _read_repeat(pattern: str, at: int) -> tuple[int, int | None, int]:
    """(least, most or None for no bound, width of the mark) of a repetition at this place; width 0 when there is none."""
    mark = pattern[at]
    if mark in "*+":
        return (0 if mark == "*" else 1), None, 1
    if mark == "?":
        return 0, 1, 1
    found = _REPEAT.match(pattern, at)
    if found is None:
        return 1, 1, 0
    low = int(found[1])
    if found[2] is None:
        return low, low, len(found[0])
    return low, int(found[2]) if found[2] else None, len(found[0])
