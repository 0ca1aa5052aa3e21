"""What lies beside the database and belongs into a backup: uploaded files, and the archive of mails, each sealed as it lies there."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from django.conf import settings

from campaigns.models import Account, KeptMail
from campaigns.storage import archive
from compliance.oversight.backup_files import BackupBroken, Manifest, Writer, read_bundle

UPLOADS, ARCHIVE = "media.tar", "archive.tar"


def read_uploads() -> Iterator[tuple[str, int, BinaryIO | None]]:
    """Every file below MEDIA_ROOT: (path there, size, open file)."""
    root = Path(settings.MEDIA_ROOT)
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # its import ended meanwhile
        with file:
            yield path.relative_to(root).as_posix(), os.fstat(file.fileno()).st_size, file


def read_archived(writer: Writer) -> Iterator[tuple[str, int, BinaryIO | None]]:
    """The mails that were in the archive when the tables were written: (object, size, content or None)."""
    accounts = {row["id"]: Account(public_id=row["public_id"]) for row in writer.read_table(Account._meta.db_table)}
    mails = (
        KeptMail(public_id=row["public_id"], sent_at=row["sent_at"], account=accounts[row["account_id"]])
        for row in writer.read_table(KeptMail._meta.db_table)
        if row["is_archived"]
    )
    for mail, sealed in archive.fetch_many(mails):
        if sealed is not None:
            yield archive.object_name(mail), len(sealed), io.BytesIO(sealed)
        elif KeptMail.objects.filter(public_id=mail.public_id, is_archived=True).exists():
            yield archive.object_name(mail), 0, None
        # Else its day came while the backup was written.


def bring_back(folder: Path, manifest: Manifest) -> None:
    """Put all of it where it lay. Doing it twice writes the same; raises CampaignError `archive.unreachable`."""
    for bundle in manifest.bundles:
        entries = read_bundle(folder, bundle)
        if bundle.name == ARCHIVE:
            archive.store_many((name, file.read()) for name, file in entries)
        else:
            _store_uploads(entries)


def _store_uploads(entries: Iterable[tuple[str, BinaryIO]]) -> None:
    root = Path(settings.MEDIA_ROOT).resolve()
    for name, file in entries:
        target = (root / name).resolve()
        if not target.is_relative_to(root):
            raise BackupBroken(f"{UPLOADS} names a place outside the folder of uploads.")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as copy:
            shutil.copyfileobj(file, copy)
