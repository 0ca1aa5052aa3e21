"""From a row of a file to a person to merge, or to the reason why not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from campaigns import addresses
from campaigns.audiences import rows as csvrows
from campaigns.audiences.columns import EMAIL
from campaigns.audiences.files import BROKEN
from campaigns.audiences.merging import Person
from campaigns.audiences.rows import Row
from campaigns.errors import AddressError
from campaigns.tokens import address_key

# A contact's attributes travel with every message: a cell beyond this is no name or plan but a document.
MAX_VALUE = 5_000
CHUNK_ROWS = 4_000
CHUNK_CHARACTERS = 8_000_000

_REASONS = {
    csvrows.ROW_TOO_LONG: "The row is longer than a row may be.",
    csvrows.QUOTE_NOT_CLOSED: 'A quote (") in this row is never closed.',
    csvrows.BROKEN_TEXT: "Some letters of the row are damaged: they do not fit the file's encoding.",
    "import.address-missing": "The row has no email address.",
    "address.invalid": "This is not a valid email address.",
    "address.domain-invalid": "The domain of the address is not valid.",
    "import.too-many-cells": "The row has more cells than the header has columns.",
}
# One text at a time: an encoder for whole objects costs five times as much a row.
_quote = json.encoder.encode_basestring


class Rejection(NamedTuple):
    """Why a row was left out; `value` is what its address cell holds, made printable."""

    line: int
    code: str
    reason: str
    value: str


@dataclass(slots=True)
class Chunk:
    """Consecutive rows, judged: rows = people + repeats + rejections."""

    rows: int = 0
    people: dict[str, Person] = field(default_factory=dict)
    repeats: int = 0
    rejections: list[Rejection] = field(default_factory=list)


class RecordReader:
    """Judges rows of one file under one mapping of its columns."""

    def __init__(self, labels: Sequence[str], *, mapping: Mapping[str, str], account: UUID) -> None:
        targets = [mapping.get(label, "") for label in labels]
        self._account = account
        self._width = len(labels)
        self._email = targets.index(EMAIL)
        self._columns = [
            (index, name, f"{_quote(name)}:") for index, name in enumerate(targets) if name and name != EMAIL
        ]

    def read_chunk(self, rows: Iterator[Row]) -> Chunk:
        """The next rows, few enough for one short transaction; no rows at the end of the file."""
        chunk, size = Chunk(), 0
        for row in islice(rows, CHUNK_ROWS):
            found = self.read(row)
            chunk.rows += 1
            if isinstance(found, Rejection):
                chunk.rejections.append(found)
                continue
            if found.address_key in chunk.people:
                chunk.repeats += 1
                continue
            chunk.people[found.address_key] = found
            size += len(found.attributes)
            if size > CHUNK_CHARACTERS:
                break
        return chunk

    def read(self, row: Row) -> Person | Rejection:
        """The person of a row, with every mapped cell as it stands but without NULs."""
        if row.fault:
            return self._reject(row, row.fault)
        cells = row.cells
        if len(cells) > self._width and any(cells[self._width :]):
            return self._reject(row, "import.too-many-cells")
        # A line end after the address is Alt+Enter in a spreadsheet; inside it, the address is none.
        entered = cells[self._email].strip() if self._email < len(cells) else ""
        if not entered:
            return self._reject(row, "import.address-missing")
        try:
            address = addresses.parse(entered)
        except AddressError as error:
            return self._reject(row, error.code)
        columns = self._columns
        if len(cells) < self._width:
            columns = [column for column in columns if column[0] < len(cells)]
        known, filled = [], []
        for index, name, label in columns:
            value = cells[index].replace("\0", "")
            if len(value) > MAX_VALUE:
                reason = f"The value for “{name}” is longer than {MAX_VALUE:,} characters."
                return Rejection(row.line, "import.value-too-long", reason, show(entered))
            known.append(label + _quote(value))
            if value:
                filled.append(known[-1])
        key = address_key(address, account=self._account)
        return Person(key, address.normalized, address.domain, f"{{{','.join(known)}}}", f"{{{','.join(filled)}}}")

    def _reject(self, row: Row, code: str) -> Rejection:
        whole = code in {csvrows.ROW_TOO_LONG, csvrows.QUOTE_NOT_CLOSED}
        index = 0 if whole else self._email
        return Rejection(row.line, code, _REASONS[code], show(row.cells[index] if index < len(row.cells) else ""))


def show(value: str) -> str:
    """A cell for people: broken bytes as \\xNN, no NUL, 200 characters at most."""
    readable = BROKEN.sub(lambda byte: f"\\x{ord(byte[0]) - 0xDC00:02x}", value.replace("\0", ""))
    return readable.encode("utf-8", "replace").decode()[:200]
