"""Sealing: AES-256-GCM under the installation's key ring, bound to where the value belongs.

A sealed value is `version ‖ key id length ‖ key id ‖ nonce ‖ ciphertext`. The context (account, kind of
thing, its id, field) is authenticated with it: a value moved to another row or column does not open.
"""

from __future__ import annotations

import json
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_VERSION = 1
_NONCE_BYTES = 12


class SealBroken(Exception):
    """The value does not open here: it was changed, moved to another place, or its key is gone."""


def seal(plaintext: bytes, **context: str) -> bytes:
    """Sealed plaintext; unseal needs the very same context."""
    kid = settings.KEY_RING.active
    nonce = os.urandom(_NONCE_BYTES)
    label = kid.encode("ascii")
    ciphertext = AESGCM(settings.KEY_RING.sealing[kid]).encrypt(nonce, plaintext, _aad(context))
    return bytes((_VERSION, len(label))) + label + nonce + ciphertext


def unseal(sealed: bytes, **context: str) -> bytes:
    """The plaintext; raises SealBroken and never says more than that."""
    try:
        version, size = sealed[0], sealed[1]
        kid = sealed[2 : 2 + size].decode("ascii")
        nonce = sealed[2 + size : 2 + size + _NONCE_BYTES]
        if version != _VERSION:
            raise SealBroken
        return AESGCM(settings.KEY_RING.sealing[kid]).decrypt(nonce, sealed[2 + size + _NONCE_BYTES :], _aad(context))
    except (InvalidTag, KeyError, IndexError, ValueError):
        raise SealBroken from None


def _aad(context: dict[str, str]) -> bytes:
    return json.dumps({"v": _VERSION, **context}, sort_keys=True, separators=(",", ":")).encode()
