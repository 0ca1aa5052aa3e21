"""Where we may call: addresses that customers typed or put into requests (evil input 26)."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from campaigns import net
from campaigns.errors import CampaignError

LONGEST = 2048
_PORTS = {"https": 443, "http": 80}


def check_url(text: str, *, longest: int = LONGEST) -> str:
    """An address for webhooks as it is kept; raises CampaignError `webhook.address-unusable`.

    https on its usual port, no user name, no fragment; http, private places and other ports where the installation
    allows private addresses. Where a name leads is judged each time we connect.
    """
    url = text.strip()
    parts = _split(url)
    plain = url.isascii() and url.isprintable() and not any(mark in url for mark in ' \\#"<>') and len(url) <= longest
    if plain and parts is not None and parts.hostname and "@" not in parts.netloc and _may_be(parts):
        return url
    raise CampaignError(
        "webhook.address-unusable",
        "This is not an address we can call.",
        action="Write it as your program shows it, such as https://hooks.example.com/email.",
    )


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_fine = parts.port != 0
    except ValueError:
        return None
    return parts if is_fine else None


def _may_be(parts: SplitResult) -> bool:
    is_open = bool(settings.NET_ALLOW_PRIVATE)
    if parts.scheme != "https" and not (is_open and parts.scheme == "http"):
        return False
    if parts.port not in {None, _PORTS[parts.scheme]} and not is_open:
        return False
    try:
        return net.is_allowed(str(ipaddress.ip_address(parts.hostname or "")))
    except ValueError:
        return True  # a name


def host_of(url: str) -> str:
    """The host and port of an address that was checked: what calls are counted and paused by."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in {None, _PORTS.get(parts.scheme)} else f"{host}:{parts.port}"
