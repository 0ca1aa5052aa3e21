"""HTTP to others: the only place that imports requests.

Every session has time limits, verifies certificates, follows no redirect, keeps no cookie, knows no proxy of the
environment, reads so much of an answer and no more, and connects only where `is_allowed` says: addresses are typed by
customers, and a name is looked up once, judged, and that very address is connected to. `ipaddress.is_global` is no such
guard: NAT64, 6to4 and multicast pass it.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import json
import math
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NameResolutionError, NewConnectionError
from urllib3.util import connection as urllib3_connection

from campaigns.errors import CampaignError

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0  # between two pieces of an answer
ANSWER_SECONDS = 120.0  # for a whole answer, however slowly it drips
ANSWER_BYTES = 4 * 1024 * 1024
# When the request of this thread must be over (time.monotonic()), however slowly the other side takes and gives bytes.
_over_at: ContextVar[float] = ContextVar("over_at", default=math.inf)
_PIECE = 16 * 1024

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


def _judge_addresses(host: str, port: int, *, may_reach: Callable[[str], bool] | None = None) -> list[str]:
    """Where a name leads that we may connect to; raises OSError for no name, _AddressRefused for none of its places."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is no label
        raise socket.gaierror from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if (may_reach or is_allowed)(address)]
    if not allowed:
        raise _AddressRefused
    return allowed


def connect(host: str, port: int, *, seconds: float) -> socket.socket:
    """A TCP connection for protocols other than HTTP; each later read and write may take so many seconds, too.

    Raises NetError `net.unreachable` or `net.address-refused`.
    """
    try:
        for address in _judge_addresses(host, port):
            with contextlib.suppress(OSError):
                return socket.create_connection((address, port), timeout=seconds)
    except OSError:
        pass
    except _AddressRefused:
        raise NetError("net.address-refused", left=False) from None
    raise NetError("net.unreachable", left=False)


def _seconds_left() -> float:
    left = _over_at.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _Reader(io.RawIOBase):
    """Reads from a socket until the request must be over: a limit for each read alone lets an answer drip for ever."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._sock, self._raw, self._silence = sock, sock.makefile("rb", buffering=0), sock.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(min(_seconds_left(), self._silence or math.inf))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Timed:
    """As much of a socket as an answer is read from."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, mode: str) -> io.BufferedReader:
        del mode
        return io.BufferedReader(_Reader(self._sock))


class _TimedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        source: Any = sock if _over_at.get() == math.inf else _Timed(sock)
        super().__init__(source, *args, **kwargs)


class _Guarded(HTTPConnection):
    """Connects to an address that was judged; Host, SNI and the certificate stay those of the name."""

    response_class = _TimedResponse

    @staticmethod
    def may_reach(address: str) -> bool:
        return is_allowed(address)

    def send(self, data: Any) -> None:
        if _over_at.get() == math.inf or not isinstance(data, bytes):
            super().send(data)
            return
        for start in range(0, len(data), _PIECE):
            left = _seconds_left()
            if self.sock is not None:
                self.sock.settimeout(left)
            super().send(data[start : start + _PIECE])

    def _new_conn(self) -> socket.socket:
        trouble: OSError | None = None
        for address in self._judged_addresses():
            try:
                patience = self.timeout if _over_at.get() == math.inf else min(_seconds_left(), self._patience())
                return urllib3_connection.create_connection(
                    (address, self.port),
                    patience,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except OSError as error:
                trouble = error
        raise NewConnectionError(self, "no address answers") from trouble

    def _patience(self) -> float:
        return float(self.timeout) if isinstance(self.timeout, (int, float)) else CONNECT_SECONDS

    def _judged_addresses(self) -> list[str]:
        try:
            return _judge_addresses(self._dns_host, self.port, may_reach=self.may_reach)
        except OSError as error:
            raise NameResolutionError(self.host, self, socket.gaierror()) from error
        except _AddressRefused as error:
            raise NewConnectionError(self, "refused") from error


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

    `seconds` is for a whole request with its answer, from the connection to the last byte we want.
    `is_ours` is for addresses in the installation's own settings, never for one a customer typed: they may lie in a
    private network, and on this machine be plain HTTP.
    """

    def __init__(
        self,
        *,
        silence: float = SILENCE_SECONDS,
        max_bytes: int = ANSWER_BYTES,
        ca_file: str | None = None,
        seconds: float = math.inf,
        is_ours: bool = False,
    ) -> None:
        super().__init__()
        self.seconds = seconds
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


@contextlib.contextmanager
def _in_time(session: Session) -> Iterator[None]:
    over = _over_at.set(time.monotonic() + session.seconds)
    try:
        yield
    except (requests.RequestException, OSError, ValueError) as error:
        # From None: the cause names the address.
        raise as_net_error(error) from None
    finally:
        _over_at.reset(over)


def ask(
    session: Session, method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request and its whole answer, whatever its status; raises NetError."""
    with _in_time(session):
        response = session.request(method, url, data=body, headers=dict(headers or {}))
    return Answer(response.status_code, response.headers, response.content)


def ask_status(
    session: Session, method: str, url: str, *, body: bytes, headers: Mapping[str, str] | None = None
) -> tuple[int, float | None]:
    """One request and the status of its answer, with its Retry-After; raises NetError.

    What else the answer says is of no interest: it is read as far as the session allows, so that the connection can be
    kept, and that it is too long or too slow changes nothing.
    """
    with _in_time(session):
        response = session.request(method, url, data=body, headers=dict(headers or {}), stream=True)
        with contextlib.closing(response), contextlib.suppress(requests.RequestException, OSError, HTTPError):
            for _ in response.raw.stream(_PIECE, decode_content=False):
                pass
    return response.status_code, read_retry_after(response.headers.get("Retry-After", ""))


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


# Names that lead nowhere but into somebody's own network (RFC 6761, RFC 6762, RFC 8375, ICANN's .internal).
_PRIVATE_ENDS = frozenset(["arpa", "internal", "invalid", "lan", "local", "localdomain", "localhost", "test"])
USUAL_PORTS = {"https": 443, "http": 80}


def check_public_url(text: str, *, longest: int = 2048) -> str:
    """An address a customer wants to be called at, without blanks around; raises CampaignError `net.address-unusable`.

    https on its usual port, of a public host, with a path and a query; http, other ports and any host where private
    addresses are allowed. Nothing is looked up: where a name leads is judged each time we connect (evil input 26).
    """
    url = text.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), 0
    plain = url.isascii() and url.isprintable() and not any(mark in url for mark in ' \\#"<>') and len(url) <= longest
    schemes = {"https", "http"} if settings.NET_ALLOW_PRIVATE else {"https"}
    usual = port is None or port == USUAL_PORTS.get(parts.scheme) or (settings.NET_ALLOW_PRIVATE and port > 0)
    if plain and usual and parts.scheme in schemes and "@" not in parts.netloc and _is_public(parts.hostname or ""):
        return url
    raise CampaignError(
        "net.address-unusable",
        "An https address of a public host is needed.",
        action="Write it as your program shows it, such as https://hooks.example.com/email.",
    )


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
