"""The keys that outlive every session: sealing keys, the address index key and the token key.

One JSON file, readable by its owner only:
{"active": "local:2026-11", "sealing": {"local:2026-11": "<base64, 32 bytes>"}, "index": "…", "token": "…"}
Losing it makes sealed data unreadable and every suppression blind, so it belongs in the backup of keys.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32


@dataclass(frozen=True, repr=False)
class KeyRing:
    """Loaded keys; never printed."""

    active: str
    sealing: dict[str, bytes]
    index: bytes
    token: bytes


def load(path: Path, *, create: bool) -> KeyRing:
    """The key ring in path; made on first use when create is true."""
    if create and not path.exists():
        write_new(path)
    try:
        return _parse(json.loads(path.read_text("ascii")))
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


def write_new(path: Path) -> None:
    """Write fresh keys to path, mode 0600; an existing file is never touched."""
    kid = f"local:{datetime.now(UTC):%Y-%m}"
    content = {"active": kid, "sealing": {kid: _fresh()}, "index": _fresh(), "token": _fresh()}
    write_once(path, json.dumps(content, indent=1))


def write_once(path: Path, content: str) -> None:
    """Write content to path unless another process was first; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _fresh() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def _parse(content: dict[str, object]) -> KeyRing:
    sealing = content["sealing"]
    if not isinstance(sealing, dict):
        raise TypeError
    ring = KeyRing(
        active=str(content["active"]),
        sealing={str(kid): base64.b64decode(key, validate=True) for kid, key in sealing.items()},
        index=base64.b64decode(str(content["index"]), validate=True),
        token=base64.b64decode(str(content["token"]), validate=True),
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
