"""What calls are counted and paused by: hosts of addresses that customers typed or put into requests."""

from __future__ import annotations

from urllib.parse import urlsplit

from campaigns.net.destinations import USUAL_PORTS


def host_of(url: str) -> str:
    """The host of an address that was checked, with its port when that is not the usual one."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in {None, USUAL_PORTS.get(parts.scheme)} else f"{host}:{parts.port}"
