"""International domain names as readers see them, and whether they could be taken for another (evil inputs 34, 35)."""

from __future__ import annotations

import unicodedata

import idna

# Letters of other scripts that look like these Latin ones in most fonts.
_LIKE_LATIN = frozenset("асԁеһіјӏорԛѕԝхуαιονρυχ")


def show_name(name: str) -> str:
    """The name in its own letters; the A-label where it cannot be shown."""
    try:
        return idna.decode(name) if "xn--" in name else name
    except (idna.IDNAError, UnicodeError):
        return name


def warn_of_lookalike(name: str) -> str:
    """A sentence when the A-label name mixes scripts, or is made of letters that pass for Latin ones; else empty."""
    for label in show_name(name).split("."):
        scripts = sorted({_script(letter) for letter in label if letter.isalpha()})
        if len(scripts) > 1 and not _belong_together(scripts):
            return (
                f"“{label}” mixes letters of {' and '.join(scripts)}. Readers and mailboxes may take it for a forgery."
            )
        if not label.isascii() and all(not letter.isalpha() or letter in _LIKE_LATIN for letter in label):
            return f"Every letter of “{label}” looks like a Latin one and is not. Readers may take it for another name."
    return ""


def _script(letter: str) -> str:
    """The script by its Unicode name: LATIN SMALL LETTER A is of Latin."""
    return unicodedata.name(letter, "?").split()[0].split("-")[0].capitalize()


def _belong_together(scripts: list[str]) -> bool:
    # Japanese and Chinese are written with several, and with Latin among them.
    return set(scripts) <= {"Cjk", "Hiragana", "Katakana", "Bopomofo", "Hangul", "Latin", "Katakana-hiragana"}
