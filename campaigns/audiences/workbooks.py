"""Excel workbooks (.xlsx, ECMA-376) read from memory as rows of text: nothing is unpacked into a file.

People export what they see; where a cell shows something else than it holds, or rows are hidden by a filter, the workbook
is not guessed at. What it unpacks to is bounded whatever it says of itself.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.parsers import expat

from campaigns import filetypes
from campaigns.audiences.ooxml import Element, Parts, Unreadable, too_large
from campaigns.audiences.rows import Row
from campaigns.errors import CampaignError

MOST_LETTERS = 100 * 1024 * 1024  # in all cells: one long text may stand in each of them
MOST_COLUMNS = 500
_ZIP, _OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_REFERENCE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")
_QUOTED = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_DATES = frozenset({*range(14, 23), *range(27, 37), *range(50, 59)})  # ECMA-376 part 1, §18.8.30
_AS_HELD = frozenset({0, 49})
_WHOLE = 1

SHOWN_OTHERWISE = (
    "A cell shows its number in a format of its own. Make the column text in Excel, as readers shall see it."
)
BROKEN_CELL = "A cell holds an error or no value of a kind that can be read."
_FAULTS = frozenset({SHOWN_OTHERWISE, BROKEN_CELL})


@dataclass(frozen=True, slots=True)
class _Style:
    """How the number in a cell is shown."""

    is_date: bool = False
    is_plain: bool = True
    is_whole: bool = False
    zeros: int = 0


def is_workbook(data: bytes) -> bool:
    """Whether it is to be read as a workbook, or refused as what people take for one."""
    return data.startswith((_ZIP, _OLD))


def read_workbook(data: bytes) -> Iterator[Row]:
    """The rows of the one sheet that is filled and not hidden, all as wide as the first; dates as 2027-01-31.

    Raises CampaignError `import.…` at once or while rows are read. A row that cannot be taken as it stands has a fault.
    """
    if data.startswith(_OLD):
        raise _refusal("old-workbook", "This is an old or a locked workbook.", "Save it as .xlsx without a password.")
    if filetypes.detect_type("", data) != filetypes.XLSX:
        raise _refusal("spreadsheet", "This is no .xlsx workbook, or it has macros.", "Save it as .xlsx or as CSV.")
    return _read(data)


def _read(data: bytes) -> Iterator[Row]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from _Workbook(Parts(archive)).rows()
    except (*filetypes.BROKEN_ARCHIVE, expat.ExpatError, KeyError, Unreadable):
        raise _refusal("broken-workbook", "The workbook is damaged or unusual.", "Save it again in Excel.") from None


class _Workbook:
    """One workbook being read."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._counts_from = datetime(1899, 12, 30)  # noqa: DTZ001 - dates of spreadsheets have no zone
        self._shared: list[str] = []
        self._styles: list[_Style] = []

    def rows(self) -> Iterator[Row]:
        sheet = self._choose_sheet()
        self._styles = self._read_styles()
        self._shared = self._read_shared()
        width, letters = 0, 0
        for element in self._parts.elements(sheet, {"row"}):
            cells, fault, faulty = self._read_row(element)
            if not any(cells.values()) and not fault:
                continue
            letters += sum(map(len, cells.values()))
            if letters > MOST_LETTERS:
                raise too_large()
            if element.get("hidden") in {"1", "true"}:
                raise _refusal(
                    "hidden-rows",
                    "Rows of the sheet are hidden, by a filter or by hand, and would be read as well.",
                    "Copy what you see into a new workbook, or show all rows.",
                )
            last = max((at for at, text in cells.items() if text), default=-1) + 1
            width = width or last
            yield Row(_number_of(element), [cells.get(at, "") for at in range(max(width, last))], fault, faulty)

    # --- Which sheet -----------------------------------------------------------------------------

    def _choose_sheet(self) -> str:
        paths = self._find_paths()
        visible: list[str] = []
        for element in self._parts.elements("xl/workbook.xml", {"sheet", "workbookPr"}):
            if element.name == "workbookPr":
                if element.get("date1904") in {"1", "true"}:
                    self._counts_from = datetime(1904, 1, 1)  # noqa: DTZ001
            elif element.get("state", "visible") == "visible":
                visible.append(paths[_related(element)])
        filled = [path for path in visible if self._is_filled(path)] if len(visible) > 1 else visible
        if len(filled) > 1:
            raise _refusal(
                "many-sheets",
                f"{len(filled)} sheets of the workbook are filled.",
                "Keep the sheet with the recipients and delete the others.",
            )
        if not filled:
            raise _refusal("empty", "The workbook is empty.", "Export the recipients again.")
        return filled[0]

    def _find_paths(self) -> dict[str, str]:
        """Parts of sheets by the id of their relation."""
        found: dict[str, str] = {}
        for element in self._parts.elements("xl/_rels/workbook.xml.rels", {"Relationship"}):
            if str(element.get("Type", "")).endswith("/worksheet"):
                target = str(element.get("Target", ""))
                found[str(element.get("Id"))] = target[1:] if target.startswith("/") else f"xl/{target}"
        return found

    def _is_filled(self, path: str) -> bool:
        rows = self._parts.elements(path, {"row"})
        return any(part.name in _FILLED for row in rows for cell in row.children for part in cell.children)

    # --- What cells say --------------------------------------------------------------------------

    def _read_row(self, element: Element) -> tuple[dict[int, str], str, int | None]:
        """(texts by column, the first fault, the column it is in)."""
        cells: dict[int, str] = {}
        fault, faulty, at = "", None, -1
        for cell in element.children:
            if cell.name != "c":
                continue
            at = _column_of(cell, after=at)
            if at >= MOST_COLUMNS:
                raise _refusal("too-wide", f"The sheet has more than {MOST_COLUMNS} columns.", "Delete the others.")
            try:
                cells[at] = self._read_cell(cell)
            except (ValueError, OverflowError) as error:
                if not fault:
                    fault, faulty = str(error) if str(error) in _FAULTS else BROKEN_CELL, at
        return cells, fault, faulty

    def _read_cell(self, cell: Element) -> str:
        """What the cell shows; raises ValueError where that is not known."""
        kind, parts = cell.get("t", "n"), {part.name: part for part in cell.children}
        if kind == "inlineStr":
            return _text_of(parts["is"]) if "is" in parts else ""
        value = parts["v"].text if "v" in parts else ""
        if not value:
            return ""
        if kind == "s":
            at = int(value)
            if not 0 <= at < len(self._shared):
                raise ValueError(BROKEN_CELL)
            return self._shared[at]
        if kind == "str":
            return value
        if kind == "b":
            return "TRUE" if value == "1" else "FALSE"
        if kind == "d":
            return value
        if kind != "n":
            raise ValueError(BROKEN_CELL)
        at = int(cell.get("s", "0"))
        return self._show_number(value, self._styles[at] if 0 <= at < len(self._styles) else _Style())

    def _show_number(self, value: str, style: _Style) -> str:
        number = float(value)
        if style.is_date:
            return self._show_date(number)
        whole = number == int(number) and abs(number) < 1e15
        if style.zeros and whole and number >= 0:
            return str(int(number)).zfill(style.zeros)
        if not style.is_plain or (style.is_whole and not whole):
            raise ValueError(SHOWN_OTHERWISE)
        # 15 digits are what a spreadsheet knows of a number; the file may write 0.1 as 0.10000000000000001.
        return str(int(number)) if whole else f"{number:.15g}"

    def _show_date(self, number: float) -> str:
        if number < 0:
            raise ValueError(BROKEN_CELL)
        # Spreadsheets that count from 1900 know a 29 February of that year.
        late = 1 <= number < 60 and self._counts_from.year == 1899
        at = self._counts_from + timedelta(days=late, seconds=round(number * 86_400))
        if number < 1:
            return f"{at:%H:%M}"
        return f"{at:%Y-%m-%d}" if at.time() == at.min.time() else f"{at:%Y-%m-%d %H:%M}"

    def _read_shared(self) -> list[str]:
        path = "xl/sharedStrings.xml"
        return [_text_of(element) for element in self._parts.elements(path, {"si"})] if path in self._parts else []

    def _read_styles(self) -> list[_Style]:
        """The style of each cell format, by its place."""
        path = "xl/styles.xml"
        if path not in self._parts:
            return []
        codes: dict[int, str] = {}
        styles: list[_Style] = []
        for element in self._parts.elements(path, {"numFmt", "cellXfs"}):
            if element.name == "numFmt":
                codes[int(element.get("numFmtId", "0"))] = element.get("formatCode", "")
            else:
                styles = [
                    _judge_format(int(xf.get("numFmtId", "0")), codes) for xf in element.children if xf.name == "xf"
                ]
        return styles


_FILLED = frozenset({"v", "is"})


def _judge_format(number: int, codes: dict[int, str]) -> _Style:
    code = codes.get(number)
    if code is None:
        return _Style(
            is_date=number in _DATES, is_plain=number in _AS_HELD or number == _WHOLE, is_whole=number == _WHOLE
        )
    if code.lower() in {"general", "@", ""}:
        return _Style()
    if set(code) == {"0"}:
        return _Style(zeros=len(code), is_plain=False)
    letters = set(_QUOTED.sub("", code.partition(";")[0]).lower())
    return _Style(is_date=not _ELAPSED.search(code) and bool(letters & set("ymdhs")), is_plain=False)


def _text_of(element: Element) -> str:
    """The text of a rich text's pieces; how East Asian names are read aloud (`rPh`) is no part of it."""
    found = []
    for piece in element.children:
        if piece.name == "t":
            found.append(piece.text)
        elif piece.name == "r":
            found += [text.text for text in piece.children if text.name == "t"]
    return "".join(found)


def _column_of(cell: Element, *, after: int) -> int:
    """The number of the cell's column, 0 for A; where none is said, it follows the one before."""
    found = _REFERENCE.fullmatch(cell.get("r", ""))
    if found is None:
        return after + 1
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - 64
    return number - 1


def _number_of(row: Element) -> int:
    number = row.get("r", "")
    if not number.isascii() or not number.isdigit() or len(number) > 7:
        raise Unreadable
    return int(number)


def _related(sheet: Element) -> str:
    """The id of the sheet's relation, whose attribute has a namespace: the usual one or the strict one."""
    return next((value for name, value in sheet.attributes.items() if name.endswith(":id")), "")


def _refusal(code: str, text: str, action: str) -> CampaignError:
    return CampaignError(f"import.{code}", text, action=action)
