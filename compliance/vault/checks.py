"""System checks of the keys: what is missing, in the wrong place, or would travel in the clear."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections

from compliance.vault.errors import SealBroken
from compliance.vault.local import find_key
from compliance.vault.tables import DataKey

_NEEDED = {
    "local": {},
    "aws": {
        "key": "KEY_SERVICE_KEY",
        "region": "AWS_REGION",
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    },
    "vault": {"key": "KEY_SERVICE_KEY", "url": "KEY_SERVICE_URL", "token": "VAULT_TOKEN"},
}


@register(Tags.security)
def check_key_provider(*_: Any, **__: Any) -> list[CheckMessage]:
    """compliance.E002, E003: a key service that cannot be asked, or would be asked in the clear."""
    return [*_find_missing(), *_find_unsafe_address()]


@register(Tags.security)
def check_key_ring_place(*_: Any, **__: Any) -> list[CheckMessage]:
    """compliance.E004: keys beside the data they protect (45 CFR 164.402: a key must be kept apart from the data)."""
    ring: Path = settings.KEY_RING_FILE.resolve()
    if settings.LOCAL or not any(ring.is_relative_to(folder) for folder in _folders_of_data()):
        return []
    return [
        Error(
            "The key ring lies in the folder of uploads or of the database: one copy of it takes keys and data along.",
            hint="Move it, for example to /etc/sealpost/keyring.json, and write KEY_RING_FILE=… accordingly.",
            id="compliance.E004",
        )
    ]


@register(Tags.database)
def check_data_keys(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """compliance.E005: data keys nobody here can open."""
    if not databases:
        return []
    return [
        Error(
            "Data keys are wrapped by a root key that is not in the key ring: what they sealed does not open.",
            hint="Restore the key ring from your backup of keys.",
            id="compliance.E005",
        )
        for alias in databases
        if _has_lost_roots(alias)
    ]


def _find_missing() -> Iterator[CheckMessage]:
    missing = [variable for name, variable in _NEEDED[settings.KEY_PROVIDER].items() if not settings.KEY_SERVICE[name]]
    if missing:
        yield Error(
            f"KEY_PROVIDER={settings.KEY_PROVIDER} does not say where and how to ask for keys.",
            hint=f"Write {', '.join(f'{variable}=…' for variable in missing)}.",
            id="compliance.E002",
        )


def _find_unsafe_address() -> Iterator[CheckMessage]:
    url = settings.KEY_SERVICE["url"]
    if settings.KEY_PROVIDER == "local" or not url or _is_safe(url):
        return
    yield Error(
        "KEY_SERVICE_URL must be https: data keys travel over it.",
        hint="Write KEY_SERVICE_URL=https://…; plain http is for a service on this machine only.",
        id="compliance.E003",
    )


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    try:
        return parts.scheme == "http" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _folders_of_data() -> list[Path]:
    database = settings.DATABASES["default"]
    folders = [Path(settings.MEDIA_ROOT).resolve()]
    if database["ENGINE"].endswith("sqlite3"):
        folders.append(Path(str(database["NAME"])).resolve().parent)
    return folders


def _has_lost_roots(alias: str) -> bool:
    rows = DataKey.objects.using(alias).filter(destroyed_at__isnull=True)
    try:
        if DataKey._meta.db_table not in connections[alias].introspection.table_names():
            return False
        kids = list(rows.order_by().values_list("kid", flat=True).distinct())
    except DatabaseError:
        # Not there, or not migrated yet: said by others.
        return False
    return any(not _is_in_ring(kid) for kid in kids if not kid.startswith(("aws:", "vault:")))


def _is_in_ring(kid: str) -> bool:
    try:
        find_key(kid)
    except SealBroken:
        return False
    return True
