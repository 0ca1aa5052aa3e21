"""Opaque tokens and keyed digests.

The address key (blind index) stands for an address wherever rows are compared: HMAC-SHA256 under a key of
the account, so equality shows within one account only and a leaked table names nobody.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from campaigns.addresses import Address

_VERSION = 1
_BODY = struct.Struct(">BIQ32s")
_MAC_BYTES = 12
_VISIT = struct.Struct(">BQ16s")
_VISIT_MAC_BYTES = 11
VISIT_TOKEN_LENGTH = 48
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_BOUNCE_MAC_BYTES = 9


def address_key(address: Address, *, account: UUID) -> str:
    """The blind index of an address within one account: 43 characters of base64url."""
    return blind_index(account)(address)


def blind_index(account: UUID) -> Callable[[Address], str]:
    """address_key for many addresses of one account."""
    key, owner = _index_key(settings.KEY_RING.index, account), account.bytes + b"\0"

    def index(address: Address) -> str:
        digest = hmac.digest(key, owner + address.key.encode(), "sha256")
        return binascii.b2a_base64(digest, newline=False)[:-1].translate(_URL_SAFE).decode("ascii")

    return index


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


# What an address begins with that a mail is left by; the token of the mail follows, as in its return path.
UNSUBSCRIBE_LOCAL = "unsubscribe"


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


_VIEW = struct.Struct(">BI16s")


@dataclass(frozen=True, slots=True)
class ViewClaim:
    """Whoever has the link may read this mail in a browser, until when (seconds since 1970)."""

    message: UUID
    expires_at: int


def view_token(claim: ViewClaim) -> str:
    """An unforgeable token of 44 letters of base64url; it names a mail and no person."""
    body = _VIEW.pack(_VERSION, claim.expires_at, claim.message.bytes)
    return _as_text(body + _view_mac(body))


def read_view_token(token: str, *, now: float) -> ViewClaim | None:
    """The claim in a token, or None when it is not one of ours or its time is over."""
    try:
        raw = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    body, mac = raw[: _VIEW.size], raw[_VIEW.size :]
    if len(body) != _VIEW.size or not hmac.compare_digest(_view_mac(body), mac) or body[0] != _VERSION:
        return None
    _, expires_at, message = _VIEW.unpack(body)
    return ViewClaim(UUID(bytes=message), expires_at) if expires_at >= now else None


def _view_mac(body: bytes) -> bytes:
    return hmac.digest(settings.KEY_RING.token, b"view\0" + body, hashlib.sha256)[:_MAC_BYTES]


@dataclass(frozen=True, slots=True)
class VisitClaim:
    """What the addresses in a tracked mail say: the submission, and its message unless nobody is to be known by it."""

    submission_id: int
    message: UUID | None = None


def visit_token(claim: VisitClaim) -> str:
    """An unforgeable token of 48 letters of base64url, one for all links and the picture of a mail."""
    message = claim.message.bytes if claim.message is not None else bytes(16)
    body = _VISIT.pack(_VERSION, claim.submission_id, message)
    return _as_text(body + _visit_mac(body))


def read_visit_token(token: str) -> VisitClaim | None:
    """The claim in a token, or None when it is not one of ours."""
    body = _read_visit_body(token)
    if body is None:
        return None
    _, submission_id, message = _VISIT.unpack(body)
    return VisitClaim(submission_id, UUID(bytes=message) if any(message) else None)


def _read_visit_body(token: str) -> bytes | None:
    # 36 bytes are 48 letters without padding, so a token has one spelling but for + and /.
    if len(token) != VISIT_TOKEN_LENGTH or "+" in token or "/" in token:
        return None
    try:
        raw = binascii.a2b_base64(token.encode("ascii").translate(_FROM_URL), strict_mode=True)
    except ValueError:
        return None
    body, mac = raw[: _VISIT.size], raw[_VISIT.size :]
    if len(raw) != _VISIT.size + _VISIT_MAC_BYTES or body[0] != _VERSION:
        return None
    return body if hmac.compare_digest(_visit_mac(body), mac) else None


def _visit_mac(body: bytes) -> bytes:
    # Keyed BLAKE2b (RFC 7693 §2.9): one for each tracked mail, at a fifth of what HMAC costs.
    key = settings.KEY_RING.token
    return hashlib.blake2b(body, key=key, digest_size=_VISIT_MAC_BYTES, person=b"sealpost visit").digest()


def seal_link_values(token: str, values: Sequence[str], *, number: int = 0) -> str:
    """The reader's own values of a link, for its address: unreadable, and worthless in any other mail.

    With a number it is good for that link alone. The same values give the same text: nothing is random (RFC 5297).
    """
    text = "\0".join(("", *values)).encode()
    return _as_text(_link_cipher(settings.KEY_RING.token).encrypt(text, _link_context(token, number)))


def open_link_values(token: str, sealed: str, *, number: int = 0) -> list[str] | None:
    """The values in a seal, or None when it was made for another mail or link, or not by us."""
    try:
        raw = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        if _as_text(raw) != sealed:
            return None
        opened = _link_cipher(settings.KEY_RING.token).decrypt(raw, _link_context(token, number))
    except (ValueError, InvalidTag):
        return None
    return opened.decode().split("\0")[1:]


def _link_context(token: str, number: int) -> list[bytes]:
    return [token.encode("ascii"), number.to_bytes(4, "big")]


def _as_text(raw: bytes) -> str:
    """Base64url without padding."""
    return binascii.b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=").decode("ascii")


@lru_cache(maxsize=4)
def _link_cipher(root: bytes) -> AESSIV:
    return AESSIV(HKDF(algorithm=SHA256(), length=64, salt=None, info=b"sealpost link values").derive(root))
