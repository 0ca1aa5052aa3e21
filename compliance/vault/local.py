"""Root keys in the key ring file: for small installations, and for trying out."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from compliance.vault.errors import SealBroken

_NONCE_BYTES = 12
# Keeps what wraps data keys apart from what sealed values of the first version under the same key.
_PURPOSE = b"sealpost data key"


class KeyRingFile:
    """The sealing keys of KEY_RING_FILE; a key another process added or took out is noticed when it is asked for."""

    def active_kid(self) -> str:
        return settings.KEY_RING.fresh().active

    def wrap(self, bare: bytes) -> tuple[str, bytes]:
        kid = self.active_kid()
        nonce = os.urandom(_NONCE_BYTES)
        return kid, nonce + AESGCM(find_key(kid)).encrypt(nonce, bare, _PURPOSE)

    def unwrap(self, kid: str, wrapped: bytes) -> bytes:
        try:
            return AESGCM(find_key(kid)).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _PURPOSE)
        except (InvalidTag, ValueError):
            raise SealBroken from None

    def rewrap(self, kid: str, wrapped: bytes) -> tuple[str, bytes]:
        return self.wrap(self.unwrap(kid, wrapped))

    def add(self) -> str:
        return settings.KEY_RING.add_sealing_key()

    def destroy(self, kid: str) -> str:
        settings.KEY_RING.remove_sealing_key(kid)
        return "Destroy the copies of the key ring in your backups of keys too: until then the key exists."


def find_key(kid: str) -> bytes:
    """A key of the ring by its id; raises SealBroken when there is none."""
    key = settings.KEY_RING.fresh().sealing.get(kid)
    if key is None:
        raise SealBroken
    return key
