"""The words of a refusal, made comparable, and the codes that stand among them."""

from __future__ import annotations

import re

LONGEST = 2_000  # characters; what says why stands at the beginning, or at the end after a wrapper's words

_ADDRESS = re.compile(r"[^\s<>()\[\]\"';,:]{1,64}@[^\s<>()\[\]\"';,:]{0,254}[^\s<>()\[\]\"';,:.]")
# The lines of a reply after its first repeat the code (RFC 5321 §4.2.1), in the middle of a sentence.
_REPEATED = re.compile(r"\b([245]\d\d)-(?:([245])\.(\d{1,3})\.(\d{1,3})\b)?")
# IronPort's name of X.Y.0 before the words of the server it asked, and its count behind them.
_WRAPPER = re.compile(
    r"\b[45]\.\d\.0 - (?:unknown address error|other [a-z ]{4,40}) (?=(?:[45]\d\d)?-?')|\(delivery attempts: \d+\)",
    re.IGNORECASE,
)
_BLANKS = re.compile(r"[\s\u00a0\u3000]+")
_CODE = re.compile(r"(?<![\d.:/-])([45][0-7]\d)(?=[\s:;,#<-]|\Z)(?!-\d{2})")
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_PLACEHOLDERS = {"4.0.0", "4.1.0", "5.0.0", "5.1.0"}


def normalise(text: str) -> str:
    """Lower case, one blank between words, every address as `@` or `<@>`: a mailbox called `spam` is no spam.

    Takes time in proportion to the text.
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} {text[-LONGEST // 2 :]}"
    text = _ADDRESS.sub("@", _WRAPPER.sub("", text))
    return _BLANKS.sub(" ", _REPEATED.sub(" ", text)).replace("’", "'").lower().strip()


def find_code(text: str) -> int:
    """The first basic code of a refusal in a text that reports one (RFC 5321 §4.2), 0 when there is none."""
    found = _CODE.search(text[:LONGEST])
    return int(found[1]) if found else 0


def find_enhanced(text: str) -> str:
    """The first enhanced status that says something (RFC 3463), else the first at all, else empty (DS-04)."""
    found = [".".join(parts) for parts in _ENHANCED.findall(text[:LONGEST])]
    refusing = [status for status in found if status[0] in "45"] or found
    telling = [status for status in refusing if status not in _PLACEHOLDERS]
    return (telling or refusing or [""])[0]
