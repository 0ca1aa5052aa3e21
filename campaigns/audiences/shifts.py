"""Were names and addresses pulled apart by a row? Pure.

A sorting slip has sent tens of thousands of people somebody else's name (45 CFR 164.400 et seq. calls that a breach).
Many people's addresses contain part of their names; where names fit the address a row above or below better than their
own, the file was shifted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_SHORTEST = 3  # letters of a name that are worth looking for in an address
_ENOUGH = 3  # rows that must speak for a shift
_SHARE = 0.2  # of the rows after it
_WORDS = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True, slots=True)
class Shift:
    """From row `start` (0 is the first) on, names fit the address `step` rows away: -1 is the row above."""

    start: int
    step: int


def find_shift(names: Sequence[str], mailboxes: Sequence[str]) -> Shift | None:
    """A shift of names against the local parts of addresses beside them, None when there is no sign of one."""
    words = [_words(name) for name in names]
    locals_ = ["".join(_WORDS.findall(_fold(mailbox))) for mailbox in mailboxes]
    own = [_fits(words[at], locals_[at]) for at in range(len(words))]
    found: list[tuple[int, Shift]] = []
    for step in (-1, 1):
        beside = [
            _fits(words[at], locals_[at + step]) if 0 <= at + step < len(words) else False for at in range(len(words))
        ]
        gain, start = _best_end([there - here for here, there in zip(own, beside, strict=True)])
        if gain >= max(_ENOUGH, _SHARE * (len(words) - start)):
            found.append((gain, Shift(start, step)))
    return max(found, key=lambda entry: entry[0])[1] if found else None


def _best_end(gains: Sequence[int]) -> tuple[int, int]:
    """(sum, start) of the stretch up to the end that speaks most for a shift."""
    best, at, total = 0, len(gains), 0
    for index in range(len(gains) - 1, -1, -1):
        total += gains[index]
        if total > best:
            best, at = total, index
    return best, at


def _fits(words: frozenset[str], local: str) -> bool:
    return any(word in local for word in words)


def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in _WORDS.findall(_fold(name)) if len(word) >= _SHORTEST)


def _fold(text: str) -> str:
    """Without accents and case."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
