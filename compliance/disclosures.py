"""Accounting of disclosures (45 CFR 164.528): written as messages leave, asked for by the blind index of an address."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from compliance import audit
from compliance.approvals.attest import LegalBasis
from compliance.audit import SYSTEM, Ref
from compliance.models import Disclosure

# 164.528(a)(1): treatment, payment, operations, to the individual, and under an authorization need no accounting.
NOT_COUNTED = frozenset({
    LegalBasis.TREATMENT, LegalBasis.PAYMENT, LegalBasis.OPERATIONS, LegalBasis.TO_INDIVIDUAL, LegalBasis.AUTHORIZATION,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """One message that was handed over: ids and codes only, and how it was encrypted on its way."""

    message: UUID
    address_key: str
    at: datetime
    tls_version: str = ""
    tls_cipher: str = ""
    tls_fingerprint: str = ""
    peer_host: str = ""


def note_disclosures(
    handed: Sequence[Handed], *, owner: str, approval: UUID | None, purpose: str, legal_basis: str, categories: Sequence[str],
    now: datetime,
) -> int:  # fmt: skip
    """Keep what was handed over, in the transaction that records it; returns how many were not known yet.

    One event of the audit trail for the batch carries a digest of its messages. Repeating a batch adds nothing.
    """
    known = set(
        Disclosure.objects.filter(message__in=[one.message for one in handed]).values_list("message", flat=True)
    )
    fresh = {one.message: one for one in handed if one.message not in known}
    if not fresh:
        return 0
    with transaction.atomic():
        Disclosure.objects.bulk_create(
            Disclosure(
                owner=owner, address_key=one.address_key, message=one.message, approval=approval, at=one.at,
                purpose=purpose, legal_basis=legal_basis, categories=list(categories), tls_version=one.tls_version,
                tls_cipher=one.tls_cipher, tls_fingerprint=one.tls_fingerprint, peer_host=one.peer_host,
            )
            for one in fresh.values()
        )  # fmt: skip
        about = Ref("approval", str(approval)) if approval else Ref("endpoint", "hipaa")
        data: dict[str, audit.Value] = {"count": len(fresh), "messages": digest_of(fresh)}
        audit.record("phi.disclosed", owner=owner, actor=SYSTEM, about=about, data=data, now=now)
    return len(fresh)


def account_for(address_key: str, *, owner: str, now: datetime, with_uncounted: bool = False) -> list[Disclosure]:
    """The disclosures about one person in the last six years (or EVIDENCE_YEARS), the newest first.

    Those the law does not count (treatment, payment, operations, to the individual, under an authorization) only when
    asked for.
    """
    since = now.replace(year=now.year - settings.EVIDENCE_YEARS, day=min(now.day, 28))
    rows = Disclosure.objects.filter(owner=owner, address_key=address_key, at__gte=since)
    if not with_uncounted:
        rows = rows.exclude(legal_basis__in=[basis.value for basis in NOT_COUNTED])
    return list(rows.order_by("-at", "-pk"))


def digest_of(messages: Iterable[UUID]) -> str:
    """SHA-256 over the ids in their order: what the audit trail holds of a batch."""
    return hashlib.sha256(b"".join(sorted(message.bytes for message in messages))).hexdigest()
