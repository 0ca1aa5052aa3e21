"""The public unsubscribe page, through its door."""

import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client, override_settings
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Event, Subscription, Suppression, SuppressionScope
from tests.factories import make_user
from tests.test_unsubscribe import Sent

pytestmark = pytest.mark.django_db
ONE_CLICK = "List-Unsubscribe=One-Click"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = (
    b'--x1\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x1--\r\n',
    "multipart/form-data; boundary=x1",
)


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def client() -> Client:
    return Client(enforce_csrf_checks=True)


def path_of(sent: Sent) -> str:
    return f"/u/{sent.token}"


def one_click(client: Client, path: str, **extra: Any) -> Any:
    return client.post(path, ONE_CLICK, content_type=URLENCODED, **extra)


def state_of_the_world() -> tuple[Any, ...]:
    return (
        list(Suppression.objects.order_by("pk").values()),
        list(Subscription.objects.order_by("pk").values()),
        list(Event.objects.order_by("pk").values()),
    )


def test_one_click_urlencoded_is_answered_directly_un_05(client: Client, sent: Sent) -> None:
    answer = one_click(client, path_of(sent))
    assert (answer.status_code, answer.content) == (200, b"You are unsubscribed.\n")
    assert sent.scopes() == [(SuppressionScope.LIST, sent.weekly.pk)]


def test_one_click_multipart_is_answered_directly_un_05(client: Client, sent: Sent) -> None:
    answer = client.post(path_of(sent), MULTIPART[0], content_type=MULTIPART[1])
    assert (answer.status_code, answer.content) == (200, b"You are unsubscribed.\n")
    assert sent.scopes() == [(SuppressionScope.LIST, sent.weekly.pk)]


def test_one_click_sets_no_cookie_un_08(client: Client, sent: Sent) -> None:
    assert not one_click(client, path_of(sent)).cookies


@pytest.mark.parametrize("cookie", ["sessionid=x; csrftoken=x", "sessionid=; csrftoken=", "a=\xff; sessionid"])
def test_broken_cookies_are_not_answered_with_new_ones_un_08(client: Client, sent: Sent, cookie: str) -> None:
    answer = one_click(client, path_of(sent), headers={"cookie": cookie})
    assert answer.status_code == 200
    assert not answer.cookies


def test_one_click_a_hundred_times_is_one_unsubscribe_un_05(client: Client, sent: Sent) -> None:
    one_click(client, path_of(sent))
    before = state_of_the_world()
    assert {one_click(client, path_of(sent)).status_code for _ in range(99)} == {200}
    assert state_of_the_world() == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_no_other_method_changes_anything_un_06(client: Client, sent: Sent, method: str) -> None:
    before = state_of_the_world()
    for query in ("", "?List-Unsubscribe=One-Click&confirm=1&all_marketing=1"):
        answer = client.generic(method, path_of(sent) + query, ONE_CLICK, content_type=URLENCODED)
        assert answer.status_code == {"GET": 200, "HEAD": 200, "OPTIONS": 204}.get(method, 405)
    assert state_of_the_world() == before


def test_a_scanner_that_follows_the_link_does_not_use_it_up_un_06(client: Client, sent: Sent) -> None:
    for _ in range(10):
        client.get(path_of(sent))
        client.head(path_of(sent))
    assert one_click(client, path_of(sent)).status_code == 200
    assert sent.blocked(sent.weekly)


def test_the_page_asks_with_one_button_and_no_address_un_06(client: Client, sent: Sent) -> None:
    text = client.get(path_of(sent)).content.decode()
    assert text.count("<button") == 1
    assert "Green Garden" in text
    assert "Weekly news" in text
    assert "all marketing mail" in text
    assert sent.contact.email not in text


def test_the_form_of_the_page_works_without_the_one_click_key_un_07(client: Client, sent: Sent) -> None:
    answer = client.post(path_of(sent), "confirm=1", content_type=URLENCODED)
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.content.decode()
    assert sent.scopes() == [(SuppressionScope.LIST, sent.weekly.pk)]


def test_the_form_can_stop_all_marketing_un_12(client: Client, sent: Sent) -> None:
    answer = client.post(path_of(sent), "confirm=1&all_marketing=1", content_type=URLENCODED)
    assert "no more marketing mail" in answer.content.decode()
    assert (SuppressionScope.MARKETING, None) in sent.scopes()


def test_the_page_says_so_when_nothing_is_left_to_stop(client: Client, sent: Sent) -> None:
    sent.stop(all_marketing=True)
    text = client.get(path_of(sent)).content.decode()
    assert "already unsubscribed" in text
    assert "<button" not in text


@pytest.mark.parametrize(
    "path", ["/u/", "/u/x", "/u/x/y/z", "/u/" + "A" * 76, "/u/%00", "/u/%ff%fe", "/u/" + "9" * 3000]
)
def test_a_wrong_token_is_a_plain_404_un_04(client: Client, path: str) -> None:
    for answer in (client.get(path), one_click(client, path)):
        assert answer.status_code == 404
        assert "This page does not exist" in answer.content.decode()


def test_a_forged_token_looks_like_any_other_wrong_one_un_04(client: Client, sent: Sent) -> None:
    forged = path_of(sent)[:-1] + ("A" if sent.token[-1] != "A" else "B")
    first, second = one_click(client, forged), one_click(client, "/u/nonsense")
    assert (first.content, dict(first.headers)) == (second.content, dict(second.headers))


def test_a_last_slash_is_answered_where_it_is_un_09(client: Client, sent: Sent) -> None:
    assert client.get(path_of(sent) + "/").status_code == 200
    assert one_click(client, path_of(sent) + "/").status_code == 200
    assert sent.blocked(sent.weekly)


@override_settings(
    SECURE_SSL_REDIRECT=True, APPEND_SLASH=True, SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https")
)
@pytest.mark.parametrize("headers", [{}, {"x-forwarded-proto": "http"}, {"x-forwarded-proto": "https"}])
def test_nothing_redirects_behind_a_proxy_un_09(client: Client, sent: Sent, headers: dict[str, str]) -> None:
    assert one_click(client, path_of(sent), headers=headers).status_code == 200
    assert client.get(path_of(sent), headers=headers).status_code == 200


@pytest.mark.parametrize("language", ["tlh, art-x-klingon;q=0.9", "lt", "*", ",,,;q=", "x" * 900])
def test_an_unknown_language_changes_nothing_un_09(client: Client, sent: Sent, language: str) -> None:
    assert one_click(client, path_of(sent), headers={"accept-language": language}).status_code == 200


def test_another_host_name_is_refused_and_changes_nothing(client: Client, sent: Sent) -> None:
    before = state_of_the_world()
    assert one_click(client, path_of(sent), headers={"host": "evil.example"}).status_code == 400
    assert state_of_the_world() == before


def test_an_admin_session_makes_no_difference_un_08(client: Client) -> None:
    first, second = Sent(), Sent()
    operator = Client(enforce_csrf_checks=True)
    operator.force_login(make_user(second.account, is_superuser=True))
    answers = [one_click(client, path_of(first)), one_click(operator, path_of(second))]
    assert answers[0].content == answers[1].content
    assert dict(answers[0].headers) == dict(answers[1].headers)
    assert not answers[1].cookies
    assert not Suppression.objects.exclude(created_by=None).exists()


def test_the_page_with_an_admin_session_is_the_same_page_un_08(client: Client, sent: Sent) -> None:
    operator = Client()
    operator.force_login(make_user(is_superuser=True))
    first, second = client.get(path_of(sent)), operator.get(path_of(sent))
    assert (first.content, dict(first.headers)) == (second.content, dict(second.headers))


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_answer_is_not_stored_indexed_or_told_to_others(client: Client, sent: Sent, method: str) -> None:
    headers = getattr(client, method)(path_of(sent)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in headers["X-Robots-Tag"]
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Vary" not in headers


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("List-Unsubscribe=one-click", URLENCODED),
        ("LIST-UNSUBSCRIBE=ONE-CLICK", URLENCODED),
        (ONE_CLICK, "text/plain"),
        (ONE_CLICK, "application/json"),
        (ONE_CLICK, ""),
        (ONE_CLICK, "multipart/form-data"),
        ("--x\r\nrubbish", "multipart/form-data; boundary=x"),
        ("", URLENCODED),
        ("&" * 5000, URLENCODED),
        ("a=1&" * 1000, URLENCODED),
        (b"\xff\xfe\0%zz=%", URLENCODED),
        (ONE_CLICK, "text/html; charset=uft-8"),
        (ONE_CLICK + "&" + "x" * (10 * 1024 * 1024), URLENCODED),
    ],
)
def test_odd_posts_with_a_good_token_unsubscribe_and_never_fail_evil_30(
    client: Client, sent: Sent, body: str | bytes, content_type: str
) -> None:
    assert client.generic("POST", path_of(sent), body, content_type=content_type).status_code == 200
    assert sent.blocked(sent.weekly)
    assert not sent.blocked(sent.offers)


def test_names_are_escaped(client: Client, sent: Sent) -> None:
    sent.account.name = sent.weekly.name = "<script>alert(1)</script>"
    sent.account.save()
    sent.weekly.save()
    for answer in (client.get(path_of(sent)), client.post(path_of(sent), "confirm=1", content_type=URLENCODED)):
        assert "<script" not in answer.content.decode()


def test_the_log_names_nobody(client: Client, sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    one_click(client, path_of(sent))
    one_click(client, "/u/nonsense")
    assert sent.contact.email not in caplog.text


class TestOnTheWire:
    """What only shows with a real server and a client that does not behave."""

    pytestmark = pytest.mark.django_db(transaction=True)

    @pytest.fixture
    def wire(self, live_server: LiveServer) -> Iterator[socket.socket]:
        where = urlsplit(live_server.url)
        with socket.create_connection((str(where.hostname), where.port or 80), timeout=10) as connection:
            yield connection

    def ask(self, wire: socket.socket, *parts: bytes) -> bytes:
        for part in parts:
            wire.sendall(part)
        wire.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := wire.recv(65536):
            answer += chunk
        return answer

    def test_http_1_0_is_answered_evil_30(self, sent: Sent, wire: socket.socket) -> None:
        head = f"POST {path_of(sent)} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(ONE_CLICK)}\r\n\r\n"
        answer = self.ask(wire, head.encode(), ONE_CLICK.encode())
        assert b" 200 " in answer.split(b"\r\n")[0]
        assert sent.blocked(sent.weekly)

    def test_a_chunked_body_is_answered_evil_30(self, sent: Sent, wire: socket.socket) -> None:
        head = f"POST {path_of(sent)} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        answer = self.ask(wire, head.encode(), b"1a\r\n" + ONE_CLICK.encode() + b"\r\n0\r\n\r\n")
        assert b" 200 " in answer.split(b"\r\n")[0]
        assert sent.blocked(sent.weekly)

    def test_a_client_that_hangs_up_in_the_body_causes_no_error(self, sent: Sent, wire: socket.socket) -> None:
        head = f"POST {path_of(sent)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\nConnection: close\r\n\r\n"
        assert b" 500 " not in self.ask(wire, head.encode(), ONE_CLICK.encode()).split(b"\r\n")[0]

    def test_a_client_with_a_big_body_hears_the_answer_evil_30(self, sent: Sent, live_server: LiveServer) -> None:
        where = urlsplit(live_server.url)
        connection = HTTPConnection(str(where.hostname), where.port, timeout=30)
        connection.request("POST", path_of(sent), b"x" * (10 * 1024 * 1024), {"Content-Type": URLENCODED})
        assert connection.getresponse().status == 200
        connection.close()
        assert sent.blocked(sent.weekly)
