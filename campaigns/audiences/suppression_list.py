"""Suppressions as programs keep them: listed with their addresses, added and taken away by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from campaigns import tokens
from campaigns.addresses import Address
from campaigns.audiences.suppression import Entry, address_context, lift_many, suppress_many
from campaigns.models import Account, Suppression, SuppressionScope
from compliance import vault

_AT_ONCE = 500
_NOTE, _NOTE_LIFTED = "Added by a program", "Lifted by a program"


@dataclass(frozen=True, slots=True, repr=False)
class Listed:
    """One entry with its address as people write it."""

    address: str
    created_at: datetime
    why: str


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """Which entries: of this reason, and of one address, one recipient domain (A-label), or some time, where given."""

    reason: str
    address: Address | None = None
    recipient_domain: str = ""
    since: datetime | None = None
    until: datetime | None = None


def list_suppressions(account: Account, *, wanted: Wanted, page: int, size: int) -> list[Listed]:
    """A page of entries that keep their address, the newest first; one whose key is gone is left out."""
    rows = account.suppressions.filter(reason=wanted.reason, address_sealed__isnull=False)
    if wanted.address is not None:
        rows = rows.filter(address_key=tokens.address_key(wanted.address, account=account.public_id))
    if wanted.recipient_domain:
        rows = rows.filter(recipient_domain=wanted.recipient_domain)
    if wanted.since is not None:
        rows = rows.filter(created_at__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(created_at__lte=wanted.until)
    found = rows.order_by("-pk")[page * size : (page + 1) * size]
    return [
        Listed(address, row.created_at, row.note or row.get_reason_display()) for row, address in _open(account, found)
    ]


def add_suppressions(account: Account, *, addresses: Iterable[Address], reason: str) -> None:
    """Stop all mail to these addresses; one that is stopped already keeps its entry."""
    entries = (
        Entry(
            tokens.address_key(address, account=account.public_id),
            SuppressionScope.EVERYTHING,
            reason,
            note=_NOTE,
            address=address.normalized,
        )
        for address in addresses
    )
    suppress_many(account.pk, entries=entries)


def remove_suppressions(account: Account, *, addresses: Iterable[Address], reason: str) -> None:
    """Lift what stops mail to these addresses for this reason, whoever added it; other reasons stay."""
    keys = [tokens.address_key(address, account=account.public_id) for address in addresses]
    for start in range(0, len(keys), _AT_ONCE):
        rows = account.suppressions.filter(address_key__in=keys[start : start + _AT_ONCE], reason=reason, list=None)
        with transaction.atomic():
            lift_many(rows, note=_NOTE_LIFTED)


def count_unnamed(account: Account) -> int:
    """How many entries keep a fingerprint only: nobody can tell whom they are about."""
    return account.suppressions.filter(address_sealed=None).count()


def export_rows(account: Account) -> Iterator[list[str]]:
    """Every entry that keeps its address, the oldest first: address, what they get, of which list or sender, why, since when, note."""
    rows = account.suppressions.filter(address_sealed__isnull=False).select_related("list").order_by("pk")
    yield ["address", "scope", "of", "reason", "since", "note"]
    for row, address in _open(account, rows.iterator(_AT_ONCE)):
        since = row.created_at.date().isoformat()
        yield [address, row.scope, str(row.list or row.sender), row.reason, since, row.note]


def _open(account: Account, rows: Iterable[Suppression]) -> Iterator[tuple[Suppression, str]]:
    for row in rows:
        context = address_context(str(account.public_id), address_key=row.address_key)
        try:
            yield row, vault.unseal(bytes(row.address_sealed or b""), **context).decode()
        except vault.SealBroken:
            continue
