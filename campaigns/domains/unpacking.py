"""Packed files of strangers, unpacked within limits (evil input 18)."""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import IO

from campaigns.errors import CampaignError
from campaigns.filetypes import BROKEN_ARCHIVE

MOST_PACKED = 10 * 1024 * 1024
MOST_UNPACKED = 40 * 1024 * 1024
# Reports repeat themselves, so a hundred times smaller is normal; a bomb is a thousand times.
MOST_RATIO = 300
_FREE = 1024 * 1024  # below this the ratio says nothing
_MOST_PARTS = 20
_CHUNK = 256 * 1024


def unpack(data: bytes) -> list[bytes]:
    """The files in a gzip or zip file, or the data itself; one layer only.

    Raises CampaignError `report.too-large` or `report.unreadable`.
    """
    if len(data) > MOST_PACKED:
        raise _too_large()
    if data.startswith(b"\x1f\x8b"):
        return [_gunzip(data)]
    if data.startswith(b"PK\x03\x04"):
        return _unzip(data)
    return [data]


def _limit(packed: int) -> int:
    return min(MOST_UNPACKED, max(packed * MOST_RATIO, _FREE))


def _gunzip(data: bytes) -> bytes:
    limit = _limit(len(data))
    opened = zlib.decompressobj(wbits=31)
    try:
        found = opened.decompress(data, limit + 1)
    except zlib.error as error:
        raise unreadable() from error
    if len(found) > limit:
        raise _too_large()
    if not opened.eof:
        raise unreadable()
    return found


def _unzip(data: bytes) -> list[bytes]:
    # The directory is read whole when opened: count its entries before.
    if data.count(b"PK\x01\x02") > _MOST_PARTS:
        raise _too_large()
    found, left = [], _limit(len(data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                if name.endswith("/"):
                    continue
                # What the directory says about sizes is only a claim.
                with archive.open(name) as part:
                    content = _read(part, left)
                left -= len(content)
                found.append(content)
    except BROKEN_ARCHIVE as error:
        # Damaged, encrypted, or packed in a way nobody uses for reports.
        raise unreadable() from error
    return found


def _read(part: IO[bytes], limit: int) -> bytes:
    pieces, size = [], 0
    while piece := part.read(_CHUNK):
        size += len(piece)
        if size > limit:
            raise _too_large()
        pieces.append(piece)
    return b"".join(pieces)


def unreadable() -> CampaignError:
    """What is said of anything that is no report, whatever is wrong with it."""
    return CampaignError(
        "report.unreadable",
        "This is no report we can read.",
        action="Reports are XML or JSON files, often packed as .gz or .zip: upload the attachment of the mail.",
    )


def _too_large() -> CampaignError:
    return CampaignError("report.too-large", "This file is too large, or unpacks to far too much.", status=413)
