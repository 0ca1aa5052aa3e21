"""The test console: requests as programs make them, answered by the API itself, with mail that never leaves the house."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone

from campaigns.accounts.vouching import find_vouched
from campaigns.models import Account, BaaStatus, Message, MessageState, Role, SandboxMail, Submission, Transport, Trial
from campaigns.outbox import trials
from campaigns.outbox.deliveries import Search, take_reports
from campaigns.outbox.dispatch import dispatch_stream
from campaigns.outbox.transports import seal_config
from tests.api import Program
from tests.browser import LOOKS, MARKS
from tests.factories import make_account, make_domain, make_user, make_version
from tests.people import sign_in

CONSOLE = "/admin/campaigns/apikey/console/"


@pytest.fixture
def account(db: None) -> Account:
    """An account whose mail leaves by a relay that nobody answers at."""
    account = make_account()
    relay = Transport.objects.get(account=account)
    relay.kind, relay.name = "smtp", "Relay"
    relay.config_sealed = seal_config(relay, config={"host": "127.0.0.1", "port": 9, "security": "none"})
    relay.save()
    make_domain(account, name="news.example.org")
    return account


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


def fill(**change: Any) -> dict[str, Any]:
    fields = {"endpoint": "messages", "sender": "Shop <shop@news.example.org>", "to": "ann@example.com", "subject": "Hi",
              "text": "It is on its way.", "source": "fields", "act": "send"}  # fmt: skip
    return fields | change


def send(door: Client, **change: Any) -> str:
    """Send a request from the console; the page of what came of it, after the workers have run."""
    response = door.post(CONSOLE, fill(**change))
    assert response.status_code == 302, response.content.decode()
    for pk in Transport.objects.values_list("pk", flat=True):
        dispatch_stream(pk, linger=timedelta(0))
    return door.get(response["Location"]).content.decode()


@pytest.mark.parametrize("endpoint", ["messages", "form", "mime"])
def test_a_request_is_answered_and_its_mail_is_in_the_sandbox_whatever_way_out_the_account_has(
    door: Client, account: Account, endpoint: str
) -> None:
    page = send(door, endpoint=endpoint, attach="on", bcc="bob@example.com")
    assert ">200</span>" in page
    assert set(SandboxMail.objects.values_list("recipient", flat=True)) == {"ann@example.com", "bob@example.com"}
    ways = Submission.objects.values_list("transport__kind", "transport__is_default")
    assert set(ways) == {("sandbox", False)}
    assert str(SandboxMail.objects.filter(recipient="ann@example.com").get().public_id) in page
    assert "GET /email/4/logs" in page


def test_nothing_reaches_the_relay_of_the_account(door: Client, account: Account) -> None:
    """The relay has nothing to do even for its own worker, and knows no failure."""
    send(door)
    relay = Transport.objects.get(account=account, is_default=True)
    assert not Message.objects.filter(stream=relay.pk).exists()
    assert (relay.failures, relay.broken_until) == (0, None)
    assert Message.objects.get().state == MessageState.SENT


def test_a_bad_body_shows_what_the_api_says_of_it(door: Client) -> None:
    page = send(door, source="hand", body='{"messages": [{"sender": 5}]}')
    assert ">400</span>" in page
    assert "messages[0].sender" in page
    assert "must be a string" in page
    assert "took no mail" in page
    assert "must be readable JSON" in send(door, source="hand", body="{")


def test_values_and_templates_travel_as_programs_send_them(door: Client, account: Account) -> None:
    template = make_version(account).template
    people = "ann@example.com, first_name=Ann\nbob@example.com"
    send(door, to=people, defaults="first_name=customer", template=template.pk)
    assert set(SandboxMail.objects.values_list("subject", flat=True)) == {"News for Ann", "News for customer"}


def test_the_body_is_written_out_and_then_sent_as_it_was_changed(door: Client) -> None:
    page = door.post(CONSOLE, fill(act="write")).content.decode()
    assert "&quot;destination&quot;: &quot;ann@example.com&quot;" in page
    assert not Trial.objects.exists()
    assert ">200</span>" in send(door, endpoint="form", source="hand", body=form_body("Changed"))
    assert SandboxMail.objects.get().subject == "Changed"


def form_body(subject: str) -> str:
    parts = {"from": "shop@news.example.org", "to": "ann@example.com", "subject": subject, "text": "x"}
    lines = [f'--b\nContent-Disposition: form-data; name="{name}"\n\n{value}\n' for name, value in parts.items()]
    return "".join(lines) + "--b--\n"


def test_the_key_is_masked_and_the_request_is_shown_for_shells_and_clients(door: Client) -> None:
    page = send(door)
    assert "Authorization: App ••••••••" in page
    assert "curl -X POST" in page
    assert "models.EmailRequest.from_json" in page


def test_a_try_repeats_nothing_that_was_sent_and_programs_hear_nothing_of_it(account: Account, door: Client) -> None:
    """What an order's mail was tried with must not swallow the order's mail."""
    program = Program(account)
    body = {"messages": [program.message(content={"subject": "Order"})]}
    body["messages"][0]["destinations"][0]["to"][0]["messageId"] = "order-1"
    send(door, source="hand", body=str(body).replace("'", '"'))
    assert not take_reports(account, Search(), limit=10, now=timezone.now())
    assert program.post("/email/4/messages", body).status_code == 200
    assert Message.objects.filter(client_id="order-1").count() == 2


def test_nobody_can_vouch_for_a_request_from_outside(account: Account, door: Client) -> None:
    """hipaa.md R1: what comes over the network is a request of Django's own class, signed in or not."""
    response = door.post("/email/4/messages", b"{}", "application/json", headers={"X-Vouched": "1"})
    assert response.status_code == 401
    assert find_vouched(RequestFactory().post("/email/4/messages")) is None


@pytest.mark.parametrize("role", [Role.AUTHOR, Role.VIEWER])
def test_who_makes_no_keys_finds_no_console(client: Client, account: Account, role: str) -> None:
    client.force_login(make_user(account, role=role))
    assert client.get(CONSOLE).status_code == 404
    assert "Test console" not in client.get("/admin/").content.decode()


def test_a_stranger_sees_no_try_of_others(client: Client, door: Client, account: Account) -> None:
    send(door)
    trial = Trial.objects.get()
    stranger = Client()
    stranger.force_login(make_user(make_account(), role=Role.OPERATOR))
    for path in (
        f"{CONSOLE}{trial.public_id}/",
        f"{CONSOLE}{trial.public_id}/mails/",
        f"{CONSOLE}?again={trial.public_id}",
    ):
        assert stranger.get(path).status_code == 404
    answer = stranger.post(CONSOLE, fill(account=account.pk))
    assert Trial.objects.filter(account=account).count() == 1, answer.status_code


def test_an_account_under_an_agreement_is_refused(client: Client, db: None) -> None:
    """hipaa.md R1: ordinary doors are closed to it, the console with them."""
    account = make_account(baa_status=BaaStatus.PENDING)
    sign_in(client, make_user(account, role=Role.OPERATOR))
    assert client.get(CONSOLE).status_code == 403
    assert client.post(CONSOLE, fill()).status_code == 403


def test_tries_are_sealed_and_forgotten_after_two_days(door: Client) -> None:
    send(door)
    trial = Trial.objects.get()
    assert b"ann@example.com" not in bytes(trial.exchange_sealed)
    assert trials.forget_old(now=timezone.now() + timedelta(days=1)) == 0
    assert trials.forget_old(now=timezone.now() + timedelta(days=2, minutes=1)) == 1


class TestLooks:
    """One journey in a browser: a sample, a mistake, the answer."""

    pytestmark = MARKS

    @pytest.mark.parametrize(("width", "scheme"), LOOKS)
    def test_the_console(self, open_eyes: Any, account: Account, width: int, scheme: str) -> None:
        eyes = open_eyes(width, scheme, user=make_user(account, role=Role.OPERATOR))
        eyes.page.goto(f"{CONSOLE}?sample=fault")
        eyes.look("console")
        eyes.press("Send to the sandbox")
        eyes.look("console-mistake")
        eyes.page.goto(f"{CONSOLE}?sample=values")
        eyes.press("Send to the sandbox")
        for pk in Transport.objects.filter(kind="sandbox").values_list("pk", flat=True):
            dispatch_stream(pk, linger=timedelta(0))
        eyes.page.get_by_role("link", name="Read the mail").first.wait_for()
        eyes.look("console-answer")
