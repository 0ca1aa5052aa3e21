"""How events hang together: a digest anybody can follow, and a code only the installation can make.

The digest alone would not do: whoever can write to the database can compute all of them anew. The code alone would not
do either: an outsider could check nothing.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from compliance.models import AuditEvent
from compliance.vault import derived

_PURPOSE = "audit chain"
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


def seal_event(event: AuditEvent) -> None:
    """Fill in digest and mac; seq and prev are set."""
    event.digest = digest_of(as_dict(event))
    event.mac = mac_of(event.digest)


def as_dict(event: AuditEvent) -> dict[str, Any]:
    """What the digest covers, as values of JSON; the evidence ZIP shows exactly this."""
    return {
        "v": 1,
        "owner": event.owner,
        "seq": event.seq,
        "at": write_moment(event.at),
        "action": event.action,
        "actor": [event.actor_kind, event.actor_id, event.actor_label],
        "thing": [event.thing_kind, event.thing_id, event.thing_label],
        "data": event.data,
        "prev": event.prev,
    }


def digest_of(content: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON: sorted keys, no spaces, ASCII."""
    return hashlib.sha256(_encode(content).encode("ascii")).hexdigest()


def mac_of(digest: str) -> str:
    return derived.make_mac(_PURPOSE, bytes.fromhex(digest)).hex()


def write_moment(at: datetime) -> str:
    """UTC with microseconds: both databases keep exactly these."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
