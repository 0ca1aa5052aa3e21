"""The keys that outlive every session: sealing keys, the address index key and the token key.

One JSON file, readable by its owner only:
{"active": "local:2026-11", "sealing": {"local:2026-11": "<base64, 32 bytes>"}, "index": "…", "token": "…"}
Losing it makes sealed data unreadable and every suppression blind, so it belongs in the backup of keys.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import json
import os
import secrets
import sys
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32


@dataclass(frozen=True, repr=False)
class KeyRing:
    """Loaded keys; never printed. `path` is the file they came from."""

    active: str
    sealing: dict[str, bytes]
    index: bytes
    token: bytes
    path: Path | None = None
    stamp: int = field(default=0, compare=False)

    def fresh(self) -> KeyRing:
        """The ring as its file is now: a key added by another process is known here without a restart."""
        stamp = 0 if self.path is None else _stamp(self.path)
        if self.path is None or stamp in {self.stamp, 0}:
            return self
        try:
            return _load_changed(self.path, stamp)
        except ImproperlyConfigured:
            # Read in the moment it was replaced, or damaged since: the second look tells.
            return _load_changed(self.path, _stamp(self.path))

    def add_sealing_key(self) -> str:
        """Write a new sealing key into the file and make it the active one; its id."""
        with _changing(self._file()) as content:
            kid = _free_name(content["sealing"])
            content["sealing"][kid] = _fresh()
            content["active"] = kid
        return kid

    def remove_sealing_key(self, kid: str) -> None:
        """Take a key out of the file for good; the active one cannot be, ValueError."""
        with _changing(self._file()) as content:
            if kid == content["active"]:
                raise ValueError("active")
            content["sealing"].pop(kid, None)

    def _file(self) -> Path:
        if self.path is None:
            raise ImproperlyConfigured("This key ring did not come from a file.")
        return self.path


def load(path: Path, *, create: bool) -> KeyRing:
    """The key ring in path; made on first use when create is true."""
    if create and not path.exists():
        write_new(path)
    try:
        stamp = path.stat().st_mtime_ns
        return _parse(json.loads(path.read_text("ascii")), path=path, stamp=stamp)
    except FileNotFoundError as error:
        raise ImproperlyConfigured(
            f"KEY_RING_FILE names {path}, which does not exist. Make it once with: python -m config.keyring {path}"
        ) from error
    except OSError as error:
        raise ImproperlyConfigured(
            f"The key ring {path} cannot be read. Make it a file that this user may read (chmod 600)."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        # From None: the text of the cause could quote a key.
        raise ImproperlyConfigured(f"The key ring {path} is damaged. Restore it from your backup of keys.") from None


@lru_cache(maxsize=4)
def _load_changed(path: Path, stamp: int) -> KeyRing:  # noqa: ARG001 (what tells one state of the file from another)
    return load(path, create=False)


def write_new(path: Path) -> None:
    """Write fresh keys to path, mode 0600; an existing file is never touched."""
    kid = f"local:{datetime.now(UTC):%Y-%m}"
    content = {"active": kid, "sealing": {kid: _fresh()}, "index": _fresh(), "token": _fresh()}
    write_once(path, json.dumps(content, indent=1))


def write_once(path: Path, content: str) -> None:
    """Write content to path unless another process was first; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _write_draft(path, content)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _write_draft(path: Path, content: str) -> Path:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return draft


@contextlib.contextmanager
def _changing(path: Path) -> Generator[dict[str, Any]]:
    """The content of the file, written back whole at the end; what stood there before is overwritten with zeros.

    Zeros reach the old bytes on ordinary disks and file systems; flash and copying file systems keep them elsewhere.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # Of the folder: the file itself is another one afterwards.
        fcntl.flock(folder, fcntl.LOCK_EX)
        with path.open("r+b") as old:
            size = os.fstat(old.fileno()).st_size
            content: dict[str, Any] = json.loads(old.read())
            yield content
            _write_draft(path, json.dumps(content, indent=1)).replace(path)
            os.fsync(folder)
            old.seek(0)
            old.write(b"\0" * size)
            old.flush()
            os.fsync(old.fileno())
    finally:
        os.close(folder)


def _free_name(taken: dict[str, str]) -> str:
    kid = f"local:{datetime.now(UTC):%Y-%m}"
    number = 2
    while kid in taken:
        kid, number = f"{kid[:13]}-{number}", number + 1
    return kid


def _stamp(path: Path) -> int:
    """When the file was last changed; 0 when it cannot be seen, and whoever holds its keys goes on with them."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def _parse(content: dict[str, object], *, path: Path, stamp: int) -> KeyRing:
    sealing = content["sealing"]
    if not isinstance(sealing, dict):
        raise TypeError
    ring = KeyRing(
        active=str(content["active"]),
        sealing={str(kid): base64.b64decode(key, validate=True) for kid, key in sealing.items()},
        index=base64.b64decode(str(content["index"]), validate=True),
        token=base64.b64decode(str(content["token"]), validate=True),
        path=path,
        stamp=stamp,
    )
    if ring.active not in ring.sealing or {len(k) for k in (*ring.sealing.values(), ring.index, ring.token)} != {
        KEY_BYTES
    }:
        raise ValueError
    return ring


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Write: python -m config.keyring FILE")
    target = Path(sys.argv[1])
    if target.exists():
        sys.exit(f"{target} exists and stays as it is.")
    write_new(target)
