"""Shredding content when its time is over, and the certificate that says so.

The clock of content: days, by the scope a value was sealed under. The clock of evidence is `compliance.audit.retention`'s:
years. NIST SP 800-88 calls what happens here cryptographic erase; it is complete for older copies of the database once
the root key of that time is destroyed too (`rotate_keys --retire`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db import transaction

from compliance import audit
from compliance.audit import SYSTEM, Ref
from compliance.audit.chain import write_moment
from compliance.manifest import canonical_json
from compliance.models import DataKey, ShredCertificate
from compliance.vault import derived, destruction

METHOD = "AES-256 data keys destroyed (cryptographic erase, NIST SP 800-88)"
REASONS = frozenset({"retention", "agreement-ended", "account-closed", "withdrawn", "incident", "ordered"})
_AT_ONCE = 500


def shred_expired(*, now: datetime) -> int:
    """Destroy every key whose day has come, with a certificate for each scope; returns how many certificates."""
    made = 0
    while rows := destruction.find_expired(now=now, limit=_AT_ONCE):
        made += _shred(rows, reason="retention", actor=SYSTEM, now=now)
    return made


def shred(owner: str, *, scope_starts: str, reason: str, actor: Ref, now: datetime) -> int:
    """Destroy the keys of an owner whose scope begins like this, before their day; returns how many certificates.

    `''` is everything of the owner, the standing key with its credentials and private keys included.
    """
    assert reason in REASONS
    return _shred(destruction.find_keys(owner, scope_starts=scope_starts), reason=reason, actor=actor, now=now)


def as_dict(certificate: ShredCertificate) -> dict[str, Any]:
    """What the signature covers, as values of JSON."""
    return {
        "v": 1,
        "id": str(certificate.public_id),
        "owner": certificate.owner,
        "scope": certificate.scope,
        "keys": certificate.keys,
        "kids": certificate.kids,
        "method": METHOD,
        "reason": certificate.reason,
        "actor": [certificate.actor_kind, certificate.actor_id],
        "at": write_moment(certificate.at),
    }


def signed_bytes(content: dict[str, Any]) -> bytes:
    return b"sealpost shred certificate\0" + canonical_json(content)


def _shred(rows: Iterable[DataKey], *, reason: str, actor: Ref, now: datetime) -> int:
    ordered = sorted(rows, key=_place)
    made = sum(
        _shred_scope(list(group), reason=reason, actor=actor, now=now) for _, group in groupby(ordered, key=_place)
    )
    if made:
        transaction.on_commit(destruction.erase_traces, robust=True)
    return made


def _shred_scope(rows: list[DataKey], *, reason: str, actor: Ref, now: datetime) -> bool:
    owner, scope = _place(rows[0])
    with transaction.atomic():
        destroyed = {str(pk) for pk in destruction.destroy_keys(rows, now=now)}
        if not destroyed:
            # Somebody else was first, and told of it.
            return False
        certificate = ShredCertificate(
            owner=owner, scope=scope, keys=sorted(destroyed), reason=reason, actor_kind=actor.kind, actor_id=actor.id,
            at=now, kids=sorted({row.kid for row in rows if str(row.pk) in destroyed}),
        )  # fmt: skip
        certificate.signature = derived.sign(signed_bytes(as_dict(certificate))).hex()
        certificate.save(force_insert=True)
        about = Ref("shred-certificate", str(certificate.public_id))
        data: dict[str, audit.Value] = {"scope": scope, "keys": len(destroyed), "reason": reason}
        audit.record("vault.shredded", owner=owner, actor=actor, about=about, data=data, now=now)
    return True


def _place(row: DataKey) -> tuple[str, str]:
    return row.owner, row.scope
