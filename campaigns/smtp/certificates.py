"""The certificate of the listeners: the operator's files, or on one's own machine a self-signed one made once."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_TEN_YEARS = timedelta(days=3652)


class Certificate:
    """A TLS context that follows its files: a renewed certificate is used without a restart."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises OSError and ssl.SSLError for files that are no pair."""
        self._files = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # SU-01; the library's default ciphers are modern, and renegotiation is off.
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_RENEGOTIATION
        self._seen = self._stamp()
        self.context.load_cert_chain(certificate, key)

    def refresh(self) -> bool:
        """Load the files again when they changed; new connections get the new ones. Raises OSError and ssl.SSLError."""
        stamp = self._stamp()
        if stamp == self._seen:
            return False
        self.context.load_cert_chain(*self._files)
        self._seen = stamp
        return True

    def _stamp(self) -> tuple[float, ...]:
        return tuple(file.stat().st_mtime for file in self._files)


def make_self_signed(folder: Path, *, hostname: str) -> tuple[Path, Path]:
    """(certificate, key) for this host and loopback in the folder, made when they are not there yet."""
    certificate_file, key_file = folder / "smtp-cert.pem", folder / "smtp-key.pem"
    if certificate_file.exists() and key_file.exists():
        return certificate_file, key_file
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    names = [x509.DNSName(entry) for entry in dict.fromkeys(["localhost", hostname]) if not _is_address(entry)]
    loopback = [x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1")]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _TEN_YEARS)
        .add_extension(x509.SubjectAlternativeName([*names, *loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(key_file, pem)
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file, key_file


def _write(file: Path, content: bytes) -> None:
    # Whole or not at all, and never readable by others.
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(file)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
