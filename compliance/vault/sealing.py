"""Sealing: AES-256-GCM under a data key, bound to where the value belongs.

A sealed value is `2 ‖ data key id (16) ‖ nonce (12) ‖ ciphertext`. The context (account, kind of thing, its id,
field, recipient) is authenticated with it: a value moved to another row, column or recipient does not open. Values
of version 1 were sealed under a key of the key ring itself, and still open.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compliance.vault import keys, local
from compliance.vault.errors import SealBroken, Shredded
from compliance.vault.keys import OpenKey
from compliance.vault.scopes import KeyScope, standing

_VERSION = 2
_ID_BYTES = 16
# Random, never a counter: counters come back after a restore. SP 800-38D §8.3 allows 2³² values a key that way.
_NONCE_BYTES = 12
_HEAD = bytes((_VERSION,))
_NONCE_AT = 1 + _ID_BYTES
_BODY_AT = _NONCE_AT + _NONCE_BYTES


def seal(plaintext: bytes, scope: KeyScope | None = None, /, **context: str) -> bytes:
    """Sealed plaintext; unseal needs the very same context.

    Without a scope it is sealed under the standing key of the context's account, or of the installation when the
    context names none. Raises KeysUnavailable, and Shredded for a scope that is over.
    """
    key = _sealing_key(scope or standing(context.get("account", "")))
    nonce = os.urandom(_NONCE_BYTES)
    return _HEAD + key.id + nonce + key.cipher.encrypt(nonce, plaintext, _aad(_VERSION, context))


def seal_many(
    plaintexts: Sequence[bytes], *, contexts: Iterable[Mapping[str, str]], scope: KeyScope | None = None
) -> list[bytes]:
    """Many sealed values at once, each with its context; raises like seal."""
    sealed = []
    nonces = os.urandom(_NONCE_BYTES * len(plaintexts))
    shared = None if scope is None else _sealing_key(scope)
    at, owner, key = 0, None, shared
    for plaintext, context in zip(plaintexts, contexts, strict=True):
        if shared is None and (key is None or owner != context.get("account", "")):
            owner = context.get("account", "")
            key = _sealing_key(standing(owner))
        assert key is not None
        nonce = nonces[at : (at := at + _NONCE_BYTES)]
        sealed.append(_HEAD + key.id + nonce + key.cipher.encrypt(nonce, plaintext, _aad(_VERSION, context)))
    return sealed


def unseal(sealed: bytes, **context: str) -> bytes:
    """The plaintext; raises SealBroken and never says more than that, Shredded when its key was destroyed.

    Raises KeysUnavailable when the root key's service does not answer: the value is whole, try again later.
    """
    if sealed[:1] != _HEAD:
        return _unseal_first_version(sealed, context)
    try:
        key = keys.key_by_id(sealed[1:_NONCE_AT])
        return key.cipher.decrypt(sealed[_NONCE_AT:_BODY_AT], sealed[_BODY_AT:], _aad(_VERSION, context))
    except (InvalidTag, ValueError):
        raise SealBroken from None


def unseal_many(sealed: Iterable[bytes], *, contexts: Iterable[Mapping[str, str]]) -> list[bytes | None]:
    """The plaintexts, None for each that does not open: one that was changed keeps no other from opening.

    Raises KeysUnavailable.
    """
    return [_unseal_or_none(value, context) for value, context in zip(sealed, contexts, strict=True)]


def _unseal_or_none(sealed: bytes, context: Mapping[str, str]) -> bytes | None:
    try:
        return unseal(sealed, **context)
    except SealBroken:
        return None


def _sealing_key(scope: KeyScope) -> OpenKey:
    # Whoever destroys keys of a day that is over must never meet a value sealed after that.
    if scope.expires_on is not None and scope.expires_on <= datetime.now(UTC).date():
        raise Shredded
    return keys.key_for(scope)


def _unseal_first_version(sealed: bytes, context: Mapping[str, str]) -> bytes:
    """`1 ‖ length of the key id ‖ key id ‖ nonce ‖ ciphertext`, under a key of the ring."""
    try:
        version, size = sealed[0], sealed[1]
        if version != 1:
            raise SealBroken
        kid = sealed[2 : 2 + size].decode("ascii")
        body = 2 + size + _NONCE_BYTES
        nonce = sealed[2 + size : body]
        return AESGCM(local.find_key(kid)).decrypt(nonce, sealed[body:], _aad(1, context))
    except (InvalidTag, IndexError, ValueError):
        raise SealBroken from None


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
# What JSON writes as it is.
_is_plain = re.compile(r"[ !#-\[\]-~]*").fullmatch


def _aad(version: int, context: Mapping[str, str]) -> bytes:
    names = sorted(context)
    if names and names[-1] < "v" and _is_plain("".join(context.values())):
        # The same bytes in a third of the time.
        parts = ",".join([f'"{name}":"{context[name]}"' for name in names])
        return f'{{{parts},"v":{version}}}'.encode("ascii")
    return _encode({"v": version, **context}).encode()
