"""What a program presents at a door: the Authorization header and the address it calls from. Pure, and never raises."""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_KEY = re.compile(r"([0-9a-f]{32})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
# Far above every form of a key, and above what people choose as passwords.
_LONGEST = 2048
_USERNAME_LENGTH = 150
# Some proxies write the port as well.
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?|([0-9.]+):\d+")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A text in the form of a key, `<32 hex>-<uuid>`; whether there is such a key is another question."""

    prefix: str
    secret: str = field(repr=False)

    @property
    def secret_hash(self) -> str:
        """SHA-256 in hex. A secret of 122 random bits cannot be guessed from it, so no slow hash is needed."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    @property
    def text(self) -> str:
        return f"{self.prefix}-{self.secret}"


@dataclass(frozen=True, slots=True)
class PresentedPassword:
    """A user name with a password."""

    username: str = field(repr=False)
    password: str = field(repr=False)


def read_authorization(header: str) -> PresentedKey | PresentedPassword | None:
    """What the header presents, or None when it has no form we know.

    `App KEY`, `Bearer KEY`, `KEY`, `Basic base64(App:KEY)`, `Basic base64(NAME:PASSWORD)` (RFC 7617); scheme names in
    any case. `App App KEY` is what Infobip's Python SDK sends when the prefix is configured twice.
    """
    words = header.split() if len(header) <= _LONGEST else []
    if len(words) == 2 and words[0].lower() == "basic":
        return _read_basic(words[1])
    while len(words) > 1 and words[0].lower() in {"app", "bearer"}:
        words = words[1:]
    return _read_key(words[0]) if len(words) == 1 else None


def find_remote(meta: Mapping[str, Any], *, behind_proxy: bool) -> str:
    """Where a request comes from, of its WSGI environment; '' when nothing that can be believed says so.

    Behind a proxy it is the last entry of X-Forwarded-For: ours wrote it, those before are what the visitor says. The
    address of the socket would be the proxy's, and one guesser would lock out everybody.
    """
    if not behind_proxy:
        return str(meta.get("REMOTE_ADDR", ""))
    last = str(meta.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
    with_port = _WITH_PORT.fullmatch(last)
    return (with_port[1] or with_port[2]) if with_port else last


def read_remote(remote: str) -> IpAddress | None:
    """The address a request comes from, an IPv4 address in IPv6 clothes as the former; None for a socket without one."""
    try:
        found = ipaddress.ip_address(remote.partition("%")[0])
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _read_basic(encoded: str) -> PresentedKey | PresentedPassword | None:
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return None
    if username.lower() == "app":
        return _read_key(password.strip())
    # PostgreSQL answers a NUL with an error, and nobody is called so.
    if not colon or not username.isprintable() or not 0 < len(username) <= _USERNAME_LENGTH:
        return None
    return PresentedPassword(username, password)


def _read_key(text: str) -> PresentedKey | None:
    match = _KEY.fullmatch(text)
    return PresentedKey(match[1], match[2]) if match else None
