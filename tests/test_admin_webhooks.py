"""Webhooks on the screens: added, tried, stopped, told again; and each account's are its own."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from campaigns.models import (
    BaaStatus,
    DeliveryState,
    EndpointState,
    EventKind,
    Message,
    Role,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookKind,
    WebhookSecurity,
)
from campaigns.tracking import news
from campaigns.webhooks import claims, endpoints
from tests.api import Program
from tests.browser import LOOKS, MARKS
from tests.factories import make_account, make_user
from tests.http_server import Reply
from tests.office import squeeze
from tests.people import sign_in
from tests.receiver import ALL_KINDS, Receiver, happen, listen, receiver, tell_all

__all__ = ["receiver"]

HOOKS = "/admin/campaigns/webhookendpoint/"
FORM = {
    "name": "Shop backend",
    "url": "https://hooks.example.com/email",
    "kinds": ["1", "8"],
    "security": "standard",
    "algorithm": "SHA_256",
    "form": "json",
    "max_bucket": "100",
}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")


@pytest.fixture
def program(db: None) -> Program:
    return Program(make_account(name="Green Garden"))


@pytest.fixture
def door(client: Client, program: Program) -> Client:
    return sign_in(client, make_user(program.account, role=Role.OPERATOR))


def page_of(endpoint: WebhookEndpoint, view: str = "change") -> str:
    return f"{HOOKS}{endpoint.public_id}/{view}/"


def add(door: Client, **change: Any) -> Any:
    return door.post(f"{HOOKS}add/", FORM | change)


def test_a_webhook_is_added_and_its_secret_shown_once(
    door: Client, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = add(door)
        (secret,) = set(SECRET.findall(answer.content.decode()))
        endpoint = WebhookEndpoint.objects.get()
        pages = [door.get(page).content.decode() for page in (HOOKS, page_of(endpoint), page_of(endpoint, "log"))]
    assert (endpoint.account, endpoint.host, endpoint.max_bucket) == (program.account, "hooks.example.com", 100)
    assert endpoint.kinds == WebhookKind.DELIVERY | WebhookKind.CLICKED
    assert "no-store" in answer.headers["Cache-Control"]
    assert endpoints.read_config(endpoint).secret == secret
    kept = [*pages, *(str(session.get_decoded()) for session in Session.objects.all())]
    kept += [f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all()]
    kept += [str(door.cookies), *(record.getMessage() for record in caplog.records)]
    assert not [text for text in kept if secret in text]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://169.254.169.254/"}, "An https address of a public host is needed."),
        ({"url": "https://hooks.example.com:25/"}, "An https address of a public host is needed."),
        ({"kinds": []}, "This field is required."),
        ({"security": "basic"}, "Enter the user name and the password."),
        ({"max_bucket": "2001"}, "less than or equal to 2000"),
    ],
)
def test_what_cannot_work_is_said_beside_its_field(door: Client, change: dict[str, Any], words: str) -> None:
    assert words in squeeze(add(door, **change))
    assert not WebhookEndpoint.objects.exists()


def test_a_name_is_given_once(door: Client) -> None:
    add(door)
    assert "Another webhook has this name." in squeeze(add(door))
    assert WebhookEndpoint.objects.count() == 1


@pytest.mark.parametrize("security", ["none", "basic"])
def test_under_an_agreement_every_webhook_is_signed(door: Client, program: Program, security: str) -> None:
    """hipaa.md B10."""
    program.account.baa_status = BaaStatus.ACTIVE
    program.account.save()
    answer = add(door, security=security, username="ann", password="secret")
    assert "Under an agreement (BAA) every call is signed." in squeeze(answer)
    assert not WebhookEndpoint.objects.exists()


def test_a_password_does_not_follow_to_another_address(door: Client) -> None:
    add(door, security="basic", username="ann", password="pass word")
    endpoint = WebhookEndpoint.objects.get()
    change = FORM | {"security": "basic", "username": "ann", "password": ""}
    door.post(page_of(endpoint), change | {"name": "Renamed"})
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoints.read_config(endpoint).password) == ("Renamed", "pass word")
    answer = door.post(page_of(endpoint), change | {"url": "https://elsewhere.example.com/"})
    assert "Enter the user name and the password." in squeeze(answer)
    endpoint.refresh_from_db()
    assert endpoint.host == "hooks.example.com"


def test_another_kind_of_security_shows_a_new_secret(door: Client) -> None:
    add(door, security="none")
    endpoint = WebhookEndpoint.objects.get()
    answer = door.post(page_of(endpoint), FORM | {"security": "standard"})
    assert SECRET.search(answer.content.decode())


def test_a_new_secret_replaces_the_old_one_after_a_day(door: Client) -> None:
    (old,) = set(SECRET.findall(add(door).content.decode()))
    endpoint = WebhookEndpoint.objects.get()
    assert "For 24 hours every call is signed with both" in squeeze(door.get(page_of(endpoint, "secret")))
    assert endpoints.read_config(endpoint).secret == old
    (fresh,) = set(SECRET.findall(door.post(page_of(endpoint, "secret")).content.decode()))
    endpoint.refresh_from_db()
    config = endpoints.read_config(endpoint)
    assert (config.secret, config.old_secret) == (fresh, old)


def test_a_webhook_is_tried_at_once(door: Client, program: Program, receiver: Receiver) -> None:
    endpoint, secret = listen(program, receiver.url)
    page = squeeze(door.post(page_of(endpoint, "try"), follow=True))
    assert "It works. The receiver answered with status 200." in page
    (asked,) = receiver.asked
    headers = {name.lower(): value for name, value in asked.headers.items()}
    assert Webhook(secret).verify(asked.body, headers)["results"][0]["messageId"] == "test"
    receiver.answer = lambda _: Reply(500)
    page = squeeze(door.post(page_of(endpoint, "try"), follow=True))
    assert "It does not work yet. The receiver answered with status 500." in page
    assert WebhookEndpoint.objects.get().failures == 0


def test_a_webhook_is_switched_off_and_on(door: Client, program: Program, receiver: Receiver) -> None:
    endpoint, _ = listen(program, receiver.url)
    program.send("ann@example.com")
    happen(EventKind.SENT)
    news.collect_news(now=timezone.now())
    door.post(page_of(endpoint, "switch"), {"to": "off"})
    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.OFF
    assert "This webhook is switched off." in squeeze(door.get(page_of(endpoint)))
    assert "The webhook was switched off before it was told." in squeeze(door.get(page_of(endpoint, "log")))
    door.post(page_of(endpoint, "switch"), {"to": "on"})
    endpoint.refresh_from_db()
    assert endpoint.state == EndpointState.ACTIVE


def test_a_webhook_that_was_stopped_is_said_on_the_home_page(
    door: Client, program: Program, receiver: Receiver
) -> None:
    """Evil input 27: disabled with a notice."""
    endpoint, _ = listen(program, receiver.url, name="Shop backend")
    claims.stop_endpoint(endpoint, because="The receiver answered with status 503.")
    home = squeeze(door.get("/admin/"))
    assert "The webhook “Shop backend” is stopped." in home
    assert "The receiver answered with status 503." in home
    page = squeeze(door.get(page_of(endpoint)))
    assert "This webhook is stopped." in page
    assert "Switch it on again" in page


def test_the_log_says_what_happened_and_names_nobody(door: Client, program: Program, receiver: Receiver) -> None:
    endpoint, _ = listen(program, receiver.url, kinds=ALL_KINDS)
    program.send("ann@example.com")
    program.work()
    happen(EventKind.CLICKED)
    receiver.answer = lambda asked: Reply(500 if b"CLICKED" in asked.body else 200)
    tell_all()
    page = squeeze(door.get(page_of(endpoint, "log")))
    assert re.search(r"Clicks .*? Waiting 500 1", page)
    assert re.search(r"Delivery reports .*? Told 200 1", page)
    assert "ann@" not in page
    assert "Clicks" not in squeeze(door.get(page_of(endpoint, "log"), {"state": "1"}))


def test_what_was_given_up_is_told_again_by_one_and_by_period(
    door: Client, program: Program, receiver: Receiver
) -> None:
    endpoint, _ = listen(program, receiver.url)
    for name in ("ann", "bo"):
        program.send(f"{name}@example.com")
    program.work()
    news.collect_news(now=timezone.now())
    WebhookDelivery.objects.update(state=DeliveryState.LOST)
    first = WebhookDelivery.objects.order_by("pk")[0]
    assert "1 will be told again." in squeeze(door.post(page_of(endpoint, "replay"), {"call": first.pk}, follow=True))
    tell_all()
    assert len(receiver.results()) == 1
    assert "1 will be told again." in squeeze(door.post(page_of(endpoint, "replay"), {"period": "hour"}, follow=True))
    tell_all()
    assert len(receiver.results()) == 2
    assert "There was nothing to tell again." in squeeze(
        door.post(page_of(endpoint, "replay"), {"period": "hour"}, follow=True)
    )


def test_a_host_that_requests_name_is_shown_and_cannot_be_changed(
    door: Client, program: Program, receiver: Receiver
) -> None:
    program.send(webhooks={"delivery": {"url": f"{receiver.url}/secret-path"}})
    endpoint = WebhookEndpoint.objects.get()
    page = squeeze(door.get(page_of(endpoint)))
    assert "Requests of your programs name addresses at this host themselves" in page
    assert "secret-path" not in page
    assert door.post(page_of(endpoint, "switch"), {"to": "off"}).status_code == 409
    assert door.post(page_of(endpoint, "delete"), {"post": "yes"}).status_code == 403
    assert WebhookEndpoint.objects.get().state == EndpointState.ACTIVE


@pytest.mark.parametrize("view", ["change", "try", "secret", "switch", "log", "replay", "delete"])
def test_a_stranger_gets_the_same_as_for_one_that_does_not_exist(door: Client, receiver: Receiver, view: str) -> None:
    theirs, _ = listen(Program(), receiver.url)
    for method in (door.get, door.post):
        answer = method(page_of(theirs, view))
        nobody = method(f"{HOOKS}{uuid4()}/{view}/")
        assert (answer.status_code, nobody.status_code) == (404, 404)
        assert squeeze(answer) == squeeze(nobody)
    assert str(theirs.public_id) not in door.get(HOOKS).content.decode()
    assert receiver.asked == []


@pytest.mark.parametrize("role", [role for role in Role if role != Role.OPERATOR])
def test_who_may_only_look_changes_nothing(client: Client, program: Program, receiver: Receiver, role: Role) -> None:
    endpoint, _ = listen(program, f"{receiver.url}/secret-path", name="Shop", security=WebhookSecurity.NONE)
    client.force_login(make_user(program.account, role=role))
    page = client.get(page_of(endpoint)).content.decode()
    assert "Your role lets you see this, not change it." in page
    assert "secret-path" not in page
    assert client.get(page_of(endpoint, "log")).status_code == 200
    for view in ("change", "try", "secret", "switch", "replay", "delete"):
        assert client.post(page_of(endpoint, view), FORM | {"post": "yes"}).status_code == 403
    assert client.get(f"{HOOKS}add/").status_code == 403
    assert receiver.asked == []


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
class TestLooks:
    pytestmark = MARKS

    def test_the_screens_are_fit_to_be_seen(
        self, open_eyes: Callable[..., Any], width: int, scheme: str, receiver: Receiver
    ) -> None:
        program = Program(make_account(name="Green Garden"))
        user = make_user(program.account, role=Role.OPERATOR)
        program.send("ann@example.com", webhooks={"delivery": {"url": "https://orders.example.com/hook"}})
        Message.objects.update(state="sent", sent_at=timezone.now())
        listen(program, receiver.url, name="Newsletter statistics", kinds=ALL_KINDS)
        stopped, _ = listen(program, "https://crm.example.com/in", name="Customer database")
        for kind in (EventKind.SENT, EventKind.OPENED, EventKind.CLICKED, EventKind.COMPLAINED):
            happen(kind)
        news.collect_news(now=timezone.now())
        rows = WebhookDelivery.objects.order_by("pk")
        rows.filter(kind=WebhookKind.CLICKED).update(state=DeliveryState.LOST, attempts=21, last_status=503)
        rows.filter(kind=WebhookKind.OPENED).update(state=DeliveryState.DONE, attempts=1, last_status=200)
        rows.filter(kind=WebhookKind.COMPLAINED).update(attempts=2, last_code="net.timeout")
        claims.stop_endpoint(stopped, because="The receiver did not answer in time.")
        eyes = open_eyes(width, scheme, user=user)
        eyes.page.goto("/admin/")
        eyes.look("webhooks-home")
        eyes.page.goto(HOOKS)
        eyes.look("webhooks-list")
        eyes.page.goto(page_of(stopped))
        eyes.look("webhooks-stopped")
        eyes.page.goto(page_of(WebhookEndpoint.objects.get(name="Newsletter statistics"), "log"))
        eyes.look("webhooks-log")
        eyes.page.goto(f"{HOOKS}add/")
        eyes.look("webhooks-add")
        eyes.page.get_by_label("Name", exact=True).fill("Shop backend")
        eyes.page.get_by_role("textbox", name="Address").fill("https://hooks.example.com/email")
        eyes.press("^Add$")
        eyes.look("webhooks-made")
        assert eyes.page.url.endswith("/change/")
