"""The evidence file: a ZIP of plain JSON about one approval, signed, with a verifier that needs nothing but Python."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from django.db import transaction

from compliance import audit
from compliance.audit import Ref
from compliance.audit.chain import write_moment
from compliance.evidence import parts
from compliance.models import Approval
from compliance.vault import derived

_HERE = Path(__file__).parent


def write_evidence(
    file: IO[bytes], approval: Approval, *, messages: Iterable[Mapping[str, Any]], scopes: Iterable[str], actor: Ref, now: datetime
) -> None:  # fmt: skip
    """Write the ZIP, and an event about it.

    `messages` are rows of ids, states, moments and codes in the order of their positions, each with its leaf in hex;
    `scopes` begin the scopes of data keys whose certificates belong to it, such as `submission:<id>:`.
    """
    owner = str(approval.account.public_id)
    with transaction.atomic():
        about = Ref("approval", str(approval.public_id))
        audit.record("evidence.exported", owner=owner, actor=actor, about=about, data={"report": "approval"}, now=now)
    contents = {
        "README.txt": (_HERE / "README.txt").read_bytes(),
        "verify.py": (_HERE / "verify_evidence.py").read_bytes(),
        "approval.json": _pretty(parts.describe_approval(approval)),
        "messages.jsonl": _lines(messages),
        "audit.jsonl": _lines(parts.slice_trail(approval)),
        "checkpoints.json": _pretty(parts.list_checkpoints(approval)),
        "shredded.json": _pretty(parts.list_certificates(owner, scopes)),
        "terms.json": _pretty(parts.list_terms(approval)),
    }
    manifest = _pretty({
        "v": 1,
        "product": "Sealpost",
        "made_at": write_moment(now),
        "account": owner,
        "approval": str(approval.public_id),
        "public_key": derived.public_key().hex(),
        "files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()},
    })  # fmt: skip
    signature = derived.sign(b"sealpost evidence\0" + manifest).hex().encode("ascii")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"manifest.json": manifest, "manifest.sig": signature, **contents}.items():
            # A fixed moment: the same evidence is the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)


def _pretty(content: object) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode("ascii")


def _lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n" for row in rows)
