"""From a relay's settings to a socket where MAIL may be said (RFC 5321 §3.1, 3207, 4954, 8314)."""

from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

from campaigns.delivery.base import TlsProof, TransportError
from campaigns.delivery.smtp_envelope import Offers
from campaigns.delivery.smtp_session import Timeouts


class Tls(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True, repr=False)
class RelayConfig:
    """Where the relay is and how to log in; certificates are always verified when TLS is on."""

    host: str
    port: int = 587
    tls: Tls = Tls.STARTTLS
    username: str = ""
    password: str = ""
    timeout: float | None = None  # seconds; none of the time limits of RFC 5321 is longer then
    connections: int = 10  # kept at the same time, by each worker

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RelayConfig:
        """ValueError or KeyError for settings that cannot be used."""
        connections = int(values.get("connections", 10))
        if not 1 <= connections <= 100:
            raise ValueError("A relay takes 1 to 100 connections.")
        return cls(
            host=str(values["host"]),
            port=int(values.get("port", 587)),
            tls=Tls(values.get("tls", Tls.STARTTLS)),
            username=str(values.get("username", "")),
            password=str(values.get("password", "")),
            timeout=None if values.get("timeout") is None else float(values["timeout"]),
            connections=connections,
        )

    @property
    def timeouts(self) -> Timeouts:
        return Timeouts().capped(self.timeout)


class Established(NamedTuple):
    """A non-blocking socket past greeting, encryption and login, and what the peer offers there."""

    sock: socket.socket
    offers: Offers
    tls: TlsProof | None = None


def make_tls_context() -> ssl.SSLContext:
    """Verifies certificate and name; TLS 1.2 or newer (RFC 8996). Takes about 20 ms: make it once."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect(config: RelayConfig, *, context: ssl.SSLContext | None) -> Established:
    """Connect, greet, encrypt and log in, waiting for each; raises TransportError. TLS needs a context."""
    try:
        return _take_over(_log_in(config, context), host=config.host)
    # From None in both: the server's text may quote names and addresses.
    except OSError as error:
        raise _explain(error) from None
    except ValueError:
        # A host name that is none, a password no login command can carry.
        text = "The host, user name or password of the relay cannot be used."
        raise TransportError("transport.misconfigured", text, permanent=True) from None


def _explain(error: OSError) -> TransportError:
    """What went wrong in words for people; smtplib's own errors are OSErrors too."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        permanent = 500 <= error.smtp_code < 600
        text = "The relay refuses the user name or the password."
        return TransportError("transport.login-refused", text, permanent=permanent)
    if isinstance(error, ssl.SSLCertVerificationError):
        text = "The certificate of the relay is not valid for its name."
        return TransportError("transport.certificate-invalid", text, permanent=True, detail=str(error.verify_code))
    if isinstance(error, ssl.SSLError):
        return TransportError("transport.tls-failed", "The relay and we agree on no encryption that is good enough.")
    # smtplib says that it can do none of the offered ways to log in by its plain base class.
    if isinstance(error, smtplib.SMTPNotSupportedError) or type(error) is smtplib.SMTPException:
        text = "The relay offers no encryption or no login, as its settings ask for."
        return TransportError("transport.tls-or-login-not-offered", text, permanent=True)
    return TransportError("transport.unreachable", "The relay does not answer.")


def _log_in(config: RelayConfig, context: ssl.SSLContext | None) -> smtplib.SMTP:
    # smtplib would make a context of its own that verifies nothing.
    assert context is not None or config.tls is Tls.NONE
    # A local_hostname keeps smtplib from asking the resolver each time.
    options: dict[str, Any] = {"timeout": config.timeouts.greeting, "local_hostname": "localhost"}
    connection: smtplib.SMTP
    if config.tls is Tls.IMPLICIT:
        connection = smtplib.SMTP_SSL(config.host, config.port, context=context, **options)
    else:
        connection = smtplib.SMTP(config.host, config.port, **options)
    try:
        say_who_we_are(connection)
        connection.ehlo_or_helo_if_needed()
        if config.tls is Tls.STARTTLS:
            _start_tls(connection, context)
        if config.username:
            connection.login(config.username, config.password)
    except BaseException:
        connection.close()
        raise
    return connection


def say_who_we_are(connection: smtplib.SMTP) -> None:
    """The name EHLO gives; raises SMTPServerDisconnected."""
    connection.local_hostname = _own_name() or _address_literal(_socket_of(connection))


def _start_tls(connection: smtplib.SMTP, context: ssl.SSLContext | None) -> None:
    if not connection.has_extn("starttls"):
        text = "The relay offers no encryption, as its settings ask for."
        raise TransportError("transport.tls-not-offered", text, permanent=True) from None
    connection.starttls(context=context)
    connection.ehlo_or_helo_if_needed()


def _take_over(connection: smtplib.SMTP, *, host: str) -> Established:
    """The socket alone, for the caller to own."""
    sock, file = _socket_of(connection), connection.file
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        early = file.peek(1) if file is not None else b""
    except OSError:  # nothing there, as TLS says it
        early = b""
    if early:
        # It speaks without being asked, mostly to say good-bye: its words would be taken for later answers.
        connection.close()
        raise smtplib.SMTPServerDisconnected
    try:
        proof = _prove(sock, host=host)
    except (OSError, ValueError):
        # It has gone meanwhile.
        connection.close()
        raise smtplib.SMTPServerDisconnected from None
    if file is not None:
        file.close()
    return Established(sock, Offers.from_features(connection.esmtp_features), proof)


def _prove(sock: socket.socket, *, host: str) -> TlsProof | None:
    """The contexts we make verify certificate and name: what is encrypted here was verified."""
    if not isinstance(sock, ssl.SSLSocket):
        return None
    version, cipher, certificate = sock.version(), sock.cipher(), sock.getpeercert(binary_form=True)
    if not version or not cipher or not certificate:
        return None
    return TlsProof(version, cipher[0], hashlib.sha256(certificate).hexdigest(), host)


def _socket_of(connection: smtplib.SMTP) -> socket.socket:
    if connection.sock is None:
        raise smtplib.SMTPServerDisconnected
    return connection.sock


@cache
def _own_name() -> str:
    """This machine's full name, empty when it has none; asked once, because the resolver may take seconds."""
    name = socket.getfqdn()
    return name if "." in name else ""


def _address_literal(sock: socket.socket) -> str:
    """Who says EHLO without having a name (RFC 5321 §4.1.3)."""
    address = sock.getsockname()[0]
    return f"[IPv6:{address}]" if sock.family == socket.AF_INET6 else f"[{address}]"
