"""Keys derived from the key ring's token key: for codes that only we can make, and signatures that anybody can check.

They are derived and not stored, so the backup of the key ring holds them too (RFC 5869). None of them can be changed: what
they vouch for is kept for years.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings


def make_mac(purpose: str, data: bytes) -> bytes:
    """HMAC-SHA256 under the key of the purpose: 32 bytes."""
    return hmac.digest(_derive(settings.KEY_RING.token, purpose), data, hashlib.sha256)


def is_mac(purpose: str, data: bytes, mac: bytes) -> bool:
    """Whether the code is ours, in constant time."""
    return hmac.compare_digest(make_mac(purpose, data), mac)


def sign(data: bytes) -> bytes:
    """Ed25519 signature (RFC 8032) of this installation: 64 bytes."""
    return _signing_key(settings.KEY_RING.token).sign(data)


def public_key() -> bytes:
    """What anybody checks our signatures with: 32 bytes."""
    return _signing_key(settings.KEY_RING.token).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@lru_cache(maxsize=4)
def _signing_key(root: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(_derive(root, "evidence signature"))


@lru_cache(maxsize=64)
def _derive(root: bytes, purpose: str) -> bytes:
    info = b"sealpost " + purpose.encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(root)
