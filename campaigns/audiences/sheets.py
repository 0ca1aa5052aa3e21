"""A file of recipients with values of their own, CSV or .xlsx, read from memory: nothing of it is written anywhere.

It is all right or it is refused as a whole: each problem is told by its row, and its column where it is in one cell, and never
by what stands there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from campaigns import addresses
from campaigns.addresses import Address
from campaigns.audiences.columns import EMAIL, label_columns, suggest_mapping
from campaigns.audiences.files import open_bytes
from campaigns.audiences.rows import Row, read_rows, suggest_delimiter
from campaigns.audiences.workbooks import is_workbook, read_workbook
from campaigns.errors import AddressError, CampaignError

MOST_ROWS = 100_000
PROBLEMS_SHOWN = 20
_SAMPLE = 1 << 16
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True, repr=False)
class SheetRow:
    """One recipient: the row's line in the file, the address, and values by the name of their column."""

    line: int
    address: Address
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Sheet:
    """A file as it was read; `columns` are names as templates have them, without the address."""

    columns: tuple[str, ...]
    rows: tuple[SheetRow, ...]


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with a row: its line in the file and a sentence that quotes nothing of it."""

    line: int
    text: str


class SheetRefused(CampaignError):
    """Nothing of the file was kept; `problems` are the first ones, `count` is how many there are."""

    def __init__(self, problems: Sequence[RowProblem]) -> None:
        count = len(problems)
        rows = "1 row has a problem" if count == 1 else f"{count:,} rows have problems"
        super().__init__(
            "recipients.rows-refused",
            f"{rows}, so nothing of the file was kept.",
            action="Correct the file where it comes from and upload it again.",
        )
        self.problems = tuple(problems[:PROBLEMS_SHOWN])
        self.count = count


@dataclass(slots=True)
class _Reading:
    """What one pass over a file found."""

    rows: list[SheetRow] = field(default_factory=list)
    problems: list[RowProblem] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)


def read_sheet(data: bytes) -> Sheet:
    """The file's rows; raises SheetRefused, or CampaignError `import.…` for a file that cannot be read as one at all."""
    if data.startswith(_GZIP):
        raise CampaignError(
            "import.compressed", "The file is compressed.", action="Unpack it and upload the file in it."
        )
    if is_workbook(data):
        return _read_rows(read_workbook(data))
    with open_bytes(data) as text:
        delimiter = suggest_delimiter(text.read(_SAMPLE))
        text.seek(0)
        return _read_rows(read_rows(text, delimiter=delimiter))


def _read_rows(rows: Iterator[Row]) -> Sheet:
    header = next(rows, None)
    if header is None:
        raise CampaignError("import.empty", "The file is empty.", action="Export the recipients again.")
    head = list(itertools.islice(rows, 50))
    names = _name_columns(header.cells, [row.cells for row in head])
    return _read(itertools.chain(head, rows), names=names)


def _name_columns(header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[str]:
    """The name of each column, `email` for the one that holds the address."""
    labels = label_columns(header)
    names = suggest_mapping(labels, sample)
    if EMAIL not in names.values():
        raise CampaignError(
            "import.no-email-column",
            "No column holds the email addresses.",
            action="Call one “Email”, in the first row of the file.",
        )
    return [names[label] for label in labels]


def _read(rows: Iterator[Row], *, names: list[str]) -> Sheet:
    reading = _Reading()
    for number, row in enumerate(rows):
        if number >= MOST_ROWS:
            raise CampaignError(
                "recipients.too-many",
                f"A file has at most {MOST_ROWS:,} recipients.",
                action="Make a send for each part of it.",
            )
        if any(cell.strip() for cell in row.cells):
            _read_row(reading, row, names)
    if reading.problems:
        raise SheetRefused(reading.problems)
    if not reading.rows:
        raise CampaignError("recipients.none", "There is nobody in the file.", action="Export the recipients again.")
    return Sheet(tuple(name for name in names if name != EMAIL), tuple(reading.rows))


def _read_row(reading: _Reading, row: Row, names: list[str]) -> None:
    problem = _find_fault(row, names)
    if problem:
        reading.problems.append(RowProblem(row.line, problem))
        return
    values = dict(zip(names, (cell.strip() for cell in row.cells), strict=True))
    try:
        address = addresses.parse(values.pop(EMAIL))
    except AddressError:
        reading.problems.append(RowProblem(row.line, "This is no email address."))
        return
    earlier = reading.seen.setdefault(address.key, len(reading.rows))
    if earlier < len(reading.rows):
        reading.problems.append(RowProblem(row.line, _explain_twice(reading.rows[earlier], values)))
        return
    reading.rows.append(SheetRow(row.line, address, values))


def _find_fault(row: Row, names: list[str]) -> str:
    if row.faulty is not None:
        name = names[row.faulty] if row.faulty < len(names) else f"column_{row.faulty + 1}"
        return f"Column “{name}”: {row.fault}"
    if row.fault:
        return "The row cannot be read: a quote is not closed, or letters are broken."
    if len(row.cells) != len(names):
        # One cell too many or too few moves everything behind it under another heading.
        return f"It has {len(row.cells)} columns, and the first row has {len(names)}."
    return ""


def _explain_twice(earlier: SheetRow, values: Mapping[str, str]) -> str:
    """A shared mailbox or a slip: either way one of the two would read what is the other's."""
    names = [name for name in values if is_name_column(name)]
    if any(values[name].casefold() != earlier.values[name].casefold() for name in names):
        return f"The address of row {earlier.line} again, with another name."
    return f"The address of row {earlier.line} again."


def is_name_column(name: str) -> bool:
    """Whether a column holds names of people, by what it is called."""
    return "name" in name.split("_") or name in {"patient", "recipient", "member", "surname", "firstname", "lastname"}
