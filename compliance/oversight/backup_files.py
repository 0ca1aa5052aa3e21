"""The files of a backup: rows as lines of JSON, packed, and files from beside the database, in tars; each with its digest in a
manifest that only we can make.

A part is a folder, written beside its place and moved there when it is whole. Nobody but us reads it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

from campaigns.errors import CampaignError
from compliance.vault import derived

FORMAT = 1
MANIFEST = "manifest.json"
_PURPOSE = "backup manifest"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One table: its columns in the order of the rows, how many rows there are, and the digest of the packed file."""

    name: str
    table: str
    columns: Sequence[str]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Files from beside the database: how many lie in the tar, how many could not be read, and the digest of the tar."""

    name: str
    files: int
    missing: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a part of a backup holds; both parts of one backup have its `id`. `migrations` is what its tables look like."""

    id: str
    part: str
    made_at: str
    migrations: Sequence[str]
    files: Sequence[File] = field(default_factory=list)
    bundles: Sequence[Bundle] = field(default_factory=list)
    format: int = FORMAT

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)

    @property
    def missing(self) -> int:
        return sum(bundle.missing for bundle in self.bundles)


class BackupBroken(CampaignError):
    """A backup that is not what we wrote; `safe_text` names a file and no row."""

    def __init__(self, text: str) -> None:
        super().__init__("backup.broken", text, action="Use another backup.", status=409)


class Writer:
    """Writes one part into a folder that must not be there yet."""

    def __init__(self, target: Path) -> None:
        if target.exists():
            raise CampaignError("backup.exists", f"{target} is there already.", action="Name a new folder.", status=409)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._target, self._folder = target, target.with_name(f".{target.name}.partial")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        self._files: list[File] = []
        self._bundles: list[Bundle] = []

    def write_table(self, table: str, *, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """One file; rows are read and written one after the other."""
        name, count = f"{table}.jsonl.gz", 0
        with self._open(name) as raw:
            # No name and no time inside: the same rows make the same file.
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=3, mtime=0) as packed:
                for row in rows:
                    packed.write(json.dumps(list(map(_encode, row)), separators=(",", ":")).encode() + b"\n")
                    count += 1
            raw.flush()
            os.fsync(raw.fileno())
        self._files.append(File(name, table, list(columns), count, _digest(self._folder / name)))

    def write_bundle(self, name: str, entries: Iterable[tuple[str, int, BinaryIO | None]]) -> None:
        """One tar of (path, size, what is read there); None for what cannot be read, which is only counted."""
        files, missing = 0, 0
        with self._open(name) as raw:
            with tarfile.open(fileobj=raw, mode="w|", format=tarfile.PAX_FORMAT) as tar:
                for path, size, content in entries:
                    if content is None:
                        missing += 1
                        continue
                    told = tarfile.TarInfo(path)
                    told.size, told.mode = size, 0o600
                    tar.addfile(told, content)
                    _forget(tar)
                    files += 1
            raw.flush()
            os.fsync(raw.fileno())
        self._bundles.append(Bundle(name, files, missing, _digest(self._folder / name)))

    def read_table(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table that was written, by column."""
        file = next(file for file in self._files if file.table == table)
        for row in read_rows(self._folder, file):
            yield dict(zip(file.columns, row, strict=True))

    def finish(self, manifest: Manifest) -> Manifest:
        """Write the manifest last, and move the folder to its place."""
        whole = Manifest(**{**asdict(manifest), "files": self._files, "bundles": self._bundles})
        content = json.dumps(asdict(whole), indent=1, sort_keys=True)
        mac = derived.make_mac(_PURPOSE, content.encode()).hex()
        with self._open(MANIFEST) as raw:
            raw.write(json.dumps({"manifest": content, "mac": mac}, indent=1).encode())
            raw.flush()
            os.fsync(raw.fileno())
        self._folder.rename(self._target)
        return whole

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _open(self, name: str) -> BinaryIO:
        descriptor = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        return os.fdopen(descriptor, "wb")


def read_manifest(folder: Path, *, part: str) -> Manifest:
    """The manifest of a part whose files are all there and unchanged; raises BackupBroken."""
    try:
        kept = json.loads((folder / MANIFEST).read_bytes())
        content, mac = str(kept["manifest"]), bytes.fromhex(kept["mac"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BackupBroken(f"{folder} holds no backup, or not all of one.") from None
    if not derived.is_mac(_PURPOSE, content.encode(), mac):
        raise BackupBroken("The manifest is not what this installation wrote.")
    given: dict[str, Any] = json.loads(content)
    files = [File(**file) for file in given["files"]]
    bundles = [Bundle(**bundle) for bundle in given["bundles"]]
    manifest = Manifest(**{**given, "files": files, "bundles": bundles})
    if (manifest.part, manifest.format) != (part, FORMAT):
        raise BackupBroken(f"{folder} holds another part of a backup, or one of another version.")
    digests = {file.name: file.sha256 for file in files} | {bundle.name: bundle.sha256 for bundle in bundles}
    for name, digest in digests.items():
        if not (folder / name).is_file() or _digest(folder / name) != digest:
            raise BackupBroken(f"{name} is missing, or not what was written.")
    return manifest


def read_rows(folder: Path, file: File) -> Iterator[list[Any]]:
    """The rows of one file as they were written."""
    with gzip.open(folder / file.name, "rb") as lines:
        for line in lines:
            yield [_decode(value) for value in json.loads(line)]


def read_bundle(folder: Path, bundle: Bundle) -> Iterator[tuple[str, BinaryIO]]:
    """The files of one tar, each to be read before the next one."""
    with tarfile.open(folder / bundle.name, "r:") as tar:
        while (told := tar.next()) is not None:
            content = tar.extractfile(told)
            if content is None:
                raise BackupBroken(f"{bundle.name} holds something that is no file.")
            yield told.name, cast("BinaryIO", content)
            _forget(tar)


def _forget(tar: tarfile.TarFile) -> None:
    # It remembers every file: a gigabyte, of a million mails.
    tar.members = []  # type: ignore[attr-defined]


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as raw:
        while block := raw.read(_BLOCK):
            found.update(block)
    return found.hexdigest()


_READ: Mapping[str, Callable[[Any], object]] = {
    "b": base64.b64decode, "t": datetime.fromisoformat, "d": date.fromisoformat, "h": time.fromisoformat, "u": UUID,
    "n": Decimal, "j": lambda value: value,
}  # fmt: skip


def _encode(value: object) -> object:
    """The value for JSON; what JSON does not know is told by a letter."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"b": base64.b64encode(bytes(value)).decode()}
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    if isinstance(value, time):
        return {"h": value.isoformat()}
    if isinstance(value, UUID):
        return {"u": str(value)}
    if isinstance(value, Decimal):
        return {"n": str(value)}
    return {"j": value}


def _decode(value: Any) -> object:
    if isinstance(value, dict):
        ((letter, kept),) = value.items()
        return _READ[letter](kept)
    return value
