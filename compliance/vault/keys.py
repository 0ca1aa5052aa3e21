"""Data keys: found, made, unwrapped, and kept open for a few minutes.

A data key is random and stored wrapped: one derived from another could not be shredded by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection, transaction

from compliance.vault import roots
from compliance.vault.errors import SealBroken, Shredded
from compliance.vault.scopes import KeyScope
from compliance.vault.tables import DataKey

KEY_BYTES = 32
# An open key outlives its destruction by so much in other processes, and no longer.
OPEN_SECONDS = 300.0
OPEN_AT_MOST = 256

_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class OpenKey:
    """An unwrapped data key, ready to use; never printed."""

    id: bytes
    cipher: AESGCM = field(repr=False)


class _Shelf(Generic[_K, _V]):
    """A small cache whose entries leave by age and by disuse; threads may share it."""

    def __init__(self) -> None:
        self._entries: OrderedDict[_K, tuple[float, _V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: _K) -> _V | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def put(self, key: _K, value: _V) -> None:
        with self._lock:
            self._entries[key] = (time.monotonic() + OPEN_SECONDS, value)
            self._entries.move_to_end(key)
            while len(self._entries) > OPEN_AT_MOST:
                self._entries.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()


_by_id: _Shelf[bytes, OpenKey] = _Shelf()
_by_scope: _Shelf[KeyScope, OpenKey] = _Shelf()
# Keys made in a transaction that has not committed, as far as we know: if it rolls back there is no such key.
_unsettled: set[uuid.UUID] = set()


def key_for(scope: KeyScope) -> OpenKey:
    """The key new values of the scope are sealed under, made when there is none; raises KeysUnavailable."""
    key = _by_scope.get(scope)
    if key is None:
        row = _find_active(scope) or _make(scope)
        key = _open(row)
        if row.pk not in _unsettled:
            _by_scope.put(scope, key)
    return key


def key_by_id(key_id: bytes) -> OpenKey:
    """The key a sealed value names; raises SealBroken, Shredded or KeysUnavailable."""
    key = _by_id.get(key_id)
    if key is None:
        row = DataKey.objects.filter(pk=uuid.UUID(bytes=key_id)).first()
        if row is None:
            raise SealBroken
        key = _open(row)
    return key


def prepare(scope: KeyScope) -> None:
    """Make the scope's key ready, so that sealing inside a transaction asks no service over the network."""
    key_for(scope)


def forget_open_keys() -> None:
    """Drop every unwrapped key of this process."""
    _by_id.clear()
    _by_scope.clear()


def unwrap(row: DataKey) -> bytes:
    """The bare key of a row; raises SealBroken when the row is not what was wrapped, Shredded, KeysUnavailable."""
    if row.wrapped is None:
        raise Shredded
    bare = roots.root_of(row.kid).unwrap(row.kid, bytes(row.wrapped))
    key, bound = bare[:KEY_BYTES], bare[KEY_BYTES:]
    if not hmac.compare_digest(bound, _binding(row)):
        raise SealBroken
    return key


def bind(row: DataKey, key: bytes) -> bytes:
    """What the root key wraps: the key, and a digest of the row it belongs to.

    A wrapped key that is pasted into another row does not open there, whatever the root key's service can bind itself.
    """
    return key + _binding(row)


def fingerprint_of(key: bytes) -> str:
    return hashlib.sha256(b"sealpost data key\0" + key).hexdigest()[:16]


def _binding(row: DataKey) -> bytes:
    place = [str(row.pk), row.owner, row.scope, row.expires_on.isoformat() if row.expires_on else ""]
    return hashlib.sha256(json.dumps(place, separators=(",", ":")).encode()).digest()


def _open(row: DataKey) -> OpenKey:
    key = OpenKey(row.pk.bytes, AESGCM(unwrap(row)))
    if row.pk not in _unsettled:
        _by_id.put(key.id, key)
    return key


def _find_active(scope: KeyScope) -> DataKey | None:
    return DataKey.objects.filter(owner=scope.owner, scope=scope.name, is_active=True).first()


def _make(scope: KeyScope) -> DataKey:
    """A new key, or the one another process made in the same moment."""
    row = DataKey(pk=uuid.uuid4(), owner=scope.owner, scope=scope.name, expires_on=scope.expires_on)
    bare = os.urandom(KEY_BYTES)
    row.fingerprint = fingerprint_of(bare)
    row.kid, row.wrapped = roots.active_root().wrap(bind(row, bare))
    with transaction.atomic():
        # One winner: whoever comes second waits for the first to commit, and then finds that row.
        DataKey.objects.bulk_create([row], ignore_conflicts=True)
        found = _find_active(scope)
        if found is None:
            # Destroyed in between: only a key of a scope that is over can be.
            raise Shredded
        if found.pk == row.pk and connection.in_atomic_block:
            _settle_on_commit(row.pk)
    return found


def _settle_on_commit(pk: uuid.UUID) -> None:
    _unsettled.add(pk)

    def settle() -> None:
        _unsettled.discard(pk)

    transaction.on_commit(settle)
