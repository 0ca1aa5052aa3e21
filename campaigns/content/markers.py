"""Slot markers: one private-use character stands for one output statement while the HTML is worked on.

A marker is a single character, so no parser or serialiser can cut it in two, and a character that templates
may not contain, so it cannot be forged. Four ranges: as written, and three for the places a link target of
the HTML gets in the text part, where HTML no longer says what kind of place it is.
"""

from __future__ import annotations

import re

MOST_SLOTS = 0x4000
PLAIN, IN_URL, URL_START, IN_MAIL = 0xF0000, 0x100000, 0x104000, 0x108000

MARK = re.compile("[\U000f0000-\U000f3fff\U00100000-\U0010bfff]")
RESERVED = re.compile("[\U000f0000-\U0010ffff\0]")


def mark(slot: int, *, base: int = PLAIN) -> str:
    return chr(base + slot)


def read(marker: str) -> tuple[int, int]:
    """(base, slot) of a marker."""
    code = ord(marker)
    base = PLAIN if code < IN_URL else code & ~(MOST_SLOTS - 1)
    return base, code - base
