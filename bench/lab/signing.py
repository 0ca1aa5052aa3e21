"""What a DKIM signature alone costs a core: python -m bench.lab.signing rsa|ed25519 COUNT BODY_BYTES."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.lab.children import work_on_signal

_HEADERS = b"from:bench news <news@news.example.com>\r\n" * 12


def make_signer(algorithm: str) -> Callable[[bytes], bytes]:
    if algorithm == "ed25519":
        short = Ed25519PrivateKey.generate()
        return lambda data: short.sign(hashlib.sha256(data).digest())
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def sign_all(sign: Callable[[bytes], bytes], count: int, size: int) -> None:
    """The body hash and the signature, so many times."""
    body = b"x" * size
    for _ in range(count):
        sign(_HEADERS + hashlib.sha256(body).digest())


if __name__ == "__main__":
    signer = make_signer(sys.argv[1])
    work_on_signal(lambda: sign_all(signer, int(sys.argv[2]), int(sys.argv[3])))
