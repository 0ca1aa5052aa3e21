"""The public archive without JavaScript, the mail in a browser, and stored mail, as people see them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from django_q.conf import Conf
from playwright.sync_api import expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from campaigns.models import KeptMail, Role
from campaigns.reading import archive
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import make_account, make_user
from tests.test_api_sending import PNG
from tests.test_reading import Sent

pytestmark = MARKS


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_mails_are_read_again(
    open_eyes: Any, live_server: LiveServer, settings: Settings, width: int, scheme: str
) -> None:
    settings.PUBLIC_URL = settings.TRACKING_URL = live_server.url
    account = make_account(
        name="Green Garden", has_public_archive=True, active_storage_days=5, archive_storage_days=365,
        brand_color="#2e7d32", logo=base64.b64decode(PNG), logo_type="image/png",
    )  # fmt: skip
    sent = Sent(account)
    archive.set_in_archive(sent.campaign, shown=True)
    eyes: Eyes = open_eyes(width, scheme, user=None, scripts=False)
    page = eyes.page
    page.goto(f"/archive/{account.slug}/")
    eyes.look("70-archive")
    eyes.press("News for reader")
    eyes.look("71-issue")
    mail = page.frame_locator("iframe")
    expect(mail.get_by_text("Hello reader")).to_be_visible()
    with page.context.expect_page() as opened:
        mail.get_by_role("link", name="Read in the browser").click()
    expect(opened.value).to_have_url(f"{live_server.url}{archive.issue_path(sent.campaign)}")

    eyes = open_eyes(width, scheme, user=None)
    eyes.page.goto(sent.link)
    expect(eyes.page.get_by_text("Hello Ona & co, Oni")).to_be_visible()
    # Scripts are on in this browser, and the mail has one: its policy stopped it.
    assert eyes.page.title() == "News"

    eyes = open_eyes(width, scheme, user=make_user(account, role=Role.OPERATOR))
    page = eyes.page
    page.goto("/admin/campaigns/keptmail/")
    eyes.look("72-stored")
    page.get_by_label("To").fill("ona@example.com")
    eyes.press("Find")
    eyes.press("News for Ona")
    expect(page.frame_locator("iframe").get_by_text("Hello Ona & co, Oni")).to_be_visible()
    eyes.look("73-stored-mail")
    page.goto(f"/admin/campaigns/campaign/{sent.campaign.public_id}/")
    expect(page.get_by_text("Everybody can read this mail")).to_be_visible()
    eyes.look("74-campaign")
    page.goto(f"/admin/campaigns/account/{account.public_id}/change/")
    eyes.look("75-account")
    assert KeptMail.objects.count() == 1
