"""What the installation consists of: programs, places, hosts it talks to, keys by name. No secret and nobody's name is in it.

Asked for by the proposed Security Rule (90 FR 898; only proposed) and useful before: an inventory and a map of where
protected information goes, made from what is configured, so neither is older than the installation.
"""

from __future__ import annotations

import platform
import ssl
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import Count

from campaigns.models import Account, ApiKey, BaaStatus, BounceMailbox, DkimKey, Transport, WebhookEndpoint
from campaigns.outbox.transports import read_config
from compliance import vault
from compliance.agreements import recording
from compliance.models import DataKey


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere data is or goes: `port` 0 where there is none, `encryption` in a word, `phi` whether it may be protected."""

    what: str
    host: str
    port: int
    encryption: str
    phi: bool
    owner: str = ""
    agreement: str = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A key by what it is called and how many things it is for; never the key."""

    what: str
    name: str
    count: int
    since: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything of one moment."""

    at: str
    versions: dict[str, str]
    listening: list[Place]
    stores: list[Place]
    sending_to: list[Place]
    keys: list[Key]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def take_inventory(*, now: datetime) -> Inventory:
    """Read settings and tables; nobody outside is asked."""
    return Inventory(
        at=now.isoformat(),
        versions=_read_versions(),
        listening=list(_list_listening()),
        stores=list(_list_stores()),
        sending_to=list(_list_destinations(now)),
        keys=list(_list_keys()),
    )


def _read_versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "system": platform.platform(), "openssl": ssl.OPENSSL_VERSION}
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version" if connection.vendor == "postgresql" else "SELECT sqlite_version()")
        found[connection.vendor] = str(cursor.fetchone()[0])
    return found | {name.lower(): version for name, version in _list_packages()}


def _list_packages() -> list[tuple[str, str]]:
    return sorted({(each.metadata["Name"], each.version) for each in metadata.distributions() if each.metadata["Name"]})


def _list_listening() -> Iterator[Place]:
    """Where others reach us. Protected data comes in where the lane is, and is worked with on the screens."""
    public = urlsplit(settings.PUBLIC_URL)
    web = "TLS" if public.scheme == "https" else "none"
    yield Place("screens, public pages and the ordinary API", public.hostname or "", _port(public), web, phi=True)
    for host in settings.HIPAA_HOSTS:
        yield Place("the HIPAA endpoint", host, 443, "TLS", phi=True)
    ports = (
        ("mail of programs (STARTTLS)", settings.SMTP_PORT, "STARTTLS", False),
        ("mail of programs (TLS)", settings.SMTP_TLS_PORT, "TLS", False),
        ("mail of programs without TLS", settings.SMTP_PLAIN_PORT, "none", False),
        ("mail of programs under HIPAA", settings.SMTP_HIPAA_PORT, "TLS", True),
        ("mail that comes in", settings.INBOUND_PORT, "STARTTLS offered", False),
    )
    for what, port, encryption, phi in ports:
        if port:
            yield Place(what, settings.SMTP_HOSTNAME or settings.SMTP_HOST, port, encryption, phi)


def _list_stores() -> Iterator[Place]:
    """Where data lies; what is protected lies sealed everywhere."""
    place = settings.DATABASES["default"]
    if connection.vendor == "postgresql":
        mode = str((place.get("OPTIONS") or {}).get("sslmode", "as the server wants"))
        port = int(place.get("PORT") or 5432)
        yield Place("database (PostgreSQL)", str(place.get("HOST") or "local socket"), port, mode, phi=True)
    else:
        yield Place("database (SQLite)", "this machine", 0, "file", phi=True)
    if settings.REDIS_URL:
        redis = urlsplit(settings.REDIS_URL)
        encryption = "TLS" if redis.scheme == "rediss" else "none"
        yield Place("job queue and cache (Redis)", redis.hostname or "", redis.port or 6379, encryption, phi=False)
    if settings.KEY_PROVIDER != "local":
        service = urlsplit(settings.KEY_SERVICE["url"])
        host = service.hostname or f"kms.{settings.KEY_SERVICE['region']}.amazonaws.com"
        yield Place(
            f"root keys ({settings.KEY_PROVIDER})", host, _port(service) if service.scheme else 443, "TLS", phi=False
        )
    else:
        yield Place("root keys (key ring)", "this machine", 0, "file", phi=False)


def _list_destinations(now: datetime) -> Iterator[Place]:
    """Hosts we talk to; a relay gets protected mail where its account is under an agreement and the relay's own is on file."""
    for way in Transport.objects.select_related("account").order_by("account__slug", "pk"):
        if way.kind == "sandbox":
            continue
        try:
            config = read_config(way)
        except (vault.SealBroken, vault.KeysUnavailable, ValueError):
            config = {}
        host = str(config.get("host", way.kind))
        found = recording.find_subcontractor(host, on=now.date())
        is_covered = recording.is_fit_for_protected(found)
        agreement = "none" if found is None else "no protected data" if found.no_phi_because else "in effect"
        yield Place(
            f"way to send ({way.kind})", host, int(config.get("port") or 0), str(config.get("tls") or "https"),
            phi=is_covered and way.kind == "smtp" and way.account.baa_status != BaaStatus.NONE,
            owner=way.account.slug, agreement=agreement,
        )  # fmt: skip
    for mailbox in BounceMailbox.objects.filter(is_active=True).select_related("account").order_by("pk"):
        encryption = "STARTTLS" if mailbox.starts_tls else "TLS"
        yield Place("mailbox of bounces", mailbox.host, mailbox.port, encryption, phi=False, owner=mailbox.account.slug)
    for hook in WebhookEndpoint.objects.select_related("account").order_by("pk"):
        # Its whole address may hold a secret; webhooks are https, but on this machine.
        yield Place("webhook", hook.host, 0, "TLS", phi=False, owner=hook.account.slug)


def _list_keys() -> Iterator[Key]:
    roots = DataKey.objects.filter(destroyed_at=None).values("kid").annotate(count=Count("pk")).order_by("kid")
    for row in roots:
        yield Key("root key", row["kid"], row["count"])
    yield Key("data keys destroyed", "", DataKey.objects.exclude(destroyed_at=None).count())
    for dkim in DkimKey.objects.exclude(state=DkimKey.State.RETIRED).select_related("domain").order_by("pk"):
        name = f"{dkim.selector}._domainkey.{dkim.domain.name} ({dkim.algorithm}, {dkim.state})"
        yield Key("signature key", name, 1, since=dkim.created_at.date().isoformat())
    for key in ApiKey.objects.filter(revoked_at=None).select_related("account").order_by("pk"):
        until = key.expires_at.date().isoformat() if key.expires_at else ""
        name = f"{key.prefix} of {key.account.slug} ({key.lane})"
        yield Key("program's key", name, 1, since=key.created_at.date().isoformat(), until=until)
    under = Account.objects.exclude(baa_status=BaaStatus.NONE).count()
    yield Key("accounts under an agreement", "", under)


def _port(address: Any) -> int:
    return int(address.port or (443 if address.scheme == "https" else 80))
