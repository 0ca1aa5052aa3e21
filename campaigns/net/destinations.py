"""Where we may connect, by addresses that customers type and names they choose.

A name is looked up once, judged, and that very address is connected to. `ipaddress.is_global` is no such guard: NAT64, 6to4
and multicast pass it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from campaigns.errors import CampaignError

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# What NET_ALLOW_PRIVATE opens: this machine and private networks, never a cloud's metadata service.
_PRIVATE = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7")
_NEVER = (
    "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    # Everything outside 2000::/3: unspecified, mapped, NAT64, discard, link- and site-local, multicast.
    "::/3", "4000::/2", "8000::/1",
    # Teredo and its like, documentation, 6to4.
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)  # fmt: skip
PRIVATE: tuple[_Network, ...] = tuple(map(ipaddress.ip_network, _PRIVATE))
NEVER: tuple[_Network, ...] = tuple(map(ipaddress.ip_network, _NEVER))


def is_allowed(address: str, *, is_ours: bool = False) -> bool:
    """Whether we may connect to this IP address (IANA special-purpose registries, RFC 6890).

    `is_ours`: it comes from the installation's own settings, so it may lie in a private network.
    """
    # A link-local address may carry a zone, which no network knows.
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip in network for network in PRIVATE):
        return is_ours or bool(settings.NET_ALLOW_PRIVATE)
    return not any(ip in network for network in NEVER)


class NetError(Exception):
    """No usable answer. `left` is False only when certainly nothing reached the other side; the text names nothing."""

    def __init__(self, code: str, *, left: bool) -> None:
        super().__init__(code)
        self.code = code
        self.left = left


class AddressRefused(Exception):
    """The name leads only where we must not connect."""


def judge_addresses(host: str, port: int, *, may_reach: Callable[[str], bool] | None = None) -> list[str]:
    """Where a name leads that we may connect to; raises OSError for no name, AddressRefused for none of its places."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is no label
        raise socket.gaierror from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if (may_reach or is_allowed)(address)]
    if not allowed:
        raise AddressRefused
    return allowed


def connect(host: str, port: int, *, seconds: float) -> socket.socket:
    """A TCP connection for protocols other than HTTP; each later read and write may take so many seconds, too.

    Raises NetError `net.unreachable` or `net.address-refused`.
    """
    try:
        for address in judge_addresses(host, port):
            with contextlib.suppress(OSError):
                return socket.create_connection((address, port), timeout=seconds)
    except OSError:
        pass
    except AddressRefused:
        raise NetError("net.address-refused", left=False) from None
    raise NetError("net.unreachable", left=False)


def check_base_url(text: str) -> str:
    """An address somebody typed, without its last slash; raises CampaignError `net.address-unusable`.

    https (http too where private addresses are allowed), a host, perhaps a port and a path; nothing else. Where it
    leads is judged when we connect.
    """
    address = text.strip().rstrip("/")
    if _read_url(address, without="?#@"):
        return address
    raise CampaignError(
        "net.address-unusable",
        "This is not an address we can use.",
        action="Write it as the provider shows it, such as https://abc123.api.example.com.",
    )


# Names that lead nowhere but into somebody's own network (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal).
_PRIVATE_ENDS = frozenset(["arpa", "internal", "invalid", "lan", "local", "localdomain", "localhost", "test"])
USUAL_PORTS = {"https": 443, "http": 80}


def check_public_url(text: str, *, longest: int = 2048) -> str:
    """An address a customer wants to be called at, without blanks around; raises CampaignError `net.address-unusable`.

    https on its usual port, of a public host, with a path and a query; http, other ports and any host where private
    addresses are allowed. Nothing is looked up: where a name leads is judged each time we connect (evil input 26).
    """
    url = text.strip()
    parts = _read_url(url, without='#"<>') if len(url) <= longest else None
    usual = parts is not None and parts.port in {None, USUAL_PORTS[parts.scheme]}
    if parts is not None and (usual or settings.NET_ALLOW_PRIVATE) and _is_public(parts.hostname or ""):
        return url
    raise CampaignError(
        "net.address-unusable",
        "An https address of a public host is needed.",
        action="Write it as your program shows it, such as https://hooks.example.com/email.",
    )


def _read_url(url: str, *, without: str) -> SplitResult | None:
    """The parts of an address we could ask; None where it is none, names a person, or has one of the marks in it."""
    try:
        parts = urlsplit(url)
        if parts.port == 0:
            return None
    except ValueError:
        return None
    plain = url.isascii() and url.isprintable() and not any(mark in url for mark in f" \\{without}")
    schemes = {"https", "http"} if settings.NET_ALLOW_PRIVATE else {"https"}
    return parts if plain and parts.scheme in schemes and parts.hostname and "@" not in parts.netloc else None


def _is_public(host: str) -> bool:
    """As far as its looks go."""
    try:
        return is_allowed(str(ipaddress.ip_address(host)))
    except ValueError:
        labels = host.removesuffix(".").split(".")
    # Numbers that only some readers take for an address: 127.1, 2130706433, 0x7f000001 (WHATWG URL, "ends in a number").
    if not all(labels) or re.fullmatch(r"\d+|0x[0-9a-f]*", labels[-1]):
        return False
    return bool(settings.NET_ALLOW_PRIVATE) or (len(labels) > 1 and labels[-1] not in _PRIVATE_ENDS)
