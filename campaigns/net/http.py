"""HTTP to others: the only place that imports requests.

Every session has time limits, verifies certificates, follows no redirect, keeps no cookie, knows no proxy of the
environment, reads so much of an answer and no more, and connects only where `destinations` says.
"""

from __future__ import annotations

import contextlib
import io
import ipaddress
import json
import math
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, MaxRetryError, NameResolutionError, NewConnectionError
from urllib3.util import connection as urllib3_connection

from campaigns.net.destinations import AddressRefused, NetError, is_allowed, judge_addresses

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 60.0  # between two pieces of an answer
ANSWER_SECONDS = 120.0  # for a whole answer, however slowly it drips
ANSWER_BYTES = 4 * 1024 * 1024
# When the request of this thread must be over (time.monotonic()), however slowly the other side takes and gives bytes.
_over_at: ContextVar[float] = ContextVar("over_at", default=math.inf)
_PIECE = 16 * 1024


class AnswerTooLarge(requests.RequestException):
    """The answer is longer, or takes longer, than anything we could want to read."""


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
            return judge_addresses(self._dns_host, self.port, may_reach=self.may_reach)
        except OSError as error:
            raise NameResolutionError(self.host, self, socket.gaierror()) from error
        except AddressRefused as error:
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
    if isinstance(trouble, AddressRefused):
        return "net.address-refused"
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return "net.certificate-invalid"
    return "net.unreachable"
