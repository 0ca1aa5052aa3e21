"""Mails in a browser: the personal link and the public archive, through their doors."""

from __future__ import annotations

import email.utils
import re
import zlib
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from defusedxml import ElementTree
from django.test import Client, override_settings
from django.utils import timezone

from campaigns.audiences import personal_data
from campaigns.errors import CampaignError
from campaigns.models import (
    Account,
    BaaStatus,
    Campaign,
    CampaignState,
    Event,
    HitCount,
    Language,
    Message,
    MessageState,
    Role,
    SandboxMail,
)
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.planning import fanout, sending
from campaigns.reading import archive
from tests.factories import make_account, make_campaign, make_contact, make_list, make_user, make_version
from tests.mail_reading import html_of

pytestmark = pytest.mark.django_db

SOURCE = (
    "<html><head><title>News</title></head><body><p>Hello {{ first_name }}, {{ nickname }}</p>"
    '<a href="https://shop.example/">Shop</a><form action="https://evil.example"><input name="pin"></form>'
    '<script>document.title = "run"</script><a href="{{ browser_url }}">Read in the browser</a>'
    '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
)
VARIABLES = [{"name": "first_name", "sample": "Ada", "default": "reader"}, {"name": "nickname", "sample": "Countess"}]


class Sent:
    """A campaign with a link to itself, sent to Ona & co; as a browser asks for it."""

    def __init__(self, account: Account | None = None, **campaign: Any) -> None:
        self.account = account or make_account(name="Green Garden", has_public_archive=True)
        self.list = make_list(self.account, name="Monthly", slug="monthly", is_public=True)
        self.contact = make_contact(
            self.account, "ona@example.com", lists=[self.list], first_name="Ona & co", nickname="Oni"
        )
        content = make_version(self.account, source=SOURCE, variables=VARIABLES, preheader="What is new")
        self.campaign = make_campaign(self.account, lists=[self.list], content=content, **campaign)
        submission = sending.send_now(self.campaign)
        fanout.plan_submission(submission.pk)
        dispatch_slice(submission.pk)
        self.campaign.refresh_from_db()
        self.client = Client()

    @property
    def link(self) -> str:
        html = html_of(zlib.decompress(SandboxMail.objects.get(account=self.account).raw))
        found = re.search(r'href="[^"]*(/v/[^"]+)"\s*>Read in the browser', html)
        assert found
        return found[1]

    def get(self, path: str) -> Any:
        return self.client.get(path)


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_the_link_shows_the_readers_own_mail_and_nothing_is_counted(sent: Sent) -> None:
    page = sent.get(sent.link)
    text = page.content.decode()
    assert page.status_code == 200
    assert "Hello Ona &amp; co, Oni" in text
    assert 'href="https://shop.example/"' in text
    assert "/o/" not in text
    assert not page.cookies
    assert not HitCount.objects.exists()
    assert not Event.objects.exclude(kind="sent").exists()


def test_a_mail_in_the_browser_can_run_nothing_and_send_nothing(sent: Sent) -> None:
    """CSP 3: sandboxed without scripts and forms, a stranger to our own pages."""
    for path in (sent.link, _in_archive(sent) + "mail"):
        page = sent.get(path)
        policy = dict(part.strip().partition(" ")[::2] for part in page.headers["Content-Security-Policy"].split(";"))
        assert page.status_code == 200
        assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == "'none'"
        assert not {"allow-scripts", "allow-forms", "allow-same-origin"} & set(policy["sandbox"].split())
        assert "script-src" not in policy
        assert page.headers["Referrer-Policy"] == "no-referrer"


def test_a_link_ends_when_its_time_is_over(sent: Sent) -> None:
    link = sent.link
    with time_machine.travel(timezone.now() + timedelta(days=29)):
        assert sent.get(link).status_code == 200
    with time_machine.travel(timezone.now() + timedelta(days=31)):
        assert "cannot be read here any more" in sent.get(link).content.decode()
        assert sent.get(link).status_code == 404


def test_a_link_ends_with_its_reader(sent: Sent) -> None:
    link = sent.link
    personal_data.erase_person(sent.account, address_key=sent.contact.address_key)
    assert sent.get(link).status_code == 404


def test_a_link_that_was_changed_or_made_up_finds_nothing(sent: Sent) -> None:
    link = sent.link
    changed = link[:-1] + ("A" if link[-1] != "A" else "B")
    assert [sent.get(path).status_code for path in (changed, "/v/x", "/v/" + "A" * 44, link[:-4])] == [404] * 4
    assert sent.client.post(link).status_code == 405


def test_under_an_agreement_no_link_shows_a_mail_and_none_is_made(sent: Sent) -> None:
    """infobip.md H6: no link-based access to content."""
    link = sent.link
    page = _in_archive(sent)
    Account.objects.filter(pk=sent.account.pk).update(baa_status=BaaStatus.ACTIVE)
    assert [sent.get(path).status_code for path in (link, page, f"/archive/{sent.account.slug}/")] == [404] * 3
    sent.campaign.refresh_from_db()
    with pytest.raises(CampaignError, match="agreement"):
        archive.set_in_archive(sent.campaign, shown=True)
    submission = sent.campaign.submissions.get()
    Message.objects.filter(submission=submission).update(state=MessageState.QUEUED)
    submission.state = "open"
    submission.save()
    dispatch_slice(submission.pk)
    assert Message.objects.get(submission=submission).state != MessageState.SENT


def _in_archive(sent: Sent) -> str:
    archive.set_in_archive(sent.campaign, shown=True)
    return archive.issue_path(sent.campaign)


def test_a_campaign_is_in_the_archive_only_once_somebody_put_it_there(sent: Sent) -> None:
    home = f"/archive/{sent.account.slug}/"
    assert "News for" not in sent.get(home).content.decode()
    assert sent.get(archive.issue_path(sent.campaign)).status_code == 404
    user = make_user(sent.account, role=Role.AUTHOR)
    office = Client()
    office.force_login(user)
    page = f"/admin/campaigns/campaign/{sent.campaign.public_id}/"
    assert "Show it there" in office.get(page).content.decode()
    office.post(f"{page}archive/", {"shown": "1"})
    assert archive.issue_path(sent.campaign) in sent.get(home).content.decode()
    office.post(f"{page}archive/", {"shown": ""})
    assert archive.issue_path(sent.campaign) not in sent.get(home).content.decode()


def test_somebody_of_another_account_cannot_publish_a_campaign(sent: Sent) -> None:
    stranger = Client()
    stranger.force_login(make_user(make_account(), role=Role.OPERATOR))
    answer = stranger.post(f"/admin/campaigns/campaign/{sent.campaign.public_id}/archive/", {"shown": "1"})
    assert answer.status_code == 404
    assert not Campaign.objects.get(pk=sent.campaign.pk).in_archive


def test_the_archive_shows_the_mail_without_anybodys_values(sent: Sent) -> None:
    """TR-05."""
    page = _in_archive(sent)
    assert "News for reader" in sent.get(page).content.decode()
    mail = sent.get(f"{page}mail").content.decode()
    assert "Hello reader, <" in mail
    for secret in ("Ona", "Oni", "Ada", "Countess", "ona@example.com", "/u/", "/v/"):
        assert secret not in mail
    assert f'href="http://127.0.0.1:8000{page}"' in mail
    assert '<base target="_blank">' in mail


def test_a_list_has_a_part_of_the_archive_when_readers_may_know_of_it(sent: Sent) -> None:
    page = _in_archive(sent)
    of_list = f"/archive/{sent.account.slug}/lists/monthly/"
    assert page in sent.get(of_list).content.decode()
    assert of_list in sent.get(f"/archive/{sent.account.slug}/").content.decode()
    sent.list.is_public = False
    sent.list.save()
    assert sent.get(of_list).status_code == 404
    assert "Monthly" not in sent.get(f"/archive/{sent.account.slug}/").content.decode()


def test_the_archive_has_pages(sent: Sent) -> None:
    _in_archive(sent)
    for number in range(24):
        make_campaign(
            sent.account, name=f"Old {number}", state=CampaignState.SENT, in_archive=True, content=sent.campaign.content,
            sender=sent.campaign.sender, send_at=timezone.now() - timedelta(days=number + 1),
        )  # fmt: skip
    home = f"/archive/{sent.account.slug}/"
    first, second = (sent.get(f"{home}?page={number}").content.decode() for number in (1, 2))
    assert (first.count("<li>"), second.count("<li>")) == (20 + 1, 5 + 1)  # and the list
    assert ("page=2" in first, "page=1" in second, "page=3" in second) == (True, True, False)
    assert sent.get(f"{home}?page=-1%00").status_code == 200
    assert sent.get(f"{home}?page=3").status_code == 404


@override_settings(PUBLIC_URL="https://mail.example.org")
def test_the_feed_is_rss_that_readers_can_check(sent: Sent) -> None:
    """RSS 2.0: a channel with title, link and description, its own address, and items with a permanent id and a date."""
    page = _in_archive(sent)
    answer = sent.get(f"/archive/{sent.account.slug}/feed.xml")
    assert answer.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    root = ElementTree.fromstring(answer.content)
    channel = root.find("channel")
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    assert channel is not None
    assert channel.findtext("title") == "Green Garden"
    assert channel.findtext("link") == f"https://mail.example.org/archive/{sent.account.slug}/"
    itself = channel.find("{http://www.w3.org/2005/Atom}link")
    assert itself is not None
    assert (itself.get("rel"), itself.get("href")) == (
        "self", f"https://mail.example.org/archive/{sent.account.slug}/feed.xml",
    )  # fmt: skip
    (item,) = channel.findall("item")
    assert item.findtext("title") == "News for reader"
    assert item.findtext("description") == "What is new"
    assert item.findtext("guid") == item.findtext("link") == f"https://mail.example.org{page}"
    assert email.utils.parsedate_to_datetime(item.findtext("pubDate") or "").tzinfo is not None
    assert b"ona@example.com" not in answer.content


def test_the_archive_speaks_the_organisations_language(sent: Sent) -> None:
    Account.objects.filter(pk=sent.account.pk).update(language=Language.GERMAN, brand_color="#b3261e")
    page = sent.get(f"/archive/{sent.account.slug}/")
    text = page.content.decode()
    assert '<html lang="de">' in text
    assert f"/brand/{sent.account.public_id}.css" in text
    assert "noindex" not in text
    assert not page.cookies


def test_without_the_accounts_switch_there_is_no_archive(sent: Sent) -> None:
    page = _in_archive(sent)
    Account.objects.filter(pk=sent.account.pk).update(has_public_archive=False)
    home = f"/archive/{sent.account.slug}/"
    assert {sent.get(path).status_code for path in (home, f"{home}feed.xml", page, f"{page}mail")} == {404}


def test_a_mail_that_says_nothing_without_a_reader_is_refused_with_what_to_do(sent: Sent) -> None:
    source = SOURCE.replace("https://shop.example/", "{{ shop }}")
    content = make_version(
        sent.account, source=source, variables=[*VARIABLES, {"name": "shop", "sample": "https://x.y/"}]
    )
    campaign = make_campaign(sent.account, content=content, state=CampaignState.SENT)
    with pytest.raises(CampaignError) as caught:
        archive.set_in_archive(campaign, shown=True)
    assert "link" in caught.value.safe_text
