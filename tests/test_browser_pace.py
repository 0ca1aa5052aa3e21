"""Speed, hours and waiting in a real browser: on a desk and on a phone, in light and in dark."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.conf import Conf
from playwright.sync_api import expect

from campaigns.models import Campaign, CampaignState, DomainLimit, Message, MessageState
from campaigns.outbox import due
from campaigns.outbox.recovery import UNCERTAIN
from tests.browser import LOOKS, MARKS, Eyes
from tests.office import Office, make_run

pytestmark = MARKS


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_speed_and_hours_are_chosen_and_understood(open_eyes: Any, office: Office, width: int, scheme: str) -> None:
    eyes: Eyes = open_eyes(width, scheme, user=office.user)
    page = eyes.page
    page.goto(office.url("edit"))
    page.get_by_text("Speed and hours").click()
    page.get_by_label("Mails per hour").fill("1")
    page.get_by_label("Not before").fill("09:00")
    page.get_by_label("Not after").fill("09:00")
    page.get_by_label("Each reader's own where we know it").check()
    page.get_by_label("Ask before repeating").check()
    eyes.look("41-open")
    eyes.press("Save")
    expect(page.get_by_text("This is the same time")).to_be_visible()
    eyes.look("42-wrong")
    page.get_by_label("Not after").fill("11:00")
    eyes.press("Save")
    expect(page.get_by_text("At most 1 an hour")).to_be_visible()
    eyes.look("43-page")
    eyes.press("Send now")
    expect(page.get_by_text("goes out over 2 days")).to_be_visible()
    eyes.look("44-confirm")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_campaign_that_waits_says_why_and_asks_what_it_must(
    open_eyes: Any, office: Office, width: int, scheme: str
) -> None:
    eyes: Eyes = open_eyes(width, scheme, user=office.user)
    page = eyes.page
    submission = make_run(office, state=CampaignState.SENDING, sent=40, queued=60)
    page.goto(office.url("page"))
    expect(page.get_by_text("40 of 100 people")).to_be_visible()
    until = timezone.now() + timedelta(hours=30)
    due.postpone_submission(
        submission.pk, until=until, because="Today's 500 mails of example.org are used: the domain is being warmed up."
    )
    # The card that keeps itself fresh tells it by itself.
    expect(page.get_by_text("Waiting: Today's 500 mails of example.org are used")).to_be_visible()
    eyes.look("50-waiting")
    doubtful = list(submission.messages.filter(state=MessageState.QUEUED).values_list("pk", flat=True)[:3])
    Message.objects.filter(pk__in=doubtful).update(state=MessageState.HELD, error_code=UNCERTAIN)
    expect(page.get_by_text("3 people may or may not have it")).to_be_visible()
    eyes.look("51-undecided")
    eyes.press("Send it again")
    expect(page.get_by_role("button", name="Send again to 3 people")).to_be_visible()
    eyes.look("52-repeat")
    page.go_back()
    eyes.press("Leave it as it is")
    eyes.look("53-leave")
    eyes.press("Do not repeat it for 3 people")
    expect(page.get_by_text("It stays as it is.")).to_be_visible()
    expect(page.get_by_text("may or may not have it")).to_be_hidden()
    assert Campaign.objects.get().state == CampaignState.SENDING


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_an_operator_sets_limits(open_eyes: Any, office: Office, width: int, scheme: str) -> None:
    DomainLimit.objects.create(account=office.account, domain="slow.example", max_per_second=2)
    eyes: Eyes = open_eyes(width, scheme, user=office.user)
    page = eyes.page
    page.goto(f"/admin/campaigns/account/{office.account.public_id}/change/")
    eyes.look("60-account")
    page.get_by_label("Mails per second").first.fill("12.5")
    page.locator("#id_domain_limits-1-domain").fill("Mailbox.example")
    page.locator("#id_domain_limits-1-max_per_second").fill("0.5")
    page.locator("#id_domain_limits-0-DELETE").check()
    eyes.press("^Save$")
    assert list(office.account.domain_limits.values_list("domain", "max_per_second")) == [("mailbox.example", 0.5)]


def test_speed_and_hours_work_without_javascript(open_eyes: Any, office: Office) -> None:
    eyes: Eyes = open_eyes(390, "light", user=office.user, scripts=False)
    page = eyes.page
    page.goto(office.url("edit"))
    page.get_by_text("Speed and hours").click()
    page.get_by_label("Mails per hour").fill("500")
    page.get_by_role("button", name=re.compile("Save")).click()
    expect(page.get_by_text("At most 500 an hour")).to_be_visible()
