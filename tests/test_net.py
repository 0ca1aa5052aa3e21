"""HTTP to others: where we connect, and what an answer may cost us."""

from __future__ import annotations

import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pytest_django import Settings

from campaigns.errors import CampaignError
from campaigns.net import http
from campaigns.net.destinations import NEVER, PRIVATE, NetError, check_base_url, is_allowed
from tests.http_server import Asked, LoopbackServer, Reply

FORBIDDEN = (
    "0.0.0.0",  # noqa: S104
    "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "192.0.0.8",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1",
    "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "8.8.8.8", "93.184.216.34", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450:4001::1")


@pytest.fixture
def server(settings: Settings) -> Iterator[LoopbackServer]:
    settings.NET_ALLOW_PRIVATE = True
    with LoopbackServer() as server:
        yield server


@pytest.mark.parametrize("address", FORBIDDEN)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    """Evil input 40: a stranger's address must not lead into our own network."""
    assert not is_allowed(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert is_allowed(address)


def test_the_opt_in_opens_private_networks_and_nothing_else(settings: Settings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    opened = [address for address in FORBIDDEN if is_allowed(address)]
    assert opened == [
        "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "172.16.0.1", "192.168.1.1", "::1", "fc00::1",
        "fd12:3456::1",
    ]  # fmt: skip


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "127.1"])
def test_no_spelling_of_loopback_connects(host: str, settings: Settings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    session = http.Session()  # knows http
    settings.NET_ALLOW_PRIVATE = False
    with pytest.raises(NetError) as caught:
        http.ask(session, "GET", f"http://{host}:9/")
    assert (caught.value.code, caught.value.left) == ("net.address-refused", False)


def test_a_name_is_looked_up_once_and_that_address_is_connected_to(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second look-up could give another address than the one that was judged."""
    asked: list[str] = []
    plain = socket.getaddrinfo

    def look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "api.example.com":
            asked.append(host)
            host = "127.0.0.1"
        return plain(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    answer = http.ask(http.Session(), "GET", f"http://api.example.com:{server.port}/")
    assert answer.status == 200
    assert asked == ["api.example.com"]
    assert server.asked[0].headers["Host"] == f"api.example.com:{server.port}"


def test_plain_http_is_for_private_networks_only() -> None:
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(), "GET", "http://1.1.1.1/")
    assert (caught.value.code, caught.value.left) == ("net.address-unusable", False)


@pytest.mark.parametrize("url", ["", "https://", "ftp://example.com", "https://a..b/", "https://" + "a" * 70 + ".com/"])
def test_an_address_that_is_none_sends_nothing(url: str) -> None:
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(), "GET", url)
    assert not caught.value.left


def test_a_redirect_is_an_answer_and_is_not_followed(server: LoopbackServer) -> None:
    server.answer = lambda _: Reply(302, b"", {"Location": f"{server.url}/elsewhere"})
    answer = http.ask(http.Session(), "POST", f"{server.url}/here", body=b"x")
    assert answer.status == 302
    assert [asked.path for asked in server.asked] == ["/here"]


def test_one_session_keeps_one_connection_and_no_cookie(server: LoopbackServer) -> None:
    server.answer = lambda _: Reply(headers={"Set-Cookie": "who=me"})
    session = http.Session()
    for _ in range(5):
        http.ask(session, "GET", server.url)
    assert server.connections == 1
    assert not any("Cookie" in asked.headers for asked in server.asked)


def test_a_proxy_of_the_environment_is_not_used(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert http.ask(http.Session(), "GET", server.url).status == 200


@pytest.mark.parametrize(
    "reply",
    [Reply(body=b"x" * 2000), Reply(raw=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 2000)],
)
def test_an_answer_that_is_too_long_is_not_read_to_its_end(server: LoopbackServer, reply: Reply) -> None:
    """Evil input 16."""
    server.answer = lambda _: reply
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(max_bytes=1000), "GET", server.url)
    assert (caught.value.code, caught.value.left) == ("net.answer-too-large", True)


def test_a_small_answer_that_unpacks_to_a_huge_one_is_not_unpacked(server: LoopbackServer) -> None:
    """Evil input 16."""
    packed = gzip.compress(bytes(100_000_000), 9)
    server.answer = lambda _: Reply(200, packed, {"Content-Encoding": "gzip"})
    tracemalloc.start()
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(max_bytes=1_000_000), "GET", server.url)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "net.answer-too-large"
    assert peak < 10_000_000


def test_an_answer_that_drips_for_ever_ends(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", -1.0)
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(), "GET", server.url)
    assert caught.value.code == "net.answer-too-large"


def test_silence_after_the_request_leaves_us_not_knowing(server: LoopbackServer) -> None:
    """SM-06."""
    server.answer = lambda _: Reply(pause=0.6)
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(silence=0.2), "GET", server.url)
    assert (caught.value.code, caught.value.left) == ("net.timeout", True)


def test_hanging_up_before_the_answer_leaves_us_not_knowing(server: LoopbackServer) -> None:
    server.answer = lambda _: Reply(hang_up=True)
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(), "GET", server.url)
    assert (caught.value.code, caught.value.left) == ("net.connection-lost", True)


def test_nobody_listening_means_nothing_left(server: LoopbackServer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(NetError) as caught:
            http.ask(http.Session(), "GET", f"http://127.0.0.1:{free.getsockname()[1]}/")
    assert (caught.value.code, caught.value.left) == ("net.unreachable", False)


def test_an_error_names_neither_address_nor_key(server: LoopbackServer) -> None:
    server.answer = lambda _: Reply(hang_up=True)
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(), "GET", f"{server.url}/secret", headers={"Authorization": "App s3cret"})
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [("3", 3.0), ("0", 0.0), ("99999", 3600.0), ("", None), ("-1", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None),
     ("9" * 40, None), ("٣", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_nothing(given: str, expected: float | None) -> None:
    assert http.Answer(429, {"Retry-After": given}, b"").retry_after() == expected


@pytest.mark.parametrize(
    "text", ["https://abc.api.example.com", "https://abc.api.example.com/ ", "https://example.com:8443/base"]
)
def test_a_base_address_is_kept_without_its_last_slash(text: str) -> None:
    assert check_base_url(text) == text.strip().rstrip("/")


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "http://example.com", "https://", "https://u:p@example.com", "https://example.com?x=1",
     "https://example.com#x", "https://exa mple.com", "https://example.com:0", "https://example.com:99999",
     "https://[::1", "javascript:alert(1)", "https://bücher.example", "https://a\r\nX: y"],
)  # fmt: skip
def test_what_is_no_base_address_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(CampaignError) as caught:
        check_base_url(text)
    assert caught.value.code == "net.address-unusable"


# --- TLS ----------------------------------------------------------------------------------------


def certificate(folder: Path, *, name: str) -> tuple[Path, Path]:
    """(certificate, key) files for a DNS name, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture
def tls_server(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[LoopbackServer, Path]]:
    """A server whose certificate is for api.example.com; every name leads to loopback."""
    settings.NET_ALLOW_PRIVATE = True
    cert, key = certificate(tmp_path, name="api.example.com")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    plain = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *args, **kwargs: plain("127.0.0.1", *args, **kwargs))
    with LoopbackServer(tls=context) as server:
        yield server, cert


def test_the_certificate_is_asked_for_by_name_although_we_connect_to_an_address(
    tls_server: tuple[LoopbackServer, Path],
) -> None:
    server, cert = tls_server
    answer = http.ask(http.Session(ca_file=str(cert)), "GET", f"https://api.example.com:{server.port}/")
    assert answer.status == 200


def test_a_certificate_of_another_name_is_refused(tls_server: tuple[LoopbackServer, Path]) -> None:
    server, cert = tls_server
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(ca_file=str(cert)), "GET", f"https://other.example.com:{server.port}/")
    assert (caught.value.code, caught.value.left) == ("net.certificate-invalid", False)
    assert server.asked == []


def test_a_certificate_nobody_vouches_for_is_refused(tls_server: tuple[LoopbackServer, Path]) -> None:
    server, _ = tls_server
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(), "GET", f"https://api.example.com:{server.port}/")
    assert (caught.value.code, caught.value.left) == ("net.certificate-invalid", False)


def test_a_server_that_speaks_no_tls_got_nothing(server: LoopbackServer) -> None:
    with pytest.raises(NetError) as caught:
        http.ask(http.Session(silence=1), "GET", f"https://127.0.0.1:{server.port}/")
    assert (caught.value.code, caught.value.left) == ("net.unreachable", False)
    assert server.asked == []


def test_the_forbidden_networks_leave_the_rest_of_the_internet_open() -> None:
    parts = [network for network in (*NEVER, *PRIVATE) if isinstance(network, ipaddress.IPv4Network)]
    assert sum(network.num_addresses for network in parts) < 2**32 * 0.16


def test_the_request_arrives_as_it_was_given(server: LoopbackServer) -> None:
    http.ask(http.Session(), "POST", f"{server.url}/a?b=c", body=b"\x00\xff", headers={"X-One": "two"})
    (asked,) = server.asked
    assert isinstance(asked, Asked)
    assert (asked.method, asked.path, asked.body, asked.headers["X-One"]) == ("POST", "/a?b=c", b"\x00\xff", "two")


def test_an_address_of_our_own_settings_may_lie_in_a_private_network_and_never_at_a_metadata_service() -> None:
    assert is_allowed("10.0.0.1", is_ours=True)
    assert not is_allowed("169.254.169.254", is_ours=True)
    assert not is_allowed("224.0.0.1", is_ours=True)


def test_a_service_of_ours_beside_us_is_asked_over_plain_http() -> None:
    with LoopbackServer() as ours:
        assert http.ask(http.Session(is_ours=True), "GET", ours.url).status == 200


def test_a_service_of_ours_elsewhere_is_never_asked_over_plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.1", 80))])
    with pytest.raises(NetError, match="address-refused"):
        http.ask(http.Session(is_ours=True), "GET", "http://vault.internal/")
