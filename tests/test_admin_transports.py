"""Ways to send, through the admin's door: each kind asks for its own, and nothing secret comes back out."""

from __future__ import annotations

import html
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from campaigns.admin.transport_forms import SPECS
from campaigns.delivery.anymail_kinds import PROVIDERS
from campaigns.delivery.registry import KINDS, build_transport
from campaigns.models import Account, Role, Transport
from campaigns.outbox.pools import arrange_ways, assign_pool, choose_transport, create_pool, members_of
from campaigns.outbox.transports import callback_url, open_transport, read_config
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import make_account, make_domain, make_transport, make_user

TRANSPORTS = "/admin/campaigns/transport/"
INFOBIP = {
    "name": "Infobip",
    "kind": "infobip",
    "base_url": "https://abc123.api.example.com/",
    "api_key": "k3y-of-infobip",
    "mails_per_request": "100",
    "connections": "10",
    "max_per_second": "250",
}
ENTERED = {
    "api_key": "s3cret-a", "api_token": "s3cret-b", "secret_key": "s3cret-c", "server_token": "s3cret-d",
    "sender_domain": "mg.example.org", "webhook_signing_key": "s3cret-e", "tracking_secret": "s3cret-f",
    "connections": "5",
}  # fmt: skip


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


def read(door: Client, path: str) -> str:
    return html.unescape(door.get(f"{TRANSPORTS}{path}").content.decode())


def add_infobip(door: Client, account: Account, **change: str) -> Transport:
    door.post(f"{TRANSPORTS}add/", INFOBIP | change)
    return account.transports.get(kind="infobip")


def test_first_the_kind_is_chosen_from_all_there_are(door: Client) -> None:
    page = read(door, "add/")
    for name, kind in KINDS.items():
        assert f'href="?kind={name}"' in page
        assert kind.label in page
    assert set(SPECS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_asks_for_its_own_and_nothing_else(door: Client, kind: str) -> None:
    page = read(door, f"add/?kind={kind}")
    asked = {
        name for name in ("host", "base_url", "api_key", "server_token", "sender_domain") if f'name="{name}"' in page
    }
    expected = {
        "sandbox": set(), "smtp": {"host"}, "infobip": {"base_url", "api_key"}, "mailgun": {"api_key", "sender_domain"},
        "mailtrap": set(), "postmark": {"server_token"},
    }  # fmt: skip
    assert asked == expected.get(kind, {"api_key"})
    assert 'name="max_per_second"' in page
    assert ('name="connections"' in page) == (kind != "sandbox")


def test_infobip_is_stored_sealed_and_works(door: Client, account: Account, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        way = add_infobip(door, account)
    assert read_config(way) == {
        "base_url": "https://abc123.api.example.com", "api_key": "k3y-of-infobip", "mails_per_request": 100,
        "connections": 10,
    }  # fmt: skip
    assert way.max_per_second == 250
    assert b"k3y" not in bytes(way.config_sealed)
    assert "k3y" not in caplog.text
    open_transport(way).close()


@pytest.mark.parametrize("kind", PROVIDERS)
def test_every_provider_can_be_added_and_shows_no_secret_again(door: Client, account: Account, kind: str) -> None:
    page = door.post(f"{TRANSPORTS}add/", {"name": "Way", "kind": kind, **ENTERED}, follow=True).content.decode()
    way = account.transports.get(kind=kind)
    assert "s3cret" not in page
    assert "s3cret" not in read(door, f"{way.public_id}/change/")
    config = read_config(way)
    assert {entry.name: config[entry.name] for entry in PROVIDERS[kind].credentials} == {
        entry.name: ENTERED[entry.name] for entry in PROVIDERS[kind].credentials
    }
    assert config.get(PROVIDERS[kind].signing) == ENTERED.get(PROVIDERS[kind].signing)
    build_transport(kind, config, keep=lambda _: None).close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"base_url": ""}, "This field is required"),
        ({"base_url": "http://abc123.api.example.com"}, "not an address we can use"),
        ({"base_url": "https://user:pw@example.com"}, "not an address we can use"),
        ({"api_key": ""}, "This field is required"),
        ({"connections": "0"}, "greater than or equal to 1"),
        ({"connections": "101"}, "less than or equal to 100"),
        ({"mails_per_request": "1001"}, "less than or equal to 1000"),
        ({"max_per_second": "0"}, "greater than or equal to 0.01"),
        ({"name": "Sandbox"}, "Another way to send has this name"),
    ],
)
def test_what_cannot_work_is_refused_beside_its_field(
    door: Client, account: Account, change: dict[str, str], words: str
) -> None:
    page = html.unescape(door.post(f"{TRANSPORTS}add/", INFOBIP | change).content.decode())
    assert words in page
    assert "k3y-of" not in page
    assert not account.transports.filter(kind="infobip").exists()


def test_a_stored_key_is_kept_when_left_empty(door: Client, account: Account) -> None:
    way = add_infobip(door, account)
    url = f"{TRANSPORTS}{way.public_id}/change/"
    assert "Leave empty to keep it" in read(door, f"{way.public_id}/change/")
    door.post(url, INFOBIP | {"api_key": "", "connections": "3", "tracking": "on", "max_per_second": ""})
    way.refresh_from_db()
    config = read_config(way)
    assert (config["api_key"], config["connections"], config["tracking"]) == ("k3y-of-infobip", 3, True)
    assert way.max_per_second is None


@pytest.mark.parametrize("home", ["https://evil.example.org", "https://abc123.api.example.com.evil.example"])
def test_a_stored_key_does_not_follow_to_another_address(door: Client, account: Account, home: str) -> None:
    """Evil input 40: otherwise whoever may edit the form could have the key sent to a server of their own."""
    way = add_infobip(door, account)
    url = f"{TRANSPORTS}{way.public_id}/change/"
    page = door.post(url, INFOBIP | {"api_key": "", "base_url": home}).content.decode()
    assert "enter it again" in page
    way.refresh_from_db()
    assert read_config(way)["base_url"] == "https://abc123.api.example.com"


def test_a_key_of_a_provider_does_not_follow_to_another_address(door: Client, account: Account) -> None:
    door.post(f"{TRANSPORTS}add/", {"name": "Way", "kind": "postmark", **ENTERED})
    way = account.transports.get(kind="postmark")
    moved = {"name": "Way", "connections": "5", "server_token": "", "api_url": "https://evil.example.org"}
    assert "enter it again" in door.post(f"{TRANSPORTS}{way.public_id}/change/", moved).content.decode()
    way.refresh_from_db()
    assert "api_url" not in read_config(way)


def test_the_address_for_reports_is_shown_to_those_who_set_it_up(
    door: Client, account: Account, client: Client
) -> None:
    way = add_infobip(door, account)
    assert callback_url(way) in read(door, f"{way.public_id}/change/")
    assert "/callbacks/" not in read(door, f"{account.transports.get(kind='sandbox').public_id}/change/")
    client.force_login(make_user(account, role=Role.VIEWER))
    assert "/callbacks/" not in read(client, f"{way.public_id}/change/")


def stop(way: Transport) -> None:
    way.failures, way.broken_because = 50, "The provider does not answer."
    way.broken_until = timezone.now() + timedelta(minutes=30)
    way.save()


def test_a_stopped_way_says_why_and_is_tried_again_on_request(door: Client, account: Account) -> None:
    way = add_infobip(door, account)
    stop(way)
    page = read(door, f"{way.public_id}/change/")
    assert "Nothing leaves this way at the moment." in page
    assert "The provider does not answer." in page
    assert "Stopped" in read(door, "")
    door.post(f"{TRANSPORTS}{way.public_id}/try-again/")
    way.refresh_from_db()
    assert (way.failures, way.broken_until, way.broken_because) == (0, None, "")
    assert "Nothing leaves" not in read(door, f"{way.public_id}/change/")


def test_a_pause_that_is_over_is_no_news(door: Client, account: Account) -> None:
    way = add_infobip(door, account)
    stop(way)
    Transport.objects.filter(pk=way.pk).update(broken_until=timezone.now() - timedelta(seconds=1))
    assert "Nothing leaves" not in read(door, f"{way.public_id}/change/")


def test_new_settings_are_tried_at_once(door: Client, account: Account) -> None:
    way = add_infobip(door, account)
    stop(way)
    door.post(f"{TRANSPORTS}{way.public_id}/change/", INFOBIP)
    way.refresh_from_db()
    assert way.broken_until is None


def test_only_those_who_may_change_it_try_again(door: Client, account: Account, client: Client) -> None:
    """Evil input 40."""
    way = add_infobip(door, account)
    stop(way)
    url = f"{TRANSPORTS}{way.public_id}/try-again/"
    assert door.get(url).status_code == 405
    client.force_login(make_user(account, role=Role.VIEWER))
    assert client.post(url).status_code == 403
    client.force_login(make_user(make_account(), role=Role.OPERATOR))
    assert client.post(url).status_code == 404
    way.refresh_from_db()
    assert way.failures == 50


def test_a_person_with_several_accounts_says_which(client: Client, account: Account) -> None:
    user = make_user(account, role=Role.OPERATOR)
    other = make_account()
    other.memberships.create(user=user, role=Role.OPERATOR)
    client.force_login(user)
    assert "This field is required" in client.post(f"{TRANSPORTS}add/", INFOBIP).content.decode()
    client.post(f"{TRANSPORTS}add/", INFOBIP | {"account": str(other.pk)})
    assert other.transports.filter(kind="infobip").exists()


def test_a_kind_that_does_not_exist_is_chosen_again(door: Client) -> None:
    assert "How shall your mail leave?" in door.post(f"{TRANSPORTS}add/", {"kind": "pigeon"}).content.decode()


def test_plain_http_is_for_providers_in_the_own_network(door: Client, account: Account, settings: Settings) -> None:
    settings.NET_ALLOW_PRIVATE = True
    assert (
        read_config(add_infobip(door, account, base_url="http://10.0.0.7:8080"))["base_url"] == "http://10.0.0.7:8080"
    )


def test_a_pool_says_which_ways_are_used_and_for_which_domains(door: Client, account: Account) -> None:
    ways, foreign = [make_transport(account), make_transport(account)], make_transport(make_account())
    domain = make_domain(account)
    made = door.post("/admin/campaigns/transportpool/add/", {"name": "Receipts"})
    pool = account.transport_pools.get()
    places = {f"way-{ways[0].public_id}": "1", f"way-{ways[1].public_id}": "0", f"way-{foreign.public_id}": "0"}
    places[f"way-{account.transports.get(is_default=True).public_id}"] = "out"
    given = {"name": "Receipts", **places, f"domain-{domain.public_id}": "3"}
    door.post(made.headers["Location"], given)
    assert [member.transport for member in members_of(pool)] == ways[::-1]
    assert choose_transport(account, domain=domain) == ways[1]
    page = html.unescape(door.get(made.headers["Location"]).content.decode())
    assert pool.public_id.hex in page
    assert f"{ways[1]}, {ways[0]}" in page
    door.post(made.headers["Location"], dict.fromkeys(given, "out") | {"name": "Receipts"})
    assert not members_of(pool)
    assert choose_transport(account, domain=domain) != ways[1]
    again = door.post("/admin/campaigns/transportpool/add/", {"name": "Receipts"})
    assert "Another pool has this name." in again.content.decode()


class TestScreens:
    pytestmark = MARKS

    @pytest.mark.parametrize(("width", "scheme"), LOOKS)
    def test_ways_to_send_on_every_screen(self, open_eyes: Callable[..., Eyes], width: int, scheme: str) -> None:
        account = make_account(name="Green Garden")
        user = make_user(account, role=Role.OPERATOR)
        way = make_transport(account, name="Infobip", kind="infobip")
        stop(way)
        pool = create_pool(account, name="Receipts")
        arrange_ways(pool, places={way: 0})
        assign_pool(make_domain(account), pool=pool, priority=2)
        eyes = open_eyes(width, scheme, user=user)
        for name, path in {
            "ways": "",
            "choose": "add/",
            "infobip-new": "add/?kind=infobip",
            "mailgun-new": "add/?kind=mailgun",
            "relay-new": "add/?kind=smtp",
            "pools": "../transportpool/",
            "pool": f"../transportpool/{pool.public_id}/change/",
            "infobip": f"{way.public_id}/change/",
        }.items():
            eyes.page.goto(f"{TRANSPORTS}{path}")
            eyes.look(f"transport-{name}")
        eyes.press("Try again now")
        eyes.look("transport-tried")
