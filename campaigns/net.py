"""HTTP to others: the only place that imports requests.

Every session has time limits, verifies certificates, follows no redirect, keeps no cookie, knows no proxy of the
environment, reads so much of an answer and no more, and connects only where `is_allowed` says: addresses are typed by
customers, and a name is looked up once, judged, and that very address is connected to. `ipaddress.is_global` is no such
guard: NAT64, 6to4 and multicast pass it.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NameResolutionError, NewConnectionError
from urllib3.util import connection as urllib3_connection

from campaigns.errors import CampaignError

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0  # between two pieces of an answer
ANSWER_SECONDS = 120.0  # for a whole answer, however slowly it drips
ANSWER_BYTES = 4 * 1024 * 1024

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


class AnswerTooLarge(requests.RequestException):
    """The answer is longer, or takes longer, than anything we could want to read."""


class _AddressRefused(Exception):
    """The name leads only where we must not connect."""


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """A whole answer, redirects and errors included; its repr shows nothing."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        try:
            return json.loads(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def retry_after(self) -> float | None:
        """How long to wait, by the answer's header."""
        return read_retry_after(self.headers.get("Retry-After", ""))


def read_retry_after(text: str) -> float | None:
    """The seconds of Retry-After (RFC 9110 §10.2.3), up to an hour; None when it is a date, nonsense or absent."""
    given = text.strip()
    return min(float(given), 3600.0) if given.isascii() and given.isdigit() and len(given) < 10 else None


class _Guarded(HTTPConnection):
    """Connects to an address that was judged; Host, SNI and the certificate stay those of the name."""

    @staticmethod
    def may_reach(address: str) -> bool:
        return is_allowed(address)

    def _new_conn(self) -> socket.socket:
        trouble: OSError | None = None
        for address in self._judged_addresses():
            try:
                return urllib3_connection.create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                trouble = error
        raise NewConnectionError(self, "no address answers") from trouble

    def _judged_addresses(self) -> list[str]:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        # UnicodeError: a label that is no label.
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror()) from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [address for address in addresses if self.may_reach(address)]
        if not allowed:
            raise NewConnectionError(self, "refused") from _AddressRefused()
        return allowed


class _GuardedTls(_Guarded, HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            # A handshake that fails or stands still: told apart from an answer that does not come.
            raise NewConnectionError(self, "no TLS") from error


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTls


class _OurPlain(_Guarded):
    """Plain HTTP to a service beside us: what is asked there must not travel in the clear."""

    @staticmethod
    def may_reach(address: str) -> bool:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback


class _OurTls(_GuardedTls):
    @staticmethod
    def may_reach(address: str) -> bool:
        return is_allowed(address, is_ours=True)


class _OurPool(HTTPConnectionPool):
    ConnectionCls = _OurPlain


class _OurTlsPool(HTTPSConnectionPool):
    ConnectionCls = _OurTls


class _Capped:
    """The raw answer, which ends in AnswerTooLarge when it does not end by itself."""

    def __init__(self, raw: Any, *, max_bytes: int) -> None:
        self._raw, self._left, self._until = raw, max_bytes, time.monotonic() + ANSWER_SECONDS

    def stream(self, size: int, **options: Any) -> Iterator[bytes]:
        for chunk in self._raw.stream(size, **options):
            self._left -= len(chunk)
            if self._left < 0 or time.monotonic() > self._until:
                self._raw.close()
                raise AnswerTooLarge
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class _Adapter(HTTPAdapter):
    def __init__(self, *, max_bytes: int, connections: int, is_ours: bool) -> None:
        self._max_bytes = max_bytes
        super().__init__(pool_connections=4, pool_maxsize=connections)
        pools = {"http": _OurPool, "https": _OurTlsPool} if is_ours else {"http": _Pool, "https": _TlsPool}
        self.poolmanager.pool_classes_by_scheme = pools

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        response.raw = _Capped(response.raw, max_bytes=self._max_bytes)
        return response


class Session(requests.Session):
    """A kept connection to others; one thread uses it at a time. `ca_file` replaces the public authorities.

    `is_ours` is for addresses in the installation's own settings, never for one a customer typed: they may lie in a
    private network, and on this machine be plain HTTP.
    """

    def __init__(
        self,
        *,
        silence: float = SILENCE_SECONDS,
        max_bytes: int = ANSWER_BYTES,
        ca_file: str | None = None,
        is_ours: bool = False,
    ) -> None:
        super().__init__()
        self._times = (min(CONNECT_SECONDS, silence), silence)
        self._ca: str | bool = ca_file or True
        self.trust_env = False
        self.headers["User-Agent"] = "Sealpost"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.adapters.clear()
        adapter = _Adapter(max_bytes=max_bytes, connections=1, is_ours=is_ours)
        self.mount("https://", adapter)
        if settings.NET_ALLOW_PRIVATE or is_ours:
            self.mount("http://", adapter)

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs |= {"timeout": self._times, "allow_redirects": False, "verify": self._ca, "proxies": {}}
        return super().request(method, url, *args, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """No redirect is ever followed."""


def ask(
    session: Session, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request and its whole answer, whatever its status; raises NetError."""
    try:
        response = session.request(method, url, data=body, headers=dict(headers or {}))
    except (requests.RequestException, OSError, ValueError) as error:
        # From None: the cause names the address.
        raise as_net_error(error) from None
    return Answer(response.status_code, response.headers, response.content)


def as_net_error(error: BaseException) -> NetError:
    """What an error of a Session means."""
    if isinstance(error, AnswerTooLarge):
        return NetError("net.answer-too-large", left=True)
    if isinstance(error, ValueError) and not isinstance(error, requests.exceptions.JSONDecodeError):
        return NetError("net.address-unusable", left=False)
    if isinstance(error, requests.Timeout) and not isinstance(error, requests.ConnectTimeout):
        return NetError("net.timeout", left=True)
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    if not isinstance(reason, ConnectTimeoutError):
        return NetError("net.connection-lost", left=True)
    return NetError(_connect_code(reason.__cause__), left=False)


def _connect_code(trouble: BaseException | None) -> str:
    if isinstance(trouble, _AddressRefused):
        return "net.address-refused"
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return "net.certificate-invalid"
    return "net.unreachable"


def check_base_url(text: str) -> str:
    """An address somebody typed, without its last slash; raises CampaignError `net.address-unusable`.

    https (http too where private addresses are allowed), a host, perhaps a port and a path; nothing else. Where it
    leads is judged when we connect.
    """
    address = text.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        port_is_fine = parts.port != 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    schemes = {"https", "http"} if settings.NET_ALLOW_PRIVATE else {"https"}
    plain = address.isascii() and address.isprintable() and not any(mark in address for mark in " @?#\\")
    if plain and port_is_fine and parts.scheme in schemes and parts.hostname:
        return address
    raise CampaignError(
        "net.address-unusable",
        "This is not an address we can use.",
        action="Write it as the provider shows it, such as https://abc123.api.example.com.",
    )
