"""System checks with stable ids for every dangerous combination of settings.

E stops every command, W is shown by `check --deploy` and by the start. An id is never reused; one somebody
decided to live with is silenced through SILENCED_CHECKS.
"""

from __future__ import annotations

import base64
import itertools
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's name
from django.http.request import validate_host

# Loggers of libraries that write addresses or bodies, and the quietest level at which they do.
_TALKATIVE = {"django.db.backends": logging.DEBUG, "mail.log": logging.INFO}


def _sealpost_check(check: Callable[[], Iterator[CheckMessage]]) -> Callable[[], list[CheckMessage]]:
    """Register a generator of findings with Django; returns it as a plain function for tests."""

    def run(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ARG001
        return list(check())

    run.__name__ = check.__name__
    run.__doc__ = check.__doc__
    register(run, Tags.security)
    return run


@_sealpost_check
def check_debug() -> Iterator[CheckMessage]:
    """E001: error pages for strangers."""
    if settings.DEBUG and not settings.LOCAL:
        yield Error(
            "DEBUG=true shows source code to everybody who meets an error.",
            hint="Write DEBUG=false, or LOCAL=true on your own machine.",
            id="sealpost.E001",
        )


@_sealpost_check
def check_key_ring_file() -> Iterator[CheckMessage]:
    """E002, E003: keys where others can read them."""
    path: Path = settings.KEY_RING_FILE
    if path.exists() and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Error(
            "The key ring can be read by other users of this machine.", hint=f"chmod 600 {path}", id="sealpost.E002"
        )
    if not settings.LOCAL and path.resolve().is_relative_to(settings.BASE_DIR):
        yield Error(
            "The key ring lies inside the program's folder, where a deploy or an image takes it along.",
            hint="Move it, for example to /etc/sealpost/keyring.json, and write KEY_RING_FILE=… accordingly.",
            id="sealpost.E003",
        )


@_sealpost_check
def check_addresses() -> Iterator[CheckMessage]:
    """E004, E005, E006: the address people reach us at."""
    url = urlsplit(settings.PUBLIC_URL)
    host = f"[{url.hostname}]" if ":" in str(url.hostname) else str(url.hostname)
    if url.scheme != "https" and not settings.LOCAL:
        yield Error(
            "PUBLIC_URL is not https: unsubscribe links and passwords would travel in the clear.",
            hint="Write PUBLIC_URL=https://… and let the proxy in front end TLS.",
            id="sealpost.E004",
        )
    if not settings.LOCAL and (not settings.ALLOWED_HOSTS or "*" in settings.ALLOWED_HOSTS):
        yield Error(
            "ALLOWED_HOSTS must name the hosts we answer for; empty answers nobody, * answers every forged name.",
            hint=f"Write ALLOWED_HOSTS={host}.",
            id="sealpost.E005",
        )
    elif not validate_host(host, settings.ALLOWED_HOSTS):
        yield Error(
            "The host of PUBLIC_URL is not in ALLOWED_HOSTS: every unsubscribe link would answer 400.",
            hint=f"Add {host} to ALLOWED_HOSTS.",
            id="sealpost.E006",
        )


@_sealpost_check
def check_hipaa_hosts() -> Iterator[CheckMessage]:
    """E030, E031, W030: an endpoint for protected information that shuts out everything, or everybody."""
    if urlsplit(settings.PUBLIC_URL).hostname in settings.HIPAA_HOSTS:
        yield Error(
            "The host of PUBLIC_URL is one of HIPAA_HOSTS, where nothing but that endpoint answers.",
            hint="Give the HIPAA endpoint a name of its own, such as HIPAA_HOSTS=hipaa.example.com.",
            id="sealpost.E030",
        )
    if not all(map(_is_network, settings.HIPAA_NETWORKS)):
        yield Error(
            "One of HIPAA_NETWORKS is no network: every request would fail.",
            hint="Write them such as 192.0.2.0/24, with zeros after the network's part.",
            id="sealpost.E031",
        )
    if settings.HIPAA_HOSTS and not settings.BEHIND_PROXY and not settings.LOCAL:
        yield Warning(
            "The HIPAA endpoint takes nothing that did not come over TLS, and nobody says what did.",
            hint="Write BEHIND_PROXY=true when the proxy in front ends TLS and sets X-Forwarded-Proto.",
            id="sealpost.W030",
        )


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


@_sealpost_check
def check_keys_differ() -> Iterator[CheckMessage]:
    """E007: one secret for two purposes."""
    ring = settings.KEY_RING
    keys = [*ring.sealing.values(), ring.index, ring.token]
    texts = {settings.SECRET_KEY.encode(), base64.b64encode(settings.SECRET_KEY.encode())}
    if any(texts & {key, base64.b64encode(key)} for key in keys) or any(
        one == other for one, other in itertools.combinations(keys, 2)
    ):
        yield Error(
            "SECRET_KEY and the keys in the ring must all differ: a leak of one must not open the others.",
            hint="Make a new ring with: python -m config.keyring FILE, and a new SECRET_KEY.",
            id="sealpost.E007",
        )


@_sealpost_check
def check_folders() -> Iterator[CheckMessage]:
    """E008, E012, E013: files that would be served, lost or read by others."""
    static, var = Path(settings.STATIC_ROOT).resolve(), settings.VAR_DIR.resolve()
    for name, folder in (("MEDIA_ROOT", Path(settings.MEDIA_ROOT).resolve()), ("VAR_DIR", var)):
        if folder.is_relative_to(static) or static.is_relative_to(folder):
            yield Error(
                f"{name} and STATIC_ROOT lie inside each other: imports and keys would be served to everybody.",
                hint=f"Write VAR_DIR=… so that it is not {static} nor a folder in it or above it.",
                id="sealpost.E008",
            )
    if not os.access(var, os.W_OK | os.X_OK):
        yield Error(
            "VAR_DIR does not exist or cannot be written.",
            hint=f"Make {var} and give it to the user Sealpost runs as, or write VAR_DIR=… for another folder.",
            id="sealpost.E012",
        )
    elif not settings.LOCAL and var.stat().st_mode & stat.S_IRWXO:
        yield Error(
            "VAR_DIR is open to every user of this machine, and imports lie in it.",
            hint=f"chmod o= {var}",
            id="sealpost.E013",
        )


@_sealpost_check
def check_queue() -> Iterator[CheckMessage]:
    """E009: a retry that runs waiting jobs twice."""
    queue = settings.Q_CLUSTER
    longest = queue["timeout"] * ((queue["queue_limit"] + 1) / queue["workers"] + 1)
    if queue["retry"] <= longest:
        yield Error(
            "The queue retries jobs that still wait their turn: the clock starts when a job is fetched.",
            hint=f"Q_CLUSTER['retry'] must be more than {longest:.0f} seconds, or queue_limit smaller.",
            id="sealpost.E009",
        )


@_sealpost_check
def check_loggers() -> Iterator[CheckMessage]:
    """E010: loggers that write addresses."""
    for name, level in _TALKATIVE.items():
        if not settings.LOCAL and logging.getLogger(name).isEnabledFor(level):
            yield Error(
                f"The logger {name} writes addresses at level {logging.getLevelName(level)}.",
                hint=f"Set it to WARNING in LOGGING['loggers'][{name!r}].",
                id="sealpost.E010",
            )


@_sealpost_check
def check_database() -> Iterator[CheckMessage]:
    """E011, E014, W001: databases that cannot carry several processes or hosts."""
    database = settings.DATABASES["default"]
    is_sqlite = database["ENGINE"] == "django.db.backends.sqlite3"
    if (database.get("OPTIONS") or {}).get("pool"):
        yield Error(
            "A connection pool is inherited by forked workers, which then share sockets.",
            hint="Take pool out of DATABASE_URL; connections are kept open without it.",
            id="sealpost.E011",
        )
    if is_sqlite and ":memory:" in str(database["NAME"]):
        yield Error(
            "Every process would have an empty database of its own.",
            hint="Write DATABASE_URL=sqlite:////path/to/sealpost.sqlite3, or leave it out.",
            id="sealpost.E014",
        )
    if is_sqlite and settings.REDIS_URL and not settings.LOCAL:
        yield Warning(
            "Redis suggests several hosts, and SQLite can serve one only.",
            hint="Write DATABASE_URL=postgres://…, or silence this check when there is one host for good.",
            id="sealpost.W001",
        )


@_sealpost_check
def check_shared_cache() -> Iterator[CheckMessage]:
    """W002: a cache that every process has for itself."""
    if settings.CACHES["default"]["BACKEND"].endswith("LocMemCache") and not settings.LOCAL:
        yield Warning(
            "Without Redis every process has a cache of its own: figures on the screens may differ for some seconds.",
            hint="Write REDIS_URL=redis://….",
            id="sealpost.W002",
        )


@_sealpost_check
def check_proxy() -> Iterator[CheckMessage]:
    """W003: a redirect that never ends."""
    if settings.SECURE_SSL_REDIRECT and not settings.BEHIND_PROXY and not settings.LOCAL:
        yield Warning(
            "Behind a proxy that ends TLS every request would be redirected for ever.",
            hint="Write BEHIND_PROXY=true when the proxy sets X-Forwarded-Proto (and removes it from visitors).",
            id="sealpost.W003",
        )


@_sealpost_check
def check_private_networks() -> Iterator[CheckMessage]:
    """W004: customers' addresses may lead into our own network."""
    if settings.NET_ALLOW_PRIVATE and not settings.LOCAL:
        yield Warning(
            "NET_ALLOW_PRIVATE=true lets operators of every account reach addresses inside your network.",
            hint="Write NET_ALLOW_PRIVATE=false, or silence this check when a provider stands in your own network.",
            id="sealpost.W004",
        )


@_sealpost_check
def check_archive() -> Iterator[CheckMessage]:
    """E023, W005: an archive in a bucket that cannot be reached, or is reached in the clear."""
    archive = cast("dict[str, Any]", settings.STORAGES["archive"])
    if not archive["BACKEND"].startswith("storages."):
        return
    if find_spec("storages") is None or find_spec("boto3") is None:
        yield Error(
            "ARCHIVE_S3_BUCKET names a bucket, and the libraries to reach one are not installed.",
            hint="Install Sealpost with its extra: pip install 'sealpost[s3]'.",
            id="sealpost.E023",
        )
    url = urlsplit(archive["OPTIONS"]["endpoint_url"] or "")
    if url.scheme == "http" and not settings.LOCAL:
        yield Warning(
            "ARCHIVE_S3_URL is not https: whoever is on the way sees which copies are brought and fetched.",
            hint="Write ARCHIVE_S3_URL=https://…; the copies themselves are sealed before they leave.",
            id="sealpost.W005",
        )


@_sealpost_check
def check_smtp() -> Iterator[CheckMessage]:
    """E020, E021, E022: mail and passwords of programs in the clear, or no certificate for them."""
    if settings.SMTP_PLAIN_PORT and not (settings.LOCAL or settings.DEBUG):
        yield Error(
            "SMTP_PLAIN_PORT takes passwords without encryption.",
            hint="Write SMTP_PLAIN_PORT=0; clients use SMTP_PORT with STARTTLS, or SMTP_TLS_PORT.",
            id="sealpost.E020",
        )
    is_encrypted = settings.SMTP_PORT or settings.SMTP_TLS_PORT or settings.SMTP_HIPAA_PORT
    files = [Path(name) for name in (settings.SMTP_TLS_CERT, settings.SMTP_TLS_KEY) if name]
    if (files and len(files) < 2) or (is_encrypted and not files and not settings.LOCAL):
        yield Error(
            "The SMTP ports need a certificate and its key.",
            hint="Write SMTP_TLS_CERT=… and SMTP_TLS_KEY=…, or SMTP_PORT=0 and SMTP_TLS_PORT=0 for no SMTP.",
            id="sealpost.E021",
        )
    elif files and not all(os.access(file, os.R_OK) for file in files):
        yield Error(
            "The certificate of the SMTP ports, or its key, cannot be read.",
            hint="Give both files to the user Sealpost runs as, the key with mode 600.",
            id="sealpost.E021",
        )
    elif files and files[1].stat().st_mode & stat.S_IRWXO:
        yield Error(
            "The key of the SMTP certificate can be read by every user of this machine.",
            hint=f"chmod 600 {files[1]}",
            id="sealpost.E022",
        )
