"""The campaign journey in a real browser: on a desk and on a phone, in light and in dark."""

import re
import zlib
from email import message_from_bytes
from typing import Any
from urllib.parse import urlsplit

import pytest
from django_q.conf import Conf
from playwright.sync_api import Page, expect

from campaigns.models import Campaign, CampaignState, SandboxMail, Submission, Suppression
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning import fanout, sending
from campaigns.planning.compose import create_campaign
from tests.browser import LOOKS, MARKS, Eyes
from tests.factories import make_account, make_contact, make_list, make_sender, make_template, make_user, make_version

pytestmark = MARKS
MAIL = """<html><head><style>h1 { color: #155e5a }</style></head><body>
<h1>Spring is here, {{ first_name }}</h1><p>Seeds, soil and a little patience: our list for March.</p>
<p>{{ account_name }}, {{ postal_address }}<br><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>"""


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    # Rung jobs wait in the queue: the test itself says when messages leave, so that progress can be watched.
    monkeypatch.setattr(Conf, "SYNC", False)


class Garden:
    """An account with people, a template and a sender: everything but a campaign."""

    def __init__(self) -> None:
        self.account = make_account(name="Green Garden", time_zone="Europe/Vilnius")
        self.news = make_list(self.account, name="Weekly news")
        self.staff = make_list(self.account, name="Staff")
        for number in range(8):
            make_contact(self.account, f"reader{number}@example.com", lists=[self.news], first_name="Ona")
        make_contact(self.account, "bounce@example.com", lists=[self.news], first_name="Jonas")
        make_contact(self.account, "boss@example.com", lists=[self.news, self.staff], first_name="Rūta")
        self.template = make_template(self.account, name="Spring letter")
        make_version(self.template, source=MAIL, subject="Spring is here, {{ first_name }}")
        self.sender = make_sender(self.account, name="Green Garden")
        self.user = make_user(self.account, role="operator", email="operator@example.com")


@pytest.fixture
def garden() -> Garden:
    return Garden()


def compose(eyes: Eyes) -> Campaign:
    """From the empty list to a saved draft."""
    page = eyes.page
    page.goto("/admin/campaigns/campaign/")
    eyes.look("01-empty-list")
    eyes.press("New campaign")
    eyes.look("02-new")
    page.get_by_label("Name", exact=True).fill("Spring seeds 2027")
    page.get_by_label("Template", exact=True).select_option(label="Spring letter")
    page.locator("#id_lists").get_by_label(re.compile("Weekly news")).check()
    page.locator("#id_excluded_lists").get_by_label(re.compile("Staff")).check()
    page.get_by_label("From", exact=True).select_option(index=1)
    eyes.press("Save and check")
    return Campaign.objects.get(name="Spring seeds 2027")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_campaign_from_draft_to_report(open_eyes: Any, garden: Garden, width: int, scheme: str) -> None:
    eyes: Eyes = open_eyes(width, scheme, user=garden.user)
    page = eyes.page
    campaign = compose(eyes)
    expect(page.get_by_text("Nothing stops this campaign")).to_be_visible()
    expect(page.frame_locator("iframe").get_by_role("heading", name="Spring is here, Ada")).to_be_visible()
    eyes.look("03-ready")

    eyes.press("Send now")
    expect(page.get_by_role("button", name="Send to 9 people")).to_be_visible()
    eyes.look("04-confirm")
    eyes.press("Send to 9 people")
    expect(page.get_by_text("on its way to 9 people")).to_be_visible()
    submission = Submission.objects.get(campaign=campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk, budget=0, limit=3)
    expect(page.get_by_text(re.compile(r"[23] of 9 people"))).to_be_visible()
    eyes.look("05-progress")

    dispatch_slice(submission.pk)
    expect(page.get_by_text("The address does not exist")).to_be_visible()
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENT
    eyes.look("06-report")
    page.goto("/admin/campaigns/campaign/")
    expect(page.get_by_text("8 sent")).to_be_visible()
    eyes.look("07-list")
    assert SandboxMail.objects.count() == 8

    eyes.press("Spring seeds 2027")
    eyes.press("Read them in the sandbox mailbox")
    page.locator(".mail-list a").first.click()
    mail = page.frame_locator("iframe[name=mail]")
    expect(mail.get_by_role("heading", name="Spring is here, Ona")).to_be_visible()
    eyes.look("08-mail")
    link = str(mail.get_by_role("link", name="Unsubscribe").get_attribute("href"))
    page.goto(urlsplit(link).path)
    page.get_by_role("button", name="Unsubscribe from Weekly news").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    page.goto(f"/admin/campaigns/campaign/{campaign.public_id}/")
    expect(page.get_by_text("Unsubscribed by the link in this mail")).to_be_visible()


def test_a_running_campaign_is_paused_and_resumed(open_eyes: Any, garden: Garden) -> None:
    eyes: Eyes = open_eyes(1280, "light", user=garden.user)
    page = eyes.page
    compose(eyes)
    eyes.press("Send now")
    eyes.press("Send to 9 people")
    submission = Submission.objects.get()
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk, budget=0, limit=3)
    eyes.press("Pause")
    eyes.press("Pause for 6 people")
    # Which three leave first is chance; one of the nine does not arrive.
    expect(page.get_by_text(re.compile(r"Paused: [23] of 9 people have it, 6 wait"))).to_be_visible()
    eyes.look("40-paused")
    dispatch_slice(submission.pk)
    assert SandboxMail.objects.count() <= 3
    eyes.press("Resume")
    eyes.press("Send to 6 people")
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)
    expect(page.get_by_text("8 of 9 people")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_everything_that_stops_a_campaign_leads_somewhere(
    open_eyes: Any, garden: Garden, width: int, scheme: str
) -> None:
    eyes: Eyes = open_eyes(width, scheme, user=garden.user)
    campaign = compose(eyes)
    garden.account.postal_address = ""
    garden.account.save()
    campaign.lists.clear()
    make_version(garden.template, source=MAIL.replace("Spring is", "Summer is"), subject="Summer")
    eyes.page.reload()
    expect(eyes.page.get_by_text("2 things to put right")).to_be_visible()
    eyes.look("10-not-ready")
    eyes.press("Choose lists")
    eyes.look("11-edit")
    expect(eyes.page.get_by_label(re.compile("Use version 2"))).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_time_is_chosen_shown_twice_and_confirmed(open_eyes: Any, garden: Garden, width: int, scheme: str) -> None:
    eyes: Eyes = open_eyes(width, scheme, user=garden.user)
    page = eyes.page
    compose(eyes)
    eyes.press("Schedule")
    eyes.look("20-schedule")
    page.get_by_label("Date and time").fill("2037-03-29T03:30")
    eyes.press("Continue")
    expect(page.get_by_text("does not exist on this day")).to_be_visible()
    eyes.look("21-confirm-time")
    eyes.press("Schedule for 9 people")
    expect(page.get_by_text("Goes out on Sunday, 29 March 2037, 04:30")).to_be_visible()
    eyes.look("22-scheduled")
    eyes.press("Cancel")
    eyes.look("23-confirm-cancel")
    eyes.press("Cancel for 9 people")
    expect(page.get_by_text("The campaign is cancelled")).to_be_visible()
    eyes.look("24-cancelled")


def test_the_journey_works_without_javascript(open_eyes: Any, garden: Garden) -> None:
    eyes: Eyes = open_eyes(390, "light", user=garden.user, scripts=False)
    page = eyes.page
    campaign = compose_plainly(page)
    page.get_by_role("link", name=re.compile("Send now")).click()
    page.get_by_role("button", name="Send to 10 people").click()
    expect(page.get_by_role("link", name="Load it again")).to_be_visible()
    submission = Submission.objects.get(campaign=campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk, budget=0, limit=3)
    page.get_by_role("link", name="Load it again").click()
    expect(page.get_by_text(re.compile(r"[23] of 10 people"))).to_be_visible()
    dispatch_slice(submission.pk)
    page.get_by_role("link", name="Load it again").click()
    expect(page.get_by_text("The address does not exist")).to_be_visible()


def compose_plainly(page: Page) -> Campaign:
    page.goto("/admin/campaigns/campaign/add/")
    page.get_by_label("Name", exact=True).fill("Plain")
    page.get_by_label("Template", exact=True).select_option(label="Spring letter")
    page.locator("#id_lists").get_by_label(re.compile("Weekly news")).check()
    page.get_by_label("From", exact=True).select_option(index=1)
    page.get_by_role("button", name="Save and check").click()
    expect(page.get_by_role("link", name=re.compile("Send now"))).to_be_visible()
    return Campaign.objects.get(name="Plain")


def mail_one(garden: Garden) -> str:
    """The unsubscribe token in the header of a mail that was sent to a reader."""
    campaign = create_campaign(
        garden.account,
        name="News",
        content=garden.template.versions.get(),
        sender=garden.sender,
        lists=[garden.news],
    )
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)
    mail = SandboxMail.objects.filter(recipient="reader0@example.com").get()
    header = str(message_from_bytes(zlib.decompress(mail.raw))["List-Unsubscribe"])
    found = re.search(r"/u/([\w=-]+)", header)
    assert found
    return found[1]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_somebody_unsubscribes_by_the_link_of_the_mail(open_eyes: Any, garden: Garden, width: int, scheme: str) -> None:
    token = mail_one(garden)
    eyes: Eyes = open_eyes(width, scheme, scripts=False)
    page = eyes.page
    page.goto(f"/u/{token}")
    eyes.look("30-unsubscribe")
    assert not Suppression.objects.exists()
    page.get_by_role("button", name="Unsubscribe from Weekly news").click()
    expect(page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
    eyes.look("31-unsubscribed")
    assert Suppression.objects.get().list == garden.news
    eyes.press("Also stop all marketing mail from Green Garden")
    eyes.look("32-all-stopped")
    page.goto(f"/u/{token}")
    expect(page.get_by_role("heading", name="You are already unsubscribed")).to_be_visible()
    eyes.look("33-already")
    page.goto("/u/nonsense")
    expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()
    assert page.context.cookies() == []
