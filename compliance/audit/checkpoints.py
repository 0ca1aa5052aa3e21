"""Checkpoints: how far a chain had come, signed, and told to somebody outside of the database.

A chain cannot show that its end was cut off; whoever holds a checkpoint can. Each carries the signature of the one
before, so a missing one shows too.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.conf import settings
from django.db import transaction

from compliance.audit.chain import write_moment
from compliance.models import AuditChain, AuditCheckpoint
from compliance.vault import derived

log = logging.getLogger(__name__)

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def write_checkpoints(*, now: datetime) -> int:
    """One for each chain that grew since its last; kept in the database, in AUDIT_CHECKPOINT_FILE and in the log.

    Returns how many.
    """
    written = 0
    for owner in AuditChain.objects.order_by("pk").values_list("pk", flat=True):
        checkpoint = _write(owner, now=now)
        if checkpoint is not None:
            _publish(checkpoint)
            written += 1
    return written


def as_dict(checkpoint: AuditCheckpoint) -> dict[str, Any]:
    """What the signature covers."""
    return {
        "v": 1,
        "owner": checkpoint.owner,
        "seq": checkpoint.seq,
        "digest": checkpoint.digest,
        "at": write_moment(checkpoint.at),
        "prev": checkpoint.prev,
    }


def signed_bytes(content: dict[str, Any]) -> bytes:
    return b"sealpost audit checkpoint\0" + _encode(content).encode("ascii")


def is_signed(content: dict[str, Any], signature: str) -> bool:
    """Whether the signature of a checkpoint is ours."""
    try:
        Ed25519PublicKey.from_public_bytes(derived.public_key()).verify(bytes.fromhex(signature), signed_bytes(content))
    except (InvalidSignature, ValueError):
        return False
    return True


def read_file(path: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """(content, signature) of each line of a checkpoint file; raises ValueError for a line that is none."""
    for line in path.read_text("ascii").splitlines():
        content = json.loads(line)
        try:
            signature = str(content.pop("signature"))
        except (AttributeError, KeyError, TypeError):
            raise ValueError("no checkpoint") from None
        yield content, signature


def _write(owner: str, *, now: datetime) -> AuditCheckpoint | None:
    with transaction.atomic():
        # Locked: two who write checkpoints take turns, and the second finds nothing new.
        end = AuditChain.objects.select_for_update().get(pk=owner)
        last = AuditCheckpoint.objects.filter(owner=owner).order_by("-seq").first()
        if end.seq == (last.seq if last else 0):
            return None
        prev = last.signature if last else ""
        checkpoint = AuditCheckpoint(owner=owner, seq=end.seq, digest=end.digest, at=now, prev=prev)
        checkpoint.signature = derived.sign(signed_bytes(as_dict(checkpoint))).hex()
        checkpoint.save(force_insert=True)
    return checkpoint


def _publish(checkpoint: AuditCheckpoint) -> None:
    line = _encode({**as_dict(checkpoint), "signature": checkpoint.signature})
    # Whoever collects our log holds a copy on another machine.
    log.info("audit checkpoint %s", line)
    path: Path = settings.AUDIT_CHECKPOINT_FILE
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode("ascii") + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
