"""API keys on the screens: made, shown once, revoked; and each account's are its own."""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from campaigns.accounts.keys import CredentialRefused, authenticate, revoke_key
from campaigns.models import Account, ApiKey, Role
from tests.browser import LOOKS, MARKS
from tests.factories import make_account, make_api_key, make_user
from tests.hipaa_office import prove
from tests.office import squeeze

KEYS = "/admin/campaigns/apikey/"
FORM = {
    "name": "Web shop",
    "scopes": ["email:message:send", "email:logs:read"],
    "purpose": "transactional",
    "lane": "standard",
    "networks": "192.0.2.0/24\r\n 2001:db8::7 ",
    "max_per_second": "25",
}
SHOWN = re.compile(r"[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f-]{27}")


@pytest.fixture
def account(db: None) -> Account:
    return make_account(time_zone="Europe/Vilnius")


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


def make(door: Client, **change: Any) -> str:
    """Make a key on the screen; what the answer shows of it."""
    found = SHOWN.findall(door.post(f"{KEYS}add/", FORM | change).content.decode())
    assert len(set(found)) == 1
    return str(found[0])


def enter(text: str) -> Any:
    return authenticate(f"App {text}", remote="192.0.2.7", now=timezone.now())


def test_a_key_is_made_and_works(door: Client, account: Account) -> None:
    text = make(door)
    key = ApiKey.objects.get()
    assert enter(text).key == key
    assert (key.account, key.name, key.max_per_second) == (account, "Web shop", 25)
    assert key.networks == ["192.0.2.0/24", "2001:db8::7/128"]
    assert key.scopes == ["email:message:send", "email:logs:read"]
    assert key.created_by is not None


def test_the_page_that_shows_it_says_that_it_is_the_only_one(door: Client) -> None:
    answer = door.post(f"{KEYS}add/", FORM)
    page = squeeze(answer)
    assert "It will not be shown again." in page
    assert "no-store" in answer.headers["Cache-Control"]
    # Reloading shows the key's own page and makes no other.
    assert f'data-shown-once-at="{KEYS}{ApiKey.objects.get().public_id}/change/"' in answer.content.decode()


def test_it_is_nowhere_else(door: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        text = make(door)
        key = ApiKey.objects.get()
        pages = [door.get(f"{KEYS}{path}") for path in ("", f"{key.public_id}/change/", f"{key.public_id}/revoke/")]
    secret = text[33:]
    kept = [page.content.decode() for page in pages]
    kept += [str(session.get_decoded()) for session in Session.objects.all()]
    kept += [f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all()]
    kept += [str(door.cookies), *(record.getMessage() for record in caplog.records), str(ApiKey.objects.values().get())]
    assert not [text for text in kept if secret in text]
    assert LogEntry.objects.exists()


def test_the_last_day_is_a_day_of_the_account(door: Client) -> None:
    make(door, expires_on="2031-07-01")
    assert ApiKey.objects.get().expires_at == datetime(2031, 7, 1, 20, 59, 59, 999999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"scopes": []}, "This field is required"),
        ({"scopes": ["sms:manage"]}, "Select a valid choice"),
        ({"networks": "10.0.0.1/8"}, "One of the networks is no address"),
        ({"expires_on": "2020-01-01"}, "A key ends at a moment to come"),
        ({"expires_on": "9999-12-31"}, "Choose an earlier day"),
        ({"lane": "hipaa", "expires_on": "2098-01-01"}, "ends after 365 days"),
        ({"max_per_second": "0"}, "greater than or equal to 0.01"),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field(door: Client, change: dict[str, Any], words: str) -> None:
    page = html.unescape(door.post(f"{KEYS}add/", FORM | change).content.decode())
    assert re.search(rf'<ul class="errorlist" id="[^"]+"><li>[^<]*{re.escape(words)}', page)
    assert not ApiKey.objects.exists()


def test_a_key_of_the_hipaa_lane_takes_a_fresh_second_factor(client: Client, db: None) -> None:
    """B10: whoever comes back to an open screen does not make one."""
    account = make_account(baa_status="active")
    client.force_login(make_user(account, role=Role.OPERATOR))
    prove(client, minutes=11)
    asked = client.post(f"{KEYS}add/", FORM | {"lane": "hipaa"})
    assert asked["Location"].startswith("/admin/second-factor/confirm/")
    assert not ApiKey.objects.exists()
    prove(client)
    make(client, lane="hipaa")
    assert ApiKey.objects.get().lane == "hipaa"


def test_a_key_is_revoked_after_asking_once(door: Client, account: Account) -> None:
    key, text = make_api_key(account, name="Web shop")
    asked = squeeze(door.get(f"{KEYS}{key.public_id}/revoke/"))
    assert "refused at once, and for good" in asked
    enter(text)
    page = squeeze(door.post(f"{KEYS}{key.public_id}/revoke/", follow=True))
    assert "“Web shop” is revoked." in page
    with pytest.raises(CredentialRefused):
        enter(text)
    key.refresh_from_db()
    assert key.revoked_by is not None
    assert "Revoke…" not in squeeze(door.get(f"{KEYS}{key.public_id}/change/"))


def test_the_list_says_in_words_what_a_key_is(door: Client, account: Account) -> None:
    make_api_key(account, name="Everything")
    key, _ = make_api_key(account, name="Shop", scopes=["email:message:send", "email:logs:read"], lane="hipaa")
    ended, _ = make_api_key(account, name="Old")
    ApiKey.objects.filter(pk=ended.pk).update(expires_at=timezone.now() - timedelta(days=1))
    revoke_key(make_api_key(account, name="A revoked one")[0])
    page = squeeze(door.get(KEYS))
    for words in ("Send mail, Read the log", "Health information (HIPAA)", "Never", "Works", "Ended", "Revoked"):
        assert words in page
    assert key.prefix[:6] in page
    assert key.prefix not in page
    assert "email:" not in page
    # Those that are over come last.
    assert page.index("Everything") < page.index("A revoked one")


def test_the_navigation_leads_there(door: Client) -> None:
    assert f'href="{KEYS}"' in door.get("/admin/").content.decode()


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.OPERATOR}))
def test_only_operators_make_and_revoke_keys(client: Client, account: Account, role: str) -> None:
    key, text = make_api_key(account)
    client.force_login(make_user(account, role=role))
    assert client.get(KEYS).status_code == 200
    assert "Revoke…" not in client.get(f"{KEYS}{key.public_id}/change/").content.decode()
    assert client.get(f"{KEYS}add/").status_code == 403
    assert client.post(f"{KEYS}add/", FORM).status_code == 403
    assert client.post(f"{KEYS}{key.public_id}/revoke/").status_code == 403
    assert enter(text).key == key
    assert ApiKey.objects.count() == 1


def test_a_stranger_sees_and_revokes_nothing(client: Client, account: Account) -> None:
    """Evil input 40."""
    key, text = make_api_key(account, name="Secret plan")
    client.force_login(make_user(make_account(), role=Role.OPERATOR))
    assert "Secret plan" not in client.get(KEYS).content.decode()
    nobody = UUID(int=7)
    for view in ("change/", "revoke/", "delete/"):
        for method in (client.get, client.post):
            theirs, none = method(f"{KEYS}{key.public_id}/{view}"), method(f"{KEYS}{nobody}/{view}")
            assert (theirs.status_code, none.status_code) == (404, 404)
    assert enter(text).key == key


def test_an_operator_of_one_account_makes_no_key_of_another(client: Client, account: Account) -> None:
    """Evil input 40: who only watches an account cannot choose it."""
    user, other = make_user(account, role=Role.OPERATOR), make_account()
    other.memberships.create(user=user, role=Role.VIEWER)
    client.force_login(user)
    client.post(f"{KEYS}add/", FORM | {"account": str(other.pk)})
    assert not other.api_keys.exists()


def test_the_limit_of_an_account_is_set_on_its_page(door: Client, account: Account) -> None:
    page = door.get(f"/admin/campaigns/account/{account.public_id}/change/").content.decode()
    assert 'name="max_requests_per_second"' in page


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
class TestInABrowser:
    pytestmark = MARKS

    def test_a_key_from_making_to_revoking(self, open_eyes: Callable[..., Any], width: int, scheme: str) -> None:
        account = make_account(name="Green Garden")
        make_api_key(account, name="Newsletter import with quite a long name", lane="hipaa", scopes=["email:logs:read"])
        revoke_key(make_api_key(account, name="Old shop")[0])
        eyes = open_eyes(width, scheme, user=make_user(account, role=Role.OPERATOR))
        eyes.page.goto(KEYS)
        eyes.look("keys-list")
        eyes.press("Make a key")
        eyes.look("keys-form")
        eyes.page.fill("[name=name]", "Web shop")
        eyes.press("Make the key")
        shown = SHOWN.search(eyes.page.content())
        assert shown
        eyes.look("keys-made")
        eyes.page.reload()
        eyes.look("keys-page")
        assert shown[0] not in eyes.page.content()
        assert account.api_keys.filter(name="Web shop").count() == 1
        eyes.press("Revoke…")
        eyes.look("keys-revoke")
        eyes.press("Yes, revoke it")
        eyes.look("keys-revoked")
