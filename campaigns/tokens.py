"""Opaque tokens and keyed digests.

The address key (blind index) stands for an address wherever rows are compared: HMAC-SHA256 under a key of
the account, so equality shows within one account only and a leaked table names nobody.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from campaigns.addresses import Address

_VERSION = 1
_BODY = struct.Struct(">BIQ32s")
_MAC_BYTES = 12
_BOUNCE_MAC_BYTES = 9


def address_key(address: Address, *, account: UUID) -> str:
    """The blind index of an address within one account: 43 characters of base64url."""
    message = account.bytes + b"\0" + address.key.encode()
    digest = hmac.digest(_index_key(settings.KEY_RING.index, account), message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest)[:-1].decode("ascii")


@lru_cache(maxsize=1024)
def _index_key(root: bytes, account: UUID) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=account.bytes, info=b"sealpost address index").derive(root)


@dataclass(frozen=True, slots=True)
class UnsubscribeClaim:
    """What an unsubscribe token says: one address (as its key) and the submission that wrote to it.

    It names no message row, so it stays valid after contact, message and submission are gone.
    """

    account_id: int
    submission_id: int
    address_key: str


def unsubscribe_token(claim: UnsubscribeClaim) -> str:
    """An unforgeable base64url token of 76 characters, valid for ever (RFC 8058 §3.1: opaque, hard to forge)."""
    key = base64.urlsafe_b64decode(claim.address_key + "=")
    body = _BODY.pack(_VERSION, claim.account_id, claim.submission_id, key)
    return base64.urlsafe_b64encode(body + _mac(body)).decode("ascii")


def read_unsubscribe_token(token: str) -> UnsubscribeClaim | None:
    """The claim in a token, or None when it is not one of ours."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return None
    # One token has one spelling: the decoder also takes + for -, / for _ and padding.
    if base64.urlsafe_b64encode(raw).decode("ascii") != token:
        return None
    body, mac = raw[: _BODY.size], raw[_BODY.size :]
    if len(body) != _BODY.size or not hmac.compare_digest(_mac(body), mac) or body[0] != _VERSION:
        return None
    _, account_id, submission_id, key = _BODY.unpack(body)
    return UnsubscribeClaim(account_id, submission_id, base64.urlsafe_b64encode(key)[:-1].decode("ascii"))


def _mac(body: bytes) -> bytes:
    return hmac.digest(settings.KEY_RING.token, b"unsubscribe\0" + body, hashlib.sha256)[:_MAC_BYTES]


_PERSONAL = struct.Struct(">BBIIQ32s")


@dataclass(frozen=True, slots=True)
class PersonalClaim:
    """A person confirmed that they read their mail: what they may then do, until when (seconds since 1970)."""

    act: int
    expires_at: int
    account_id: int
    submission_id: int
    address_key: str


def personal_token(claim: PersonalClaim) -> str:
    """An unforgeable token that names nobody, for a link sent to the person themselves."""
    key = base64.urlsafe_b64decode(claim.address_key + "=")
    body = _PERSONAL.pack(_VERSION, claim.act, claim.expires_at, claim.account_id, claim.submission_id, key)
    return base64.urlsafe_b64encode(body + _personal_mac(body)).decode("ascii").rstrip("=")


def read_personal_token(token: str, *, now: float) -> PersonalClaim | None:
    """The claim in a token, or None when it is not one of ours or its time is over."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, mac = raw[: _PERSONAL.size], raw[_PERSONAL.size :]
    if len(body) != _PERSONAL.size or not hmac.compare_digest(_personal_mac(body), mac) or body[0] != _VERSION:
        return None
    _, act, expires_at, account_id, submission_id, key = _PERSONAL.unpack(body)
    if expires_at < now:
        return None
    return PersonalClaim(act, expires_at, account_id, submission_id, base64.urlsafe_b64encode(key)[:-1].decode("ascii"))


def _personal_mac(body: bytes) -> bytes:
    return hmac.digest(settings.KEY_RING.token, b"personal\0" + body, hashlib.sha256)[:16]


def bounce_token(message: UUID) -> str:
    """What a return path carries (VERP): 40 lower-case letters and digits, for mailers that change the case.

    The authentication code makes a forged bounce worthless (DS-06).
    """
    return base64.b32encode(message.bytes + _bounce_mac(message)).decode("ascii").lower()


def read_bounce_token(token: str) -> UUID | None:
    """The public id of the message in a bounce token, or None when it is not one of ours."""
    try:
        raw = base64.b32decode(token.encode("ascii"), casefold=True)
    except ValueError:
        return None
    if len(raw) != 16 + _BOUNCE_MAC_BYTES:
        return None
    message = UUID(bytes=raw[:16])
    return message if hmac.compare_digest(_bounce_mac(message), raw[16:]) else None


def _bounce_mac(message: UUID) -> bytes:
    return hmac.digest(settings.KEY_RING.token, b"bounce\0" + message.bytes, hashlib.sha256)[:_BOUNCE_MAC_BYTES]
