"""The preference page, through its door: without script, login or cookies."""

from __future__ import annotations

import base64
import json
import re
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from django.conf import settings
from django.test import Client
from django.utils import timezone
from django.utils.translation import gettext, override

from campaigns import tokens
from campaigns.models import (
    Account,
    Contact,
    ContactList,
    Frequency,
    Goodbye,
    Language,
    Message,
    MessageState,
    Preference,
    SandboxMail,
    Submission,
    Subscription,
    SubscriptionState,
    Suppression,
    TrackingChoice,
    TrackingLevel,
)
from campaigns.outbox.dispatch import dispatch_slice, dispatch_stream
from campaigns.planning import fanout, sending
from campaigns.tokens import UnsubscribeClaim
from tests.factories import make_account, make_campaign, make_contact, make_list
from tests.test_api_sending import PNG

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


class Reader:
    """Somebody who got a campaign, and the links of their mail."""

    def __init__(self, account: Account | None = None) -> None:
        self.account = account or make_account(name="Green Garden")
        self.news = make_list(self.account, name="News", is_public=True, public_description="Once a month")
        self.offers = make_list(self.account, name="Offers", is_public=True)
        self.staff = make_list(self.account, name="Staff")
        self.contact = make_contact(self.account, "ann@example.com", lists=[self.news], first_name="Ann")
        self.submission = self.send()
        self.client = Client(enforce_csrf_checks=True)

    def send(self) -> Submission:
        submission = sending.send_now(make_campaign(self.account, lists=[self.news]))
        fanout.plan_submission(submission.pk)
        dispatch_slice(submission.pk)
        return submission

    @property
    def token(self) -> str:
        return tokens.unsubscribe_token(UnsubscribeClaim(self.account.pk, self.submission.pk, self.contact.address_key))

    def get(self) -> str:
        response = self.client.get(f"/p/{self.token}")
        assert response.status_code == 200
        assert not response.cookies
        return response.content.decode()

    def post(self, **form: Any) -> str:
        response = self.client.post(f"/p/{self.token}", urlencode(form, doseq=True), content_type=FORM)
        assert response.status_code == 200
        return response.content.decode()

    def confirmed(self) -> str:
        """The path in the newest mail to this person."""
        found = re.search(r"/me/[\w=\-]+", self.newest_mail().replace("=\r\n", ""))
        assert found is not None
        return found[0]

    def newest_mail(self) -> str:
        """The newest mail that left, as its bytes say."""
        for pk in self.account.transports.values_list("pk", flat=True):
            dispatch_stream(pk, linger=timedelta(0))
        return zlib.decompress(SandboxMail.objects.order_by("-pk")[0].raw).decode()


@pytest.fixture
def reader() -> Reader:
    return Reader()


def test_the_page_shows_public_lists_and_those_the_person_is_on(reader: Reader) -> None:
    page = reader.get()
    assert "News" in page
    assert "Once a month" in page
    assert "Offers" in page
    assert "Staff" not in page
    assert "ann@example.com" not in page


def test_looking_changes_nothing_un_06(reader: Reader) -> None:
    before = list(Subscription.objects.values()), list(Suppression.objects.values()), list(Preference.objects.values())
    reader.get()
    reader.client.head(f"/p/{reader.token}")
    reader.client.options(f"/p/{reader.token}")
    assert before == (
        list(Subscription.objects.values()), list(Suppression.objects.values()), list(Preference.objects.values()),
    )  # fmt: skip


def test_lists_are_joined_and_left_at_once(reader: Reader) -> None:
    reader.post(do="save", list=[reader.offers.public_id], frequency=0)
    states = {row.list_id: row.state for row in Subscription.objects.filter(contact=reader.contact)}
    assert states == {
        reader.news.pk: SubscriptionState.UNSUBSCRIBED, reader.offers.pk: SubscriptionState.SUBSCRIBED,
    }  # fmt: skip
    joined = Subscription.objects.get(list=reader.offers)
    assert (joined.consent_source, joined.consent_at is not None) == ("preference page", True)


def test_who_left_may_come_back_by_themselves(reader: Reader) -> None:
    reader.post(do="stop")
    assert "You stopped all marketing mail" in reader.get()
    reader.post(do="save", list=[reader.news.public_id], frequency=0)
    submission = reader.send()
    assert Message.objects.get(submission=submission).state == MessageState.SENT


def test_a_list_that_is_not_public_cannot_be_joined_from_outside(reader: Reader) -> None:
    reader.post(do="save", list=[reader.staff.public_id, reader.news.public_id], frequency=0)
    assert not Subscription.objects.filter(list=reader.staff).exists()
    assert "cannot be ticked" not in reader.get()
    ContactList.objects.filter(pk=reader.news.pk).update(is_public=False)
    reader.post(do="save", frequency=0)
    assert "A list that cannot be ticked is not open" in reader.get()


def test_who_wants_mail_once_a_week_gets_the_next_campaign_after_it(reader: Reader) -> None:
    """Evil input 39."""
    reader.post(do="save", list=[reader.news.public_id], frequency=7)
    assert Preference.objects.get().frequency == Frequency.WEEKLY
    first, second = reader.send(), reader.send()
    assert Message.objects.get(submission=first).state == MessageState.SENT
    refused = Message.objects.get(submission=second)
    assert (refused.state, refused.error_code) == (MessageState.REFUSED, "recipient.too-often")
    with time_machine.travel(timezone.now() + timedelta(days=8)):
        third = reader.send()
        assert Message.objects.get(submission=third).state == MessageState.SENT


def test_a_second_attempt_of_a_mail_is_the_same_mail(reader: Reader) -> None:
    Contact.objects.filter(pk=reader.contact.pk).update(email="defer@example.com")
    reader.post(do="save", list=[reader.news.public_id], frequency=30)
    submission = reader.send()
    assert Message.objects.get(submission=submission).state == MessageState.QUEUED
    Message.objects.filter(submission=submission).update(next_attempt_at=timezone.now(), recipient="ann@example.com")
    dispatch_slice(submission.pk)
    assert Message.objects.get(submission=submission).state == MessageState.SENT


def test_a_reader_says_what_may_be_known_of_them_la_04(reader: Reader) -> None:
    """Nothing is written down for somebody who did not touch it; what is taken back holds at once."""
    assert re.search(r'name="tracking" value="1" checked', reader.get())
    reader.post(do="save", tracking=1, frequency=0)
    assert not TrackingChoice.objects.exists()
    reader.post(do="save", tracking=2, frequency=0)
    reader.post(do="save", tracking=7, frequency=0)
    (choice,) = TrackingChoice.objects.all()
    assert (choice.level, choice.source) == (TrackingLevel.INDIVIDUAL, "preference page")
    reader.post(do="save", tracking=0, frequency=0)
    assert TrackingChoice.objects.get().level == TrackingLevel.OFF
    assert re.search(r'name="tracking" value="0" checked', reader.get())


def test_who_is_not_tracked_at_all_is_not_asked(reader: Reader) -> None:
    Account.objects.filter(pk=reader.account.pk).update(tracking=TrackingLevel.OFF)
    assert 'name="tracking"' not in reader.get()


def test_a_reason_is_kept_without_a_person(reader: Reader) -> None:
    reader.post(do="why", reason="too-many")
    reader.post(do="why", reason="' OR 1=1")
    (goodbye,) = Goodbye.objects.all()
    assert (goodbye.reason, goodbye.submission_id) == ("too-many", reader.submission.pk)


def test_a_copy_of_the_data_comes_after_a_link_in_a_mail_to_the_person(reader: Reader) -> None:
    assert "We have sent you a mail" in reader.post(do="export")
    path = reader.confirmed()
    assert reader.client.get(path).status_code == 200
    response = reader.client.post(path)
    data = json.loads(response.content)
    assert response.headers["Content-Disposition"] == 'attachment; filename="my-data.json"'
    assert data["contact"]["address"] == "ann@example.com"
    assert data["contact"]["fields"] == {"first_name": "Ann"}
    assert [row["list"] for row in data["subscriptions"]] == ["News"]
    assert data["mails"][-1]["events"][0]["what"] == "sent"


def test_lh_05_a_notice_says_that_a_machine_wrote_it(reader: Reader) -> None:
    reader.post(do="export")
    assert "\r\nAuto-Submitted: auto-generated\r\n" in reader.newest_mail()


def test_who_presses_again_and_again_gets_one_mail_for_each_wish(reader: Reader) -> None:
    for _ in range(3):
        reader.post(do="export")
    assert Message.objects.filter(submission__door="notice").count() == 1
    for _ in range(2):
        reader.post(do="erase")
    assert Message.objects.filter(submission__door="notice").count() == 2


def test_under_an_agreement_no_link_to_data_is_offered_or_mailed(reader: Reader) -> None:
    Account.objects.filter(pk=reader.account.pk).update(baa_status="active")
    assert "Your data" not in reader.get()
    reader.post(do="export")
    assert not Message.objects.filter(submission__door="notice").exists()


def test_erasure_deletes_everything_but_the_mark_that_keeps_us_from_writing(reader: Reader) -> None:
    reader.post(do="erase")
    path = reader.confirmed()
    assert Contact.objects.filter(pk=reader.contact.pk).exists()
    reader.client.get(path)
    assert Contact.objects.filter(pk=reader.contact.pk).exists()
    assert "Your data is deleted" in reader.client.post(path).content.decode()
    assert not Contact.objects.filter(pk=reader.contact.pk).exists()
    assert set(Message.objects.values_list("recipient", flat=True)) == {""}
    assert not SandboxMail.objects.exists()
    again = make_contact(reader.account, "ann@example.com", lists=[reader.news])
    make_contact(reader.account, "bob@example.com", lists=[reader.news])
    submission = reader.send()
    assert not Message.objects.filter(submission=submission, address_key=again.address_key).exists()


def test_a_confirmation_works_for_one_day_and_for_one_account(reader: Reader) -> None:
    reader.post(do="export")
    path = reader.confirmed()
    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        assert reader.client.post(path).status_code == 404
    assert reader.client.post(path[:-4] + "AAAA").status_code == 404


@pytest.mark.parametrize("token", ["", "x", "A" * 76, "../admin"])
def test_a_token_that_is_not_ours_finds_nothing(reader: Reader, token: str) -> None:
    for path in (f"/p/{token}", f"/me/{token}"):
        assert reader.client.get(path).status_code == 404
        assert reader.client.post(path, "do=stop", content_type=FORM).status_code == 404
    assert not Suppression.objects.exists()


def test_pages_are_in_the_language_and_colours_of_the_organisation(reader: Reader) -> None:
    reader.account.language, reader.account.brand_color = Language.GERMAN, "#ffee00"
    reader.account.save()
    page = reader.get()
    assert '<html lang="de">' in page
    assert "Was möchten Sie von uns bekommen?" in page
    style = reader.client.get(f"/brand/{reader.account.public_id}.css")
    assert style.headers["Content-Type"].startswith("text/css")
    # Yellow cannot be read on white: it was made darker.
    assert b"#ffee00" not in style.content.partition(b"@media")[0]
    assert 'lang="de"' in reader.client.get(f"/u/{reader.token}").content.decode()


def test_a_picture_is_served_as_what_it_is(reader: Reader) -> None:
    url = f"/brand/{reader.account.public_id}/logo"
    assert reader.client.get(url).status_code == 404
    reader.account.logo, reader.account.logo_type = base64.b64decode(PNG), "image/png"
    reader.account.save()
    assert f'src="{url}"' in reader.get()
    response = reader.client.get(url)
    assert (response.headers["Content-Type"], response.headers["X-Content-Type-Options"]) == ("image/png", "nosniff")


@pytest.mark.parametrize("language", [code for code, _ in Language.choices if code != "en"])
def test_every_sentence_of_the_pages_is_translated(language: str) -> None:
    sources = [
        *Path(settings.BASE_DIR, "templates", "web").glob("*.html"),
        Path(settings.BASE_DIR, "campaigns/planning/notices.py"),
    ]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    found = set(re.findall(r'{% translate "([^"]+)" %}', text)) | set(re.findall(r'gettext\(\s*"([^"]+)"', text))
    found |= {
        " ".join(block.split()) for block in re.findall(r"{% blocktranslate trimmed %}(.*?){% end", text, re.DOTALL)
    }
    found |= {label for _, label in [*Frequency.choices]}
    assert len(found) > 40
    with override(language):
        assert [sentence for sentence in found if gettext(sentence) == sentence] == []
