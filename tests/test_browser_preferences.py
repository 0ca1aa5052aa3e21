"""The preference page in a real browser, with JavaScript off: on a desk and on a phone, in light and in dark."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django.conf import settings
from django_q.conf import Conf
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Subscription, SubscriptionState, TrackingChoice, TrackingLevel
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import make_account, make_user
from tests.http_server import LoopbackServer, Reply
from tests.test_api_sending import PNG
from tests.test_preferences_page import Reader

pytestmark = MARKS


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_reader_chooses_what_they_get(open_eyes: Any, width: int, scheme: str) -> None:
    reader = Reader()
    reader.account.brand_color, reader.account.logo = "#b3261e", base64.b64decode(PNG)
    reader.account.logo_type = "image/png"
    reader.account.save()
    eyes: Eyes = open_eyes(width, scheme, user=None, scripts=False)
    page = eyes.page
    page.goto(f"/u/{reader.token}")
    eyes.look("60-unsubscribe")
    eyes.press("Choose what you get, and how often")
    eyes.look("61-preferences")
    page.get_by_label("Offers").check()
    page.get_by_label("At most one mail a week").check()
    page.get_by_label("Do not count anything about me").check()
    eyes.press("Save")
    expect(page.get_by_role("status")).to_contain_text("Saved")
    assert Subscription.objects.get(list=reader.offers).state == SubscriptionState.SUBSCRIBED
    assert TrackingChoice.objects.get().level == TrackingLevel.OFF
    eyes.press("Stop all marketing mail")
    page.get_by_text("Would you tell us why?").click()
    page.get_by_label("Too many mails").check()
    eyes.look("62-stopped")
    eyes.press("Send")
    expect(page.get_by_role("status")).to_contain_text("Thank you")
    page.get_by_text("Your data").click()
    eyes.press("Delete my data")
    eyes.look("63-mailed")
    page.goto(reader.confirmed())
    eyes.look("64-delete")
    eyes.press("Delete my data")
    expect(page.get_by_role("heading", name="Your data is deleted")).to_be_visible()
    eyes.look("65-deleted")


def test_one_click_from_a_webmail_page_heeds_no_cookie_the_browser_sends_un_08(
    open_eyes: Any, live_server: LiveServer
) -> None:
    """RFC 8058 §3.2: the token says who leaves, whoever is signed in here; no cookie is set."""
    reader = Reader()
    stranger = make_user(make_account(), role="operator")
    eyes: Eyes = open_eyes(1280, "light", user=stranger, scripts=False)
    window = eyes.page
    form = (
        f'<!doctype html><title>Mail</title><form method="post" action="{live_server.url}/u/{reader.token}">'
        '<button name="List-Unsubscribe" value="One-Click">Unsubscribe</button></form>'
    )
    with LoopbackServer(lambda _: Reply(200, form.encode(), {"Content-Type": "text/html"})) as webmail:
        # Another origin of the same site, so that the browser does send what it has for us.
        window.goto(webmail.url.replace("127.0.0.1", "localhost"))
        with window.expect_navigation() as led:
            window.get_by_role("button", name="Unsubscribe").click()
    assert settings.SESSION_COOKIE_NAME in led.value.request.all_headers()["cookie"]
    assert (led.value.status, led.value.text()) == (200, "You are unsubscribed.\n")
    assert Subscription.objects.get(list=reader.news).state == SubscriptionState.UNSUBSCRIBED
    assert "set-cookie" not in led.value.all_headers()
