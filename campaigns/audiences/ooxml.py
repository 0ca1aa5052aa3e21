"""The XML parts of an office file (ECMA-376), read from memory element by element; what they unpack to is bounded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from xml.parsers import expat

from campaigns.errors import CampaignError

MOST_BYTES = 100 * 1024 * 1024  # unpacked, of all parts that are read together
_MOST_PENDING = 100_000  # elements of one row or of one list of formats


class Unreadable(Exception):
    """Whatever is wrong with the workbook as a file."""


class Element:
    """What stands between two tags, by names without their namespace: files use the usual one or the strict one."""

    __slots__ = ("attributes", "children", "name", "texts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name, self.attributes = name, attributes
        self.children: list[Element] = []
        self.texts: list[str] = []

    def get(self, name: str, default: str = "") -> str:
        return self.attributes.get(name, default)

    @property
    def text(self) -> str:
        return "".join(self.texts)


class _Reader:
    """Collects the elements with some names; `ended` are those that are complete."""

    def __init__(self, names: set[str]) -> None:
        self.ended: list[Element] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._read
        self.parser.StartDoctypeDeclHandler = self._refuse
        self._names, self._open, self._pending = names, list[Element](), 0

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if not self._open and name not in self._names:
            return
        element = Element(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        self._open.append(element)
        self._pending += 1
        if self._pending > _MOST_PENDING:
            raise Unreadable

    def _end(self, _tag: str) -> None:
        if not self._open:
            return
        element = self._open.pop()
        if not self._open:
            self.ended.append(element)
            self._pending = 0

    def _read(self, text: str) -> None:
        if self._open:
            self._open[-1].texts.append(text)

    def _refuse(self, *_: object) -> None:
        raise Unreadable


class Parts:
    """The parts of one archive; all that is read of them together is bounded."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._left = MOST_BYTES
        self._archive = archive
        self._names = set(archive.namelist())

    def __contains__(self, path: str) -> bool:
        return path in self._names

    def elements(self, path: str, names: set[str]) -> Iterator[Element]:
        """The elements of a part with one of these names, one after the other; of the rest nothing is kept.

        Expat itself: trees of a sheet with 100,000 rows take five times as long. It knows no entities without a document
        type, and one that has any is refused.
        """
        reader = _Reader(names)
        with self._archive.open(path) as part:
            while data := part.read(1 << 16):
                self._left -= len(data)
                if self._left < 0:
                    raise too_large()
                reader.parser.Parse(data)
                yield from reader.ended
                reader.ended.clear()
            reader.parser.Parse(b"", True)


def too_large() -> CampaignError:
    """The refusal of a file that unpacks to more than is read."""
    return CampaignError(
        "import.workbook-too-large",
        f"The workbook unpacks to more than {MOST_BYTES // (1024 * 1024)} MB.",
        action="Make a send for each part of it, or save it as CSV.",
    )
