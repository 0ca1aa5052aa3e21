"""Rows of a CSV file: any line ends, quoted newlines, broken bytes and quotes; flat memory, true line numbers."""

from __future__ import annotations

import csv
import math
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, Protocol

from campaigns.audiences.files import BROKEN
from campaigns.errors import CampaignError

DELIMITERS = (",", ";", "\t", "|")
# A line, or a row over many lines, longer than this is not read as one: a quote was never closed, or it is no CSV.
MAX_ROW = 1 << 20
# Rereading after an open quote costs up to MAX_ROW each time: a file that does it again and again is given up.
MAX_RECOVERIES = 1000

ROW_TOO_LONG = "import.row-too-long"
QUOTE_NOT_CLOSED = "import.quote-not-closed"
BROKEN_TEXT = "import.broken-text"


class Lines(Protocol):
    def readline(self, size: int = ..., /) -> str: ...


class Row(NamedTuple):
    """One row with the number of its first line in the file; a row with a fault is to be rejected.

    `faulty` is the column the fault is in, 0 for the first; None where it is in the row as a whole.
    """

    line: int
    cells: list[str]
    fault: str = ""
    faulty: int | None = None


class _RowTooLong(Exception):
    """The row being read grew beyond MAX_ROW."""


class _LineFeed:
    """Physical lines for csv.reader; remembers those of the row being read, to go back over them."""

    def __init__(self, text: Lines) -> None:
        self._read = text.readline
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []
        self.size = 0
        self.ended = False
        self.broken = False

    def __iter__(self) -> _LineFeed:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read(MAX_ROW)
        if not line:
            self.ended = True
            raise StopIteration
        if not self.number:
            line = line.removeprefix("\ufeff")
        self.number += 1
        self.taken.append(line)
        self.size += len(line)
        if self.size >= MAX_ROW:
            raise _RowTooLong
        if not self.broken and not line.isascii() and BROKEN.search(line):
            self.broken = True
        return line

    def begin_row(self) -> None:
        self.taken = []
        self.size = 0
        self.broken = False

    def go_back(self) -> None:
        """Leave the first line of the row behind and read the others again, as rows of their own."""
        first = self.number - len(self.taken) + 1
        self._again.extendleft(reversed(self.taken[1:]))
        if len(self.taken) == 1:
            self._skip_line()
        self.number = first
        self.ended = False

    def _skip_line(self) -> None:
        line = self.taken[0]
        while line and not line.endswith(("\n", "\r")):
            line = self._again.popleft() if self._again else self._read(MAX_ROW)


def read_rows(text: Lines, *, delimiter: str) -> Iterator[Row]:
    """Every row but blank lines, in order."""
    # The limit is one for the process; ours is on rows and counts characters.
    csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW))
    feed = _LineFeed(text)
    reader = csv.reader(feed, delimiter=delimiter)
    recoveries = 0
    while True:
        line = feed.number + 1
        feed.begin_row()
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (_RowTooLong, csv.Error):
            fault = ROW_TOO_LONG if len(feed.taken) == 1 else QUOTE_NOT_CLOSED
        else:
            if not feed.ended:
                if cells:
                    yield Row(line, cells, BROKEN_TEXT if feed.broken else "")
                continue
            # A finished row never asks for the line after it: this one ran into the end inside quotes.
            fault = QUOTE_NOT_CLOSED
        recoveries += 1
        if recoveries > MAX_RECOVERIES:
            raise CampaignError(
                "import.quotes-broken",
                "Too many rows have a quote that is never closed.",
                action="Export the file again, or choose another delimiter.",
            )
        shown = feed.taken[0][:200]
        feed.go_back()
        reader = csv.reader(feed, delimiter=delimiter)
        yield Row(line, [shown], fault)


def suggest_delimiter(sample: str) -> str:
    """The delimiter that gives the header several columns and the most rows the same number."""
    return max(DELIMITERS, key=lambda delimiter: _rate_delimiter(sample, delimiter))


def _rate_delimiter(sample: str, delimiter: str) -> float:
    try:
        widths = [len(row) for row in islice(csv.reader(_split_lines(sample), delimiter=delimiter), 500) if row]
    except csv.Error:
        return 0.0
    if not widths or widths[0] < 2:
        return 0.0
    return widths.count(widths[0]) / len(widths) * math.log2(widths[0])


def _split_lines(sample: str) -> list[str]:
    """Lines as csv.reader wants them; the last one may be cut and does not count."""
    lines = sample.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [f"{line}\n" for line in (lines[:-1] or lines)]
