"""Files of single recipients: taken out of a ZIP in memory, by the name in a column, within limits."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from django.conf import settings

from campaigns import filetypes
from campaigns.content.letter import Attachment
from campaigns.errors import CampaignError
from compliance.facts import AttachmentFacts
from compliance.rules.attachments import ALLOWED_TYPES, judge_file

MOST_FILES = 5_000
MOST_BYTES = 100 * 1024 * 1024  # unpacked, all together: everything is held in memory at once
_SLACK = 1.37  # base64 makes 4 of 3 and adds line ends
_EXTENSIONS = {kind: extension for extension, kind in ALLOWED_TYPES.items()}


def open_archive(data: bytes) -> dict[str, bytes]:
    """The files in a ZIP by name, without folders; raises CampaignError `recipients.archive…`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return dict(_unpack(archive))
    except filetypes.BROKEN_ARCHIVE:
        raise CampaignError(
            "recipients.archive-broken",
            "The ZIP file cannot be read.",
            action="Pack the files again, without a password.",
        ) from None


def make_attachment(data: bytes) -> Attachment:
    """The file as it is sent: by a neutral name, because names of files stand in headers and on screens.

    Raises CampaignError `attachment.type-refused`, `attachment.content-mismatch` or `message.too-large`.
    """
    extension = filetypes.usual_extension(data).lstrip(".")
    name = f"document.{extension or 'bin'}"
    kind = filetypes.detect_type(name, data)
    if finding := judge_file(AttachmentFacts(name, kind, len(data))):
        raise CampaignError(finding.code, finding.text, action=finding.action)
    if len(data) * _SLACK > settings.MAX_MESSAGE_BYTES:
        limit = settings.MAX_MESSAGE_BYTES // (1024 * 1024)
        raise CampaignError(
            "message.too-large", f"A mail has at most {limit} MB with its file.", action="Make it smaller."
        )
    assert kind is not None
    return Attachment(name, kind, data)


def _unpack(archive: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    # What the archive says of itself is checked again while reading: a bomb says what it likes.
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise _too_large()
    left = MOST_BYTES
    for entry in entries:
        with archive.open(entry) as file:
            data = file.read(left + 1)
        left -= len(data)
        if left < 0:
            raise _too_large()
        yield entry.filename.replace("\\", "/").rpartition("/")[2], data


def _too_large() -> CampaignError:
    megabytes = MOST_BYTES // (1024 * 1024)
    return CampaignError(
        "recipients.archive-too-large",
        f"The ZIP file holds more than {MOST_FILES:,} files or {megabytes} MB.",
        action="Make a send for each part of the recipients.",
    )
