"""Values for previews of protected mail: made from what a variable is, never from anybody's data.

The same for everybody who looks, and in rows that show what goes wrong: the longest value, the shortest, one with the
characters of HTML, one that is written from right to left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """What a value is: how people call it, values as they may be, and what a real one looks like at most."""

    label: str
    typical: str
    longest: str
    shortest: str
    odd: str
    is_shaped: Callable[[str], object]


# Values are text and nothing else: what could be markup is refused before it is sealed.
_TEXT = re.compile(r"[^<>\x00-\x08\x0b-\x1f\x7f]{0,4000}").fullmatch
_LINE = re.compile(r"[^<>\x00-\x1f\x7f]{0,200}").fullmatch
_DATE = re.compile(r"(?=.*\d)[\w ,./-]{4,40}").fullmatch
_TIME = re.compile(r"(?=.*\d)[\w :.,-]{1,30}").fullmatch
_AMOUNT = re.compile(r"(?=.*\d)[^<>\x00-\x1f\x7f]{1,30}").fullmatch
_NUMBER = re.compile(r"(?=.*\d)[\d .,+-]{1,30}").fullmatch
_REFERENCE = re.compile(r"[\w #./:-]{1,60}").fullmatch

_LONG_TEXT = " ".join(["Sample text that is as long as a careful person would write it."] * 6)

KINDS: Mapping[str, Kind] = {
    "text": Kind("Text", "Sample text", _LONG_TEXT, "–", "A & B \"quoted\" 'twice' 100 %", _TEXT),
    "name": Kind("Name", "Sam Sample", "Wolfeschlegelsteinhausenbergerdorff-Sampleson", "Y", "דנה לדוגמה O'Sample & Sons", _LINE),
    "date": Kind("Date", "2 January 1900", "Wednesday, 26 September 1900", "1/1/1900", "١٩٠٠/٠١/٠٢", _DATE),
    "time": Kind("Time", "09:30", "between 11:45 and 12:45 p.m.", "9", "٠٩:٣٠", _TIME),
    "amount": Kind("Amount of money", "$12.34", "1,234,567.89 USD", "0", "€ 1.234,56", _AMOUNT),
    "number": Kind("Number", "42", "1,234,567,890.12", "0", "-1", _NUMBER),
    "reference": Kind("Reference or record number", "SAMPLE-0001", "SAMPLE/0000-0000-0000-0000/Z", "0", "SAMPLE #1", _REFERENCE),
}  # fmt: skip

ROWS = ("typical", "longest", "shortest", "odd")
ROW_LABELS: Mapping[str, str] = {
    "typical": "Usual values",
    "longest": "Longest values",
    "shortest": "Shortest values",
    "odd": "Unusual characters",
}


def sample_values(variables: Sequence[Mapping[str, Any]], *, row: str) -> dict[str, str]:
    """Made-up values by name for one of ROWS; a variable of no known kind is taken for a text."""
    return {one["name"]: str(getattr(KINDS.get(one["kind"], KINDS["text"]), row)) for one in variables}


def is_shaped(value: str, *, kind: str) -> bool:
    """Whether a real value looks like what it is declared to be; nothing more is asked of it."""
    return bool(KINDS[kind].is_shaped(value)) if kind in KINDS else False
