"""From settings to listeners."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from campaigns.models import Lane
from campaigns.smtp.certificates import Certificate, make_self_signed
from campaigns.smtp.limits import Limits
from campaigns.smtp.protocol import Entrance
from campaigns.smtp.server import Listener

_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A port that is to be listened on; `words` describes it to people."""

    port: int
    words: str
    lane: Lane = Lane.STANDARD
    is_encrypted: bool = False
    may_be_plain: bool = False
    is_inbound: bool = False


def configured_listeners() -> list[Wanted]:
    """Every port the settings switch on; empty when there is no SMTP here."""
    wanted = [
        Wanted(settings.SMTP_PORT, "STARTTLS"),
        Wanted(settings.SMTP_TLS_PORT, "TLS", is_encrypted=True),
        Wanted(settings.SMTP_PLAIN_PORT, "not encrypted, this machine only", may_be_plain=True),
        Wanted(settings.SMTP_HIPAA_PORT, "TLS, HIPAA lane", Lane.HIPAA, is_encrypted=True),
        Wanted(settings.INBOUND_PORT, "mail from other servers", is_inbound=True),
    ]
    return [entry for entry in wanted if entry.port]


def make_listeners(wanted: list[Wanted]) -> tuple[list[Listener], Certificate | None]:
    """The listeners with their certificate, None when none needs one. Raises OSError and ssl.SSLError."""
    certificate = _open_certificate() if any(not entry.may_be_plain for entry in wanted) else None
    tls = certificate.context if certificate is not None else None
    listeners = [
        Listener(
            _LOOPBACK if entry.may_be_plain else settings.SMTP_HOST.replace("*", ""),
            entry.port,
            Entrance(
                entry.lane,
                None if entry.may_be_plain else tls,
                entry.is_encrypted,
                entry.may_be_plain,
                entry.is_inbound,
            ),
        )
        for entry in wanted
    ]
    return listeners, certificate


def configured_limits() -> Limits:
    """The limits of the settings."""
    return Limits(
        message_bytes=settings.MAX_MESSAGE_BYTES,
        connections=settings.SMTP_MAX_CONNECTIONS,
        connections_per_address=settings.SMTP_MAX_CONNECTIONS_PER_ADDRESS,
    )


def _open_certificate() -> Certificate:
    if settings.SMTP_TLS_CERT:
        return Certificate(Path(settings.SMTP_TLS_CERT), Path(settings.SMTP_TLS_KEY))
    return Certificate(*make_self_signed(settings.VAR_DIR, hostname=settings.SMTP_HOSTNAME))
