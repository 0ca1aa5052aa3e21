"""Import files: kept in our own folder, opened as text, never held in memory."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from django.conf import settings

from campaigns.errors import CampaignError

# What people meet in exports; the names are Python's. The rest is asked for by name or refused.
ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255",
    "cp1256", "cp1257", "cp1258", "iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-13",
    "iso8859-15", "koi8-r", "mac-roman", "cp437", "cp850", "cp852", "shift_jis", "cp932", "euc-jp", "gb18030", "big5",
    "euc-kr", "cp874",
)  # fmt: skip
BROKEN = re.compile("[\udc00-\udcff]")

_GZIP = b"\x1f\x8b"
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_BLOCK = 1 << 20
_HEAD = 1 << 16
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = re.compile(rb"[\x01-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_HIGH = re.compile(rb"[\x80-\xff]")
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
# Words as CP1252 shows them that no Western language writes: four accented letters in a row (Cyrillic, Greek,
# Asian bytes) or a sign beside a letter (Polish, Czech).
_LETTERS = "A-Za-zÀ-ÖØ-öø-ÿŠšŽžŒœŸƒ"
_HIGH_WORD = re.compile(f"[{_LETTERS}¡-¿]*[À-ÖØ-öø-ÿŠšŽžŒœŸƒ¡-¿][{_LETTERS}¡-¿]*")
_ODD_WORD = re.compile(
    f"[À-ÖØ-öø-ÿŠšŽžŒœŸƒ]{{4}}|[{_LETTERS}][¡-©«-±´-¶¸»-¾]|[¢-©«-±´-¶¸»-¾][{_LETTERS}]|[²³¹¿][a-zà-öø-ÿ]"
)
# Lithuanian and Latvian: Icelandic letters beside ones Icelandic lacks.
_ICELANDIC, _NOT_ICELANDIC = set("ðÐþÞ"), set("àèëûøÀÈËÛØ")
_ODD_SHARE = 0.1


class Readable(Protocol):
    """Anything bytes can be read from: an upload, an open file."""

    def read(self, size: int = ..., /) -> bytes: ...


class Source:
    """An import file opened as text; `tell` is how many bytes of the stored file were read."""

    def __init__(self, text: io.TextIOWrapper, raw: BinaryIO) -> None:
        self.text = text
        self._raw = raw

    def tell(self) -> int:
        return self._raw.tell()


def store_file(source: Readable | Path, *, name: str) -> str:
    """Copy the file into our import folder, readable by us only; returns its path below MEDIA_ROOT."""
    path = Path("imports") / name
    target = locate_file(str(path))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        if isinstance(source, Path):
            with _reading(source) as original:
                shutil.copyfileobj(original, copy, _BLOCK)
        else:
            shutil.copyfileobj(source, copy, _BLOCK)
    return str(path)


def locate_file(path: str) -> Path:
    return Path(settings.MEDIA_ROOT) / path


def remove_file(path: str) -> None:
    """Delete a stored file; one already gone is fine."""
    locate_file(path).unlink(missing_ok=True)


def detect_encoding(path: Path) -> str:
    """The file's encoding; raises CampaignError for an empty or binary file and where guessing would spoil names."""
    with _reading(path) as raw, _unpacked(raw) as plain:
        return weigh_encoding(plain)


def weigh_encoding(plain: BinaryIO) -> str:
    """The same for a file that is open, not compressed, and read from its beginning."""
    head = plain.read(_HEAD)
    _refuse_foreign(head)
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    wide = _find_wide(head)
    if wide:
        return wide
    if len(_CONTROLS.findall(head)) > len(head) * 0.02 + 8:
        raise CampaignError("import.binary", "This is not a text file.", action="Export the contacts as CSV.")
    return _weigh_letters(head, plain)


def open_bytes(data: bytes) -> io.TextIOWrapper:
    """A file in memory as text, like open_text; raises what weigh_encoding raises."""
    encoding = weigh_encoding(io.BytesIO(data))
    return io.TextIOWrapper(io.BytesIO(data), encoding=encoding, errors=_MARK, newline="")


def refuse_foreign(path: Path) -> None:
    """Raise CampaignError for an empty file and for the kinds of file people take for CSV."""
    with _reading(path) as raw, _unpacked(raw) as plain:
        _refuse_foreign(plain.read(_HEAD))


def check_encoding(name: str) -> str:
    """Python's name of an encoding somebody gave; raises CampaignError for one we do not read."""
    wanted = {codecs.lookup(known).name: known for known in ENCODINGS}
    try:
        found = codecs.lookup(name.strip()).name
    except (LookupError, ValueError):
        found = ""
    if found in {"utf-8", "utf-8-sig", "ascii"}:
        return "utf-8-sig"
    if found not in wanted:
        raise CampaignError(
            "import.encoding-unknown", "This encoding is not known.", action=f"Use one of: {', '.join(ENCODINGS)}."
        )
    return wanted[found]


@contextmanager
def open_text(path: Path, *, encoding: str) -> Iterator[Source]:
    """The file as text with its own line ends; each byte that does not decode becomes U+DC00 + byte (BROKEN)."""
    with _reading(path) as raw, _unpacked(raw) as plain:
        text = io.TextIOWrapper(plain, encoding=encoding, errors=_MARK, newline="")
        try:
            yield Source(text, raw)
        finally:
            text.detach()


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        raw = path.open("rb")
    except OSError:
        raise CampaignError(
            "import.file-unreadable", "The file does not exist or cannot be read.", action="Check the path.", status=404
        ) from None
    with raw:
        yield raw


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[BinaryIO]:
    packed = raw.read(2) == _GZIP
    raw.seek(0)
    if not packed:
        yield raw
        return
    try:
        with gzip.open(raw) as plain:
            yield cast("BinaryIO", plain)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise CampaignError(
            "import.broken-gzip", "The compressed file is damaged or incomplete.", action="Upload it again."
        ) from None


_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")


def _refuse_foreign(head: bytes) -> None:
    if not head.strip(b"\0\r\n\t \xef\xbb\xbf\xfe\xff"):
        raise CampaignError("import.empty", "The file is empty.", action="Export the contacts again.")
    if head.startswith(_SPREADSHEETS):
        raise CampaignError(
            "import.spreadsheet", "This is a spreadsheet or an archive, not a CSV file.", action="Save it as CSV first."
        )
    if head.startswith(b"%PDF-"):
        raise CampaignError("import.binary", "This is a PDF, not a CSV file.", action="Export the contacts as CSV.")
    if head.startswith(_PICTURES):
        raise CampaignError("import.binary", "This is a picture, not a CSV file.", action="Export the contacts as CSV.")


def _find_wide(head: bytes) -> str:
    """UTF-16 without a byte order mark: Latin delimiters and line ends leave every other byte zero."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    enough = len(head) // 2 * 0.1
    if odd > enough and odd > even * 10:
        return "utf-16-le"
    return "utf-16-be" if even > enough and even > odd * 10 else ""


def _weigh_letters(head: bytes, rest: BinaryIO) -> str:
    """UTF-8 unless most letters beyond ASCII do not decode so; then CP1252 where that reads like words."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    good = broken = 0
    odd_sample = b""
    block = head
    while block:
        try:
            decoder.decode(block)
        except UnicodeDecodeError:
            decoder.reset()
            letters = _UTF8_LETTER.findall(block)
            good += len(letters)
            broken += len(_HIGH.findall(block)) - sum(map(len, letters))
            if len(odd_sample) < _BLOCK:
                odd_sample += block
        block = rest.read(_BLOCK)
    if good >= broken:
        return "utf-8-sig"
    _ask_unless_western(odd_sample.decode("cp1252", "replace"))
    return "cp1252"


def _ask_unless_western(text: str) -> None:
    words = _HIGH_WORD.findall(text)
    odd = sum(1 for word in words if _ODD_WORD.search(word))
    letters = set(text)
    if odd > len(words) * _ODD_SHARE or (letters & _ICELANDIC and letters & _NOT_ICELANDIC):
        raise CampaignError(
            "import.encoding-unclear",
            "The file is not UTF-8 and its encoding cannot be told for sure.",
            action="Say which encoding it has (for example cp1251 or cp1257), or export it as UTF-8.",
        )


_MARK = "sealpost.mark"


def _mark_broken(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(chr(0xDC00 + byte) for byte in error.object[error.start : error.end]), error.end


codecs.register_error(_MARK, _mark_broken)
