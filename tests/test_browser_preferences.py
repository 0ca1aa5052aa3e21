"""The preference page in a real browser, with JavaScript off: on a desk and on a phone, in light and in dark."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django_q.conf import Conf
from playwright.sync_api import expect

from campaigns.models import Subscription, SubscriptionState, TrackingChoice, TrackingLevel
from tests.browser import LOOKS, MARKS, Eyes
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
