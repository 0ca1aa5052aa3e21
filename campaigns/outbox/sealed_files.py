"""Files of one recipient of a HIPAA send: sealed beside the message, and listed with the recipient's sealed values.

An approval is bound to those values, and they hold the digest of each file: so it is bound to the files, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.content.letter import Attachment
from campaigns.errors import CampaignError
from campaigns.models import MessageFile, Submission
from compliance import vault
from compliance.vault import KeyScope


@dataclass(frozen=True, slots=True, repr=False)
class FileEntry:
    """A file as its recipient's values list it; `sha256` is that of its content, in hex."""

    id: str
    name: str
    media_type: str
    size: int
    sha256: str


def seal_files(
    submission: Submission, files: Sequence[tuple[FileEntry, bytes]], *, address_key: str, scope: KeyScope
) -> list[bytes]:
    """The contents as they are kept, each for its place and recipient alone; raises KeysUnavailable, Shredded."""
    contexts = [_context(submission, entry, address_key=address_key) for entry, _ in files]
    return vault.seal_many([data for _, data in files], contexts=contexts, scope=scope)


def open_files(submission: Submission, entries: Sequence[FileEntry], *, address_key: str) -> tuple[Attachment, ...]:
    """The files of a recipient, in that order.

    Raises CampaignError `message.file-broken` for one that is not what was sealed, KeysUnavailable.
    """
    rows = MessageFile.objects.filter(public_id__in=[entry.id for entry in entries])
    kept = {str(row.public_id): bytes(row.data_sealed) for row in rows}
    return tuple(
        Attachment(
            entry.name, entry.media_type, _open(submission, entry, kept.get(entry.id, b""), address_key=address_key)
        )
        for entry in entries
    )


def _open(submission: Submission, entry: FileEntry, sealed: bytes, *, address_key: str) -> bytes:
    try:
        data = vault.unseal(sealed, **_context(submission, entry, address_key=address_key))
    except vault.SealBroken:
        raise _broken() from None
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise _broken()
    return data


def _broken() -> CampaignError:
    return CampaignError("message.file-broken", "A file of this message is not the one that was sealed for it.")


def _context(submission: Submission, entry: FileEntry, *, address_key: str) -> dict[str, str]:
    account = str(submission.account.public_id)
    return {"account": account, "thing": "message-file", "id": entry.id, "field": "data", "recipient": address_key}
