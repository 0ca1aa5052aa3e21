"""What a file is by its content: signatures by the `filetype` package, Office files by looking into them.

Reading is bounded: nothing is unpacked but the one small part of an Office file that names its type, and that
only up to a limit (evil inputs 17 and 18).
"""

from __future__ import annotations

import codecs
import io
import lzma
import re
import struct
import unicodedata
import zipfile
import zlib

import filetype

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
TEXT = "text/plain"
ZIP = "application/zip"
_EXTENSIONS = {
    "application/pdf": ".pdf", "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", DOCX: ".docx", XLSX: ".xlsx",
}  # fmt: skip

_MAX_PARTS = 10_000
_MAX_TYPES_BYTES = 1024 * 1024
# A document that fits into a mail unpacks to some dozen megabytes; one that says more fills the memory of who opens it.
_MAX_UNPACKED_BYTES = 200 * 1024 * 1024
_CONTENT_TYPES = "[Content_Types].xml"
# The main part's type decides; macro-enabled files and templates have other ones (ECMA-376 part 1, §15.2).
_MAIN_PARTS = {f"{DOCX}.main+xml".encode(): DOCX, f"{XLSX}.main+xml".encode(): XLSX}
_DECLARED_TYPE = re.compile(rb"""ContentType\s*=\s*["']([^"']{1,200})["']""")
# Document formats that are themselves written in letters; everything else in clean text is words by chance ("BM", "MZ").
_LETTERED_TYPES = frozenset({"application/pdf", "application/rtf", "application/postscript"})
# All that zipfile lets through when offsets, flags, sizes, methods or names in the archive are wrong.
BROKEN_ARCHIVE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ValueError, RuntimeError, LookupError, EOFError, OSError,
    OverflowError,
)  # fmt: skip
_TEXT_CONTROLS = frozenset("\t\n\r\f")


def detect_type(name: str, data: bytes) -> str | None:
    """The MIME type of data by its content, or None when it is not recognised or is two things at once.

    Text has no signature, so only a name ending in .txt is believed to be text, and only when every byte is.
    """
    if name.lower().endswith(".txt") and _is_text(data):
        found = _guess(data)
        return found if found in _LETTERED_TYPES else TEXT
    if data.startswith(b"PK\x03\x04"):
        return _detect_package(data)
    found = _guess(data)
    # A zip is read from its end: one that hangs behind a picture or a PDF makes the file two things at once.
    return None if found is None or _has_archive(data) else found


def usual_extension(data: bytes) -> str:
    """The extension of files with such content, with its dot; empty when it is not recognised."""
    found = detect_type("", data)
    if found in _EXTENSIONS:
        return _EXTENSIONS[found]
    return ".txt" if data and detect_type(".txt", data) == TEXT else ""


def _guess(data: bytes) -> str | None:
    found = filetype.guess_mime(data) if data else None
    return found if isinstance(found, str) else None


def _is_text(data: bytes) -> bool:
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return False
    # Few distinct characters make up a text, however long it is.
    return not any(unicodedata.category(c) == "Cc" and c not in _TEXT_CONTROLS for c in set(text))


def _detect_package(data: bytes) -> str | None:
    """Word and Excel files without macros and of a usual size; any other zip is just a zip."""
    archive = _open_archive(data)
    if archive is None:
        return None
    with archive:
        names = set(archive.namelist())
        if _CONTENT_TYPES not in names or any(name.lower().endswith("vbaproject.bin") for name in names):
            return ZIP
        if sum(entry.file_size for entry in archive.infolist()) > _MAX_UNPACKED_BYTES:
            return ZIP
        try:
            with archive.open(_CONTENT_TYPES) as part:
                declared = part.read(_MAX_TYPES_BYTES + 1)
        except BROKEN_ARCHIVE:
            # Damaged, encrypted or packed by a method nobody uses for Office files.
            return None
    if len(declared) > _MAX_TYPES_BYTES:
        return None
    found = {_MAIN_PARTS[kind] for kind in _DECLARED_TYPE.findall(declared) if kind in _MAIN_PARTS}
    return found.pop() if len(found) == 1 else ZIP


def _open_archive(data: bytes) -> zipfile.ZipFile | None:
    # The directory is read whole when opened: count its entries before.
    if data.count(b"PK\x01\x02") > _MAX_PARTS:
        return None
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except BROKEN_ARCHIVE:
        return None


def _has_archive(data: bytes) -> bool:
    if b"PK\x05\x06" not in data:
        return False
    archive = _open_archive(data)
    if archive is None:
        return data.count(b"PK\x01\x02") > _MAX_PARTS
    with archive:
        return bool(archive.namelist())
