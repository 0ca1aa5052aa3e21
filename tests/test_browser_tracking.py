"""Opens and clicks in a real browser: a link of a mail leads on, and the campaign's page shows it without a reload."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.conf import Conf
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from campaigns.models import Event, EventKind, Message, Role, SandboxMail, Submission
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning import fanout, sending
from campaigns.tracking import unsubscribe
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import make_account, make_campaign, make_contact, make_list, make_user, make_version
from tests.http_server import Asked, LoopbackServer, Reply
from tests.mail_reading import html_of
from tests.tracked import DESK, PHONE, TrackedSend, ask

pytestmark = MARKS


@pytest.fixture
def shop() -> Iterator[str]:
    """A web shop that says which address was asked for."""
    with LoopbackServer(_show_path) as server:
        yield server.url


def _show_path(asked: Asked) -> Reply:
    page = f"<!doctype html><title>Shop</title><h1>{asked.path}</h1>"
    return Reply(200, page.encode(), {"Content-Type": "text/html; charset=utf-8"})


@pytest.fixture(autouse=True)
def _here(settings: Any, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TRACKING_URL = settings.PUBLIC_URL = live_server.url
    # Rung jobs wait in the queue: the test itself says when messages leave.
    monkeypatch.setattr(Conf, "SYNC", False)


def test_a_person_clicks_in_a_mail_and_the_campaign_page_tells(open_eyes: Any, browser: Browser, shop: str) -> None:
    account = make_account(tracking=2, tracking_needs_consent=False)
    readers = make_list(account)
    for number in range(3):
        make_contact(account, f"reader{number}@example.com", lists=[readers], first_name="Ona")
    source = (
        f'<html><body><p>Hello {{{{ first_name }}}}</p><a href="{shop}/seeds?a=1&amp;b=%C4%97#top">Seeds</a>'
        '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
    )
    campaign = make_campaign(account, lists=[readers], content=make_version(account, source=source))
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    eyes: Eyes = open_eyes(1280, "light", user=make_user(account, role=Role.OPERATOR))
    page = eyes.page
    page.goto(f"/admin/campaigns/campaign/{campaign.public_id}/")
    dispatch_slice(submission.pk, budget=0, limit=2)
    figures = page.locator(".figures")
    expect(figures).to_contain_text(re.compile(r"Opened\s*0"))
    dispatch_slice(submission.pk)
    expect(page.get_by_text("Sent to 3 of 3 people")).to_be_visible()
    Message.objects.update(sent_at=timezone.now() - timedelta(hours=1))

    mail = html_of(zlib.decompress(SandboxMail.objects.get(recipient="reader0@example.com").raw))
    reader = browser.new_context(user_agent=DESK)
    window = reader.new_page()
    window.set_content(mail)
    window.get_by_role("link", name="Seeds").click()
    expect(window.get_by_role("heading", name="/seeds?a=1&b=%C4%97")).to_be_visible()
    assert window.url == f"{shop}/seeds?a=1&b=%C4%97#top"
    assert reader.cookies() == []
    reader.close()

    expect(figures).to_contain_text(re.compile(r"Clicked\s*1\s*33 %"))
    expect(figures).to_contain_text(re.compile(r"Opened\s*1\s*33 %"))
    found = re.search(r"/u/([\w=-]+)", mail)
    assert found
    unsubscribe.unsubscribe(found[1], all_marketing=False, now=timezone.now())
    last = Message.objects.get(recipient="reader1@example.com")
    Event.objects.create(message=last, kind=EventKind.COMPLAINED, at=timezone.now())
    Message.objects.filter(recipient="reader2@example.com").update(state="bounced", error_code="smtp.550-5.1.1")
    for words in (r"Unsubscribed\s*1", r"Called it spam\s*1", r"Came back\s*1\s*33 %"):
        expect(figures).to_contain_text(re.compile(words))
    assert Submission.objects.count() == 1
    eyes.look("40-live-figures")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_statistics_and_switches_are_looked_at(open_eyes: Any, width: int, scheme: str) -> None:
    sent = TrackedSend(readers=12)
    for reader in range(9):
        sent.open(reader=reader, agent=(PHONE, DESK, "Mozilla/5.0")[reader % 3])
    for reader in range(5):
        sent.click(reader % 3, reader=reader)
        ask(sent.links(reader)[0], agent=DESK)
    first = sent.campaign
    sent.send_again()
    sent.open(reader=1)
    eyes: Eyes = open_eyes(width, scheme, user=make_user(sent.account, role=Role.OPERATOR))
    page = eyes.page
    page.goto(f"/admin/campaigns/campaign/{first.public_id}/")
    eyes.look("41-campaign")
    eyes.press("Statistics")
    page.get_by_text("As a table").click()
    page.get_by_text("See them on the mail").click()
    expect(page.frame_locator("iframe").get_by_role("link", name=re.compile("Shop"))).to_contain_text("%")
    eyes.look("42-statistics")
    eyes.press("^Readers$")
    eyes.look("43-readers")
    page.get_by_role("link", name=sent.addresses[0]).click()
    expect(page.get_by_role("heading", name="What happened to this mail")).to_be_visible()
    eyes.look("44-reader")
    page.goto("/admin/campaigns/campaign/")
    eyes.press("Compare")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    eyes.look("45-compare")
    look_at_switches(eyes, sent)


def look_at_switches(eyes: Eyes, sent: TrackedSend) -> None:
    page = eyes.page
    page.goto("/admin/campaigns/campaign/add/")
    page.get_by_text("Opens and clicks", exact=True).click()
    eyes.look("46-campaign-form")
    page.goto(f"/admin/campaigns/account/{sent.account.public_id}/change/")
    eyes.look("47-account")
    page.goto(f"/admin/campaigns/contact/{sent.account.contacts.all()[0].public_id}/change/")
    page.get_by_text("Write down what this person said").click()
    eyes.look("48-person")
    page.goto(f"/admin/campaigns/domain/{sent.account.domains.all()[0].public_id}/tracking/")
    eyes.look("49-domain")
