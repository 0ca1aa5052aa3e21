"""DKIM keys: made here, their private part sealed to account, domain and selector (DK-06, MP-12)."""

from __future__ import annotations

import base64
import re
import secrets

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.db import IntegrityError, transaction

from campaigns.errors import CampaignError
from campaigns.models import DkimKey, Domain
from compliance import vault

_RSA_BITS = 2048
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def create_dkim_key(domain: Domain, *, selector: str | None = None, algorithm: str = DkimKey.Algorithm.RSA) -> DkimKey:
    """A key pair of the domain, RSA-2048 or `ed25519`: its first RSA key signs at once, any other is to be published.

    A domain cannot send before its first key is published; a key added later would sign mail nobody can verify yet.
    Raises CampaignError `domain.selector-invalid`, `domain.selector-taken`, `domain.rotation-running` or
    `domain.algorithm-unknown`.
    """
    key = make_dkim_key(domain, selector=new_selector() if selector is None else selector, algorithm=algorithm)
    rsa_keys = domain.dkim_keys.filter(algorithm=DkimKey.Algorithm.RSA)
    if algorithm == DkimKey.Algorithm.RSA and not rsa_keys.filter(state=DkimKey.State.SIGNING).exists():
        key.state = DkimKey.State.SIGNING
    try:
        with transaction.atomic():
            key.save(force_insert=True)
    except IntegrityError as error:
        raise _refusal(key) from error
    return key


def _refusal(key: DkimKey) -> CampaignError:
    if DkimKey.objects.filter(domain=key.domain_id, selector=key.selector).exists():
        return CampaignError(
            "domain.selector-taken",
            "This domain already has a key with this selector.",
            action="Choose another selector, or leave it out.",
            status=409,
        )
    return CampaignError(
        "domain.rotation-running",
        "A new key of this domain already waits to be published.",
        action="Publish its record, or cancel it first.",
        status=409,
    )


def make_dkim_key(domain: Domain, *, selector: str, algorithm: str = DkimKey.Algorithm.RSA) -> DkimKey:
    """A `new` key pair, not saved yet; takes about 0.1 s for RSA, so make it before a transaction. Raises as above."""
    if not _SELECTOR.fullmatch(selector):
        raise CampaignError(
            "domain.selector-invalid",
            "A selector has 1 to 63 lower-case letters, digits and hyphens.",
            action="Choose another selector, or leave it out.",
        )
    private_key = _make_private_key(algorithm)
    der = private_key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return DkimKey(
        domain=domain,
        selector=selector,
        algorithm=algorithm,
        public_key=_encode_public_key(private_key),
        private_key_sealed=vault.seal(der, **_place(domain, selector)),
    )


def open_private_key(key: DkimKey) -> RSAPrivateKey | Ed25519PrivateKey:
    """The private key, ready to sign; raises vault.SealBroken when it was moved or changed."""
    der = vault.unseal(bytes(key.private_key_sealed), **_place(key.domain, key.selector))
    # We made it and the seal vouches for it: proving its primes again takes 30 ms.
    private_key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(private_key, (RSAPrivateKey, Ed25519PrivateKey)):
        raise vault.SealBroken
    return private_key


def new_selector() -> str:
    """A selector nobody else uses: two accounts of one domain publish side by side."""
    return f"sp{secrets.token_hex(4)}"


def _make_private_key(algorithm: str) -> RSAPrivateKey | Ed25519PrivateKey:
    if algorithm == DkimKey.Algorithm.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    if algorithm == DkimKey.Algorithm.ED25519:
        return Ed25519PrivateKey.generate()
    raise CampaignError(
        "domain.algorithm-unknown", "DKIM keys are of type rsa or ed25519.", action="Choose one of the two."
    )


def _encode_public_key(private_key: RSAPrivateKey | Ed25519PrivateKey) -> str:
    """What stands after p=: SubjectPublicKeyInfo for RSA (RFC 6376 §3.6.1), the bare key for Ed25519 (RFC 8463 §4)."""
    if isinstance(private_key, RSAPrivateKey):
        raw = private_key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    else:
        raw = private_key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode("ascii")


def _place(domain: Domain, selector: str) -> dict[str, str]:
    return {"account": str(domain.account.public_id), "domain": domain.name, "selector": selector}
