"""Receivers that are slow, huge, gone or dishonest, and what we do then (infobip.md §2.5; evil inputs 26, 27)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
import trustme
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from campaigns.errors import CampaignError
from campaigns.models import (
    Account,
    BaaStatus,
    DeliveryState,
    EndpointState,
    Event,
    EventKind,
    Message,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookKind,
    WebhookMark,
    WebhookSecurity,
)
from campaigns.net.destinations import check_public_url
from campaigns.tracking import news, telling
from campaigns.webhooks import bell, claims, deliver, endpoints, retry
from campaigns.webhooks.addresses import host_of
from campaigns.webhooks.deliver import Call, Verdict, make_call, open_session
from campaigns.webhooks.endpoints import Wish
from campaigns.webhooks.signing import Signer
from tests.api import Program
from tests.http_server import Asked, Reply
from tests.receiver import ALL_KINDS, Receiver, happen, listen, receiver, tell_all

__all__ = ["receiver"]

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def program() -> Program:
    return Program()


def send(program: Program, *to: str, **changes: Any) -> Message:
    program.send(*(to or ("ann@example.com",)), **changes)
    program.work()
    return Message.objects.latest("pk")


def call(url: str) -> Verdict:
    return make_call(
        Call(1, url, "application/json", b"{}", "id-1", Signer()), session=open_session(), now=timezone.now()
    )


@pytest.mark.parametrize(
    ("attempts", "minutes"), [(1, 1), (2, 2), (3, 5), (4, 10), (5, 17), (6, 26), (7, 37), (20, 362), (21, None)]
)
def test_the_waits_between_attempts_are_infobips(attempts: int, minutes: int | None) -> None:
    """infobip.md §2.5."""
    assert retry.next_delay(attempts) == (None if minutes is None else timedelta(minutes=minutes))


def test_the_last_attempt_is_made_41_hours_and_30_minutes_after_the_first() -> None:
    waits = [retry.next_delay(number) or timedelta(0) for number in range(1, 22)]
    assert sum(waits, timedelta(0)) == timedelta(hours=41, minutes=30)


def test_an_endpoint_never_rests_longer_than_its_one_call_would_wait() -> None:
    assert all(retry.rest_after(number) <= (retry.next_delay(number) or timedelta.max) for number in range(1, 40))


def test_a_call_is_made_again_by_the_schedule_with_the_same_id_and_body(program: Program, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(500)
    program_endpoint, _ = listen(program, receiver.url)
    with time_machine.travel(NOW, tick=False) as clock:
        send(program)
        for wait in (0, 1, 2, 5, 10):
            clock.shift(timedelta(minutes=wait) - timedelta(seconds=1))
            tell_all()
            clock.shift(timedelta(seconds=1))
            tell_all()
        assert len(receiver.asked) == 5
        receiver.answer = lambda _: Reply(204)
        clock.shift(timedelta(minutes=17))
        tell_all()
    assert len({asked.headers["webhook-id"] for asked in receiver.asked}) == 1
    assert len({asked.body for asked in receiver.asked}) == 1
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.last_status) == (DeliveryState.DONE, 6, 204)
    endpoint = WebhookEndpoint.objects.get(pk=program_endpoint.pk)
    assert (endpoint.failures, endpoint.told_count, endpoint.failed_count) == (0, 1, 5)


def test_a_report_is_given_up_after_the_twentieth_retry(program: Program, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(500)
    message = program.message("ann@example.com") | {"webhooks": {"delivery": {"url": receiver.url}}}
    with time_machine.travel(NOW, tick=False) as clock:
        program.post("/email/4/messages", {"messages": [message]})
        program.work()
        for number in range(1, 25):
            tell_all()
            clock.shift(retry.next_delay(number) or timedelta(hours=7))
    assert len(receiver.asked) == 21
    assert WebhookDelivery.objects.get().state == DeliveryState.LOST


def test_tracking_events_keep_their_id(program: Program, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(500)
    listen(program, receiver.url, kinds=[WebhookKind.OPENED])
    with time_machine.travel(NOW, tick=False) as clock:
        happen(EventKind.OPENED, send(program))
        tell_all()
        clock.shift(timedelta(minutes=1))
        tell_all()
    assert len({event["eventId"] for event in receiver.events()}) == 1
    assert len(receiver.asked) == 2
    assert {asked.headers["webhook-id"] for asked in receiver.asked} == {receiver.events()[0]["eventId"]}


def test_410_stops_an_endpoint_and_what_happens_meanwhile_is_kept(program: Program, receiver: Receiver) -> None:
    """Evil input 27."""
    receiver.answer = lambda _: Reply(410)
    endpoint, _ = listen(program, receiver.url)
    send(program, "ann@example.com")
    tell_all()
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.state_because) == (
        EndpointState.FAILED,
        "The receiver says that it is gone for good (410).",
    )
    send(program, "bo@example.com")
    tell_all()
    assert len(receiver.asked) == 1
    receiver.answer = lambda _: Reply()
    endpoints.switch_on(endpoint)
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        tell_all()
    assert {report["to"] for report in receiver.results()} == {"ann@example.com", "bo@example.com"}


def test_410_of_an_address_in_a_request_gives_up_that_report_alone(program: Program, receiver: Receiver) -> None:
    receiver.answer = lambda asked: Reply(410 if asked.path == "/gone" else 200)
    send(program, "ann@example.com", webhooks={"delivery": {"url": f"{receiver.url}/gone"}})
    send(program, "bo@example.com", webhooks={"delivery": {"url": f"{receiver.url}/here"}})
    tell_all()
    assert sorted(row.state for row in WebhookDelivery.objects.all()) == [DeliveryState.DONE, DeliveryState.LOST]
    assert WebhookEndpoint.objects.get().state == EndpointState.ACTIVE


def test_an_endpoint_that_fails_for_a_day_is_stopped_with_a_reason(program: Program, receiver: Receiver) -> None:
    """Evil input 27."""
    receiver.answer = lambda _: Reply(503)
    endpoint, _ = listen(program, receiver.url)
    with time_machine.travel(NOW, tick=False) as clock:
        send(program)
        for _ in range(200):
            tell_all()
            clock.shift(timedelta(minutes=30))
    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.FAILED
    assert endpoint.state_because == "The receiver answered with status 503."
    assert retry.STOP_AFTER <= len(receiver.asked) <= 21


def test_an_endpoint_that_is_switched_off_is_told_nothing_and_nothing_is_kept(
    program: Program, receiver: Receiver
) -> None:
    endpoint, _ = listen(program, receiver.url)
    send(program, "ann@example.com")
    news.collect_news(now=timezone.now())
    endpoints.switch_off(endpoint)
    send(program, "bo@example.com")
    tell_all()
    endpoints.switch_on(endpoint)
    tell_all()
    assert receiver.asked == []
    assert [row.last_code for row in WebhookDelivery.objects.all()] == ["webhook.switched-off"]


def test_what_was_given_up_can_be_told_again(program: Program, receiver: Receiver) -> None:
    endpoint, _ = listen(program, receiver.url)
    stranger = Program()
    theirs, _ = listen(stranger, f"{receiver.url}/stranger")
    send(program, "ann@example.com")
    send(stranger, "bo@example.com")
    news.collect_news(now=timezone.now())
    WebhookDelivery.objects.update(state=DeliveryState.LOST, attempts=21)
    row = WebhookDelivery.objects.get(endpoint=endpoint)
    now = timezone.now()
    assert claims.replay(theirs, now=now, only=row.pk) == 0
    assert claims.replay(endpoint, now=now, since=now + timedelta(hours=1)) == 0
    assert claims.replay(endpoint, now=now, since=now - timedelta(hours=1)) == 1
    tell_all()
    assert [report["to"] for report in receiver.results()] == ["ann@example.com"]


def test_retry_after_is_respected(program: Program, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(429, headers={"Retry-After": "1800"})
    listen(program, receiver.url)
    with time_machine.travel(NOW, tick=False) as clock:
        send(program)
        tell_all()
        clock.shift(timedelta(minutes=29))
        tell_all()
        assert len(receiver.asked) == 1
        clock.shift(timedelta(minutes=2))
        tell_all()
        assert len(receiver.asked) == 2


# --- What a receiver may do to us -----------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limits in a hurry: the figures change, not what is done about them."""
    monkeypatch.setattr(deliver, "SECONDS", 0.6)
    monkeypatch.setattr(deliver, "SILENCE", 0.3)


def test_a_receiver_that_hangs_is_left_in_time(receiver: Receiver, short: None) -> None:
    """Evil input 27."""
    receiver.answer = lambda _: Reply(pause=20)
    started = time.monotonic()
    assert call(receiver.url) == Verdict(code="net.timeout")
    assert time.monotonic() - started < 15


@contextlib.contextmanager
def dripping(head: bytes) -> Iterator[str]:
    """The address of a server that says the head at once, and then one byte every tenth of a second."""

    def run(server: socket.socket) -> None:
        client, _ = server.accept()
        with contextlib.suppress(OSError), client:
            client.sendall(head)
            for _ in range(200):
                time.sleep(0.1)
                client.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=run, args=(server,))
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


def test_headers_that_drip_are_left_in_time(settings: Settings, short: None) -> None:
    """Evil input 27: each byte comes before the limit for silence."""
    settings.NET_ALLOW_PRIVATE = True
    started = time.monotonic()
    with dripping(b"HTTP/1.1 200 OK\r\nX-Long: ") as url:
        assert call(url).code in {"net.timeout", "net.connection-lost"}
        assert time.monotonic() - started < 15


def test_a_body_that_drips_changes_nothing_about_its_status(settings: Settings, short: None) -> None:
    """Evil input 27: the status says that it was told."""
    settings.NET_ALLOW_PRIVATE = True
    started = time.monotonic()
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n") as url:
        assert call(url).is_told
        assert time.monotonic() - started < 15


def test_an_answer_of_half_a_gigabyte_is_not_read(receiver: Receiver) -> None:
    """Evil input 27."""
    receiver.answer = lambda _: Reply(200, b"x" * (8 * 1024 * 1024), {"Content-Length": str(500 * 1024 * 1024)})
    started = time.monotonic()
    assert call(receiver.url).is_told
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_no_success_and_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: Reply(status, headers={"Location": f"{receiver.url}/inside"})
    assert call(f"{receiver.url}/here") == Verdict(status)
    assert [asked.path for asked in receiver.asked] == ["/here"]


def test_a_certificate_nobody_vouches_for_is_refused(settings: Settings) -> None:
    """Evil input 27."""
    settings.NET_ALLOW_PRIVATE = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with Receiver(tls=context) as server:
        assert call(f"https://localhost:{server.port}").code == "net.certificate-invalid"
    assert server.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/", "https://169.254.169.254/", "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/", "file:///etc/passwd", "gopher://example.com/", "http://example.com/",
        "https://example.com:25/", "https://example.com:8443/", "https://user:pw@example.com/", "https://example.com/#x",
        "https://", "javascript:alert(1)", "https://exa mple.com/", "https://example.com\\@inside/", "https://exämple.com/",
        "https://example.com/\r\nHost: inside", "", "https://example.com:0/", "https://example.com:99999/", "//example.com",
    ],
)  # fmt: skip
def test_an_address_that_leads_nowhere_good_is_refused_when_it_is_entered(url: str) -> None:
    """Evil input 26."""
    with pytest.raises(CampaignError) as caught:
        check_public_url(url)
    assert caught.value.code == "net.address-unusable"


@pytest.mark.parametrize("host", ["127.1", "2130706433", "localhost.", "0x7f.1", "localhost"])
def test_a_name_that_leads_to_us_is_refused_when_we_connect(host: str) -> None:
    """Evil input 26; what it leads to is judged at every call, so that it cannot change in between."""
    # Not every resolver knows the name with a dot behind it.
    answers = {"net.address-refused", "net.unreachable"} if host == "localhost." else {"net.address-refused"}
    assert call(f"https://{host}/").code in answers


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/a?b=c&d=%20", "https://hooks.example.com:443/", "https://1.1.1.1/x"]
)
def test_an_ordinary_address_is_kept_as_it_is(url: str) -> None:
    assert check_public_url(f" {url} ") == url


def test_calls_are_counted_by_host_and_port(settings: Settings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    assert host_of("https://Hooks.Example.com:443/a") == "hooks.example.com"
    assert host_of("https://[2606:4700::1]/") == "[2606:4700::1]"
    assert host_of("http://localhost:8080/") == "localhost:8080"


def test_an_address_in_a_request_that_cannot_be_called_is_refused(program: Program, receiver: Receiver) -> None:
    """Evil input 26."""
    message = program.message(webhooks={"delivery": {"url": "http://169.254.169.254/latest"}})
    assert program.post("/email/4/messages", {"messages": [message]}).status_code == 400
    assert WebhookEndpoint.objects.count() == 0


def test_a_slow_receiver_does_not_hold_up_the_others(program: Program, receiver: Receiver) -> None:
    """Evil input 27: the slow one answers only when the quick one has been told everything."""
    happened = threading.Event()

    def quick(_: Asked) -> Reply:
        if len(receiver.asked) == 20:
            happened.set()
        return Reply()

    def slow(_: Asked) -> Reply:
        return Reply(200 if happened.wait(8) else 500)

    receiver.answer = quick
    with Receiver(slow) as other:
        listen(program, other.url, kinds=[WebhookKind.OPENED], name="slow")
        listen(program, receiver.url, kinds=[WebhookKind.OPENED], name="quick")
        message = send(program)
        for _ in range(20):
            happen(EventKind.OPENED, message)
        tell_all()
        assert len(other.asked) == 20
    assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {(DeliveryState.DONE, 1)}


def test_a_receiver_that_fails_gets_one_call_and_then_rest(program: Program, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(500)
    endpoint, _ = listen(program, receiver.url, kinds=[WebhookKind.OPENED])
    message = send(program)
    for _ in range(30):
        happen(EventKind.OPENED, message)
    tell_all()
    assert len(receiver.asked) == 3
    assert receiver.most_at_once == 1
    waiting = WebhookDelivery.objects.filter(endpoint=endpoint)
    assert sorted(waiting.values_list("attempts", flat=True)) == [0] * 27 + [1] * 3


def test_a_receiver_that_answers_gets_several_calls_at_once_and_no_more(program: Program, receiver: Receiver) -> None:
    receiver.answer = lambda _: Reply(pause=0.02)
    listen(program, receiver.url, kinds=[WebhookKind.OPENED])
    message = send(program)
    for _ in range(40):
        happen(EventKind.OPENED, message)
    tell_all()
    assert len(receiver.asked) == 40
    assert 1 < receiver.most_at_once <= telling.LANES
    assert receiver.connections <= telling.LANES


# --- Once, and not less ---------------------------------------------------------------------------


def test_reading_the_ledger_twice_tells_once(program: Program, receiver: Receiver) -> None:
    listen(program, receiver.url, kinds=ALL_KINDS)
    happen(EventKind.OPENED, send(program))
    for _ in range(3):
        news.collect_news(now=timezone.now())
    WebhookMark.objects.update(seen=0, sure=0, mark=0)
    tell_all()
    assert (len(receiver.results()), len(receiver.events())) == (1, 1)


def test_a_worker_that_died_in_the_middle_leaves_its_work_to_the_next(program: Program, receiver: Receiver) -> None:
    endpoint, _ = listen(program, receiver.url)
    send(program)
    now = timezone.now()
    news.collect_news(now=now)
    taken = claims.take_endpoint(endpoint.pk, now=now)
    assert taken is not None
    assert len(claims.take_parcels(taken, now=now)) == 1
    assert claims.take_endpoint(endpoint.pk, now=now) is None
    tell_all()
    assert receiver.asked == []
    with time_machine.travel(now + claims.LEASE + timedelta(seconds=1)):
        tell_all()
    assert len(receiver.asked) == 1
    assert WebhookDelivery.objects.get().attempts == 2


def test_the_bell_is_silent_where_nobody_listens(
    program: Program, receiver: Receiver, django_assert_num_queries: Any
) -> None:
    other = Program()
    listen(other, receiver.url)
    bell.note_news(program.account.pk)
    with django_assert_num_queries(0):
        bell.note_news(program.account.pk)


def test_old_deliveries_are_forgotten_but_never_before_the_ledger_was_read_for_good(
    program: Program, receiver: Receiver
) -> None:
    listen(program, receiver.url)
    send(program)
    tell_all()
    later = timezone.now() + timedelta(days=8)
    WebhookMark.objects.update(sure=0)
    news.forget_old(now=later)
    assert WebhookDelivery.objects.count() == 1
    WebhookMark.objects.update(sure=Event.objects.latest("pk").pk)
    news.forget_old(now=later)
    assert WebhookDelivery.objects.count() == 0


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_committed_late_is_told_all_the_same(program: Program, receiver: Receiver) -> None:
    """A transaction that began before others may commit a lower number after they were read."""
    endpoint, _ = listen(program, receiver.url, kinds=[WebhookKind.OPENED])
    message = send(program)
    written, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with transaction.atomic():
            happen(EventKind.OPENED, message)
            written.set()
            go_on.wait(200)
        connection.close()

    thread = threading.Thread(target=write_slowly)
    thread.start()
    assert written.wait(60)
    happen(EventKind.OPENED, message)
    now = timezone.now()
    news.collect_news(now=now)
    news.collect_news(now=now)
    news.collect_news(now=now + timedelta(minutes=1))
    assert WebhookDelivery.objects.filter(endpoint=endpoint).count() == 1
    go_on.set()
    thread.join()
    told = WebhookDelivery.objects.filter(endpoint=endpoint)
    # Transactions of other tests on the same server, which began before, have to end as well.
    for minutes in range(2, 400):
        news.collect_news(now=now + timedelta(minutes=minutes))
        if told.count() == 2:
            break
        time.sleep(0.3)
    assert told.count() == 2
    mark = WebhookMark.objects.get()
    assert mark.sure == mark.mark


def test_settings_that_do_not_open_stop_a_webhook_until_they_are_entered_again(
    program: Program, receiver: Receiver
) -> None:
    endpoint, old = listen(program, receiver.url)
    WebhookEndpoint.objects.update(config_sealed=b"nonsense")
    send(program)
    tell_all()
    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.FAILED
    assert "cannot be opened" in endpoint.state_because
    fresh = endpoints.change_endpoint(endpoint, Wish("again", receiver.url, [WebhookKind.DELIVERY]))
    assert fresh not in {"", old}
    endpoints.switch_on(endpoint)
    tell_all()
    assert len(receiver.results()) == 1
    assert WebhookDelivery.objects.get().attempts == 1


@pytest.mark.parametrize("where", ["account", "request"])
def test_nothing_unsigned_leaves_under_an_agreement(program: Program, receiver: Receiver, where: str) -> None:
    """hipaa.md B10; also for what was set up before the agreement began."""
    if where == "account":
        listen(program, receiver.url, security=WebhookSecurity.NONE)
        send(program)
    else:
        send(program, webhooks={"delivery": {"url": receiver.url}})
    Account.objects.update(baa_status=BaaStatus.ACTIVE)
    tell_all()
    assert receiver.asked == []
    assert WebhookEndpoint.objects.get().state_because == "Under an agreement (BAA) every call is signed."
