"""Statistics of campaigns on the screens and as files: the figures of the ledger, for those who may see them."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.audiences import preferences
from campaigns.models import Event, EventKind, LeavingReason, Message, MessageState, Role, TrackingLevel
from tests.factories import make_account, make_campaign, make_user
from tests.office import squeeze
from tests.tracked import DESK, PHONE, TrackedSend, ask

pytestmark = pytest.mark.django_db
PAGES = ("statistics", "heat", "readers")


class Desk:
    """A campaign to three people, of whom one opened and clicked, and somebody signed in to look at it."""

    def __init__(self) -> None:
        self.sent = TrackedSend(readers=3)
        self.sent.open(reader=0, agent=PHONE)
        self.sent.click(1, reader=0, agent=DESK)
        self.sent.open(reader=1, agent="Mozilla/5.0")
        self.client = Client()
        self.client.force_login(make_user(self.sent.account, role=Role.VIEWER))

    def get(self, view: str, *more: object, query: str = "") -> Any:
        return self.client.get(self.url(view, *more) + query)

    def url(self, view: str, *more: object) -> str:
        return reverse(f"admin:campaigns_campaign_{view}", args=[self.sent.campaign.public_id, *more])

    def text(self, view: str, *more: object, query: str = "") -> str:
        answer = self.get(view, *more, query=query)
        assert answer.status_code == 200
        return squeeze(answer)

    def rows(self, what: str) -> list[dict[str, str]]:
        answer = self.get("export", what)
        return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_the_page_tells_people_and_machines_apart(desk: Desk) -> None:
    text = desk.text("statistics")
    assert "Opened 1 33 % 1 more by machines only" in text
    assert "Clicked 1 33 %" in text
    assert "https://blog.example/ 1 100 %" in text
    assert "Phone, iOS" in text
    assert "Computer, Windows" in text
    assert "example.com 3 0 1 1" in text


def test_the_campaign_page_shows_the_same_figures_and_keeps_asking(desk: Desk) -> None:
    text = desk.text("page")
    assert "What readers did" in text
    assert "Opened 1 33 %" in text
    assert b'data-every="1500"' in desk.get("page").content
    assert "Clicked 1 33 %" in desk.text("progress")


def test_what_is_not_counted_is_not_shown_as_nothing() -> None:
    sent = TrackedSend(tracking=TrackingLevel.OFF)
    client = Client()
    client.force_login(make_user(sent.account))
    text = squeeze(client.get(reverse("admin:campaigns_campaign_statistics", args=[sent.campaign.public_id])))
    assert "Opened" not in text.partition("Over time")[0]
    assert "Unsubscribed 0" in text


def test_the_mail_shows_clicks_on_its_links(desk: Desk) -> None:
    answer = desk.get("heat")
    html = answer.content.decode()
    assert "1 · 100 %" in html
    assert html.count("0 · 0 %") == 3
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "/c/" not in html


def test_the_list_of_readers_says_what_each_did_and_filters(desk: Desk) -> None:
    for reader, query in ((0, "?show=opened"), (0, "?show=clicked")):
        text = desk.text("readers", query=query)
        assert [address for address in desk.sent.addresses if address in text] == [desk.sent.addresses[reader]]
    assert all(address in desk.text("readers") for address in desk.sent.addresses)
    Message.objects.filter(recipient=desk.sent.addresses[2]).update(state=MessageState.BOUNCED)
    assert desk.sent.addresses[2] in desk.text("readers", query="?show=bounced")
    assert desk.get("readers", query="?show=nonsense").status_code == 404


def test_readers_come_a_page_at_a_time() -> None:
    sent = TrackedSend(readers=52, track_opens=False, track_clicks=False)
    client = Client()
    client.force_login(make_user(sent.account))
    url = reverse("admin:campaigns_campaign_readers", args=[sent.campaign.public_id])
    first = client.get(url)
    page = first.context["page"]
    second = client.get(url, {"after": page.after})
    seen = [row.message.recipient for answer in (first, second) for row in answer.context["page"].readers]
    assert (len(page.readers), sorted(seen)) == (50, sorted(sent.addresses))
    assert second.context["page"].after == ""


def test_the_story_of_one_mail_is_told_in_order(desk: Desk) -> None:
    text = desk.text("reader", desk.sent.message(0).public_id)
    assert text.index("Handed over") < text.index("Opened Phone, iOS") < text.index("Clicked https://blog.example/")
    assert "A machine: it fetched ahead" in desk.text("reader", desk.sent.message(1).public_id)


def test_somebody_who_left_is_told(desk: Desk) -> None:
    Event.objects.create(message=desk.sent.message(2), kind=EventKind.COMPLAINED, at=timezone.now())
    assert "Called it spam 1 33 %" in desk.text("statistics")
    assert desk.sent.addresses[2] in desk.text("readers", query="?show=left")


def test_why_readers_left_is_told_by_campaign_and_by_account(desk: Desk) -> None:
    account, submission = desk.sent.account, desk.sent.submission
    for reason in ("too-many", "too-many", "other"):
        preferences.note_goodbye(account, submission_id=submission.pk, reason=LeavingReason(reason))
    preferences.note_goodbye(account, submission_id=None, reason=LeavingReason.NEVER_ASKED)
    preferences.note_goodbye(make_account(), submission_id=None, reason=LeavingReason.NOT_FOR_ME)
    assert "Why readers left Save as CSV Reason People Of those who said Too many mails 2 67 %" in desk.text(
        "statistics"
    )
    assert desk.rows("reasons") == [
        {"reason": "Too many mails", "people": "2"}, {"reason": "Another reason", "people": "1"},
    ]  # fmt: skip
    everything = squeeze(desk.client.get(reverse("admin:campaigns_suppression_changelist")))
    assert "Too many mails 2 50 %" in everything
    assert "I never asked for them 1 25 %" in everything
    assert "Not interesting for me" not in everything


def test_contacts_show_their_mails(desk: Desk) -> None:
    contact = desk.sent.account.contacts.get(email=desk.sent.addresses[0])
    page = desk.client.get(reverse("admin:campaigns_contact_change", args=[contact.public_id]))
    assert f"{desk.sent.campaign.name} Sent Clicked" in squeeze(page)


class TestFiles:
    def test_every_table_can_be_saved(self, desk: Desk) -> None:
        links = desk.rows("links")
        assert (links[0]["address"], links[0]["clicks"], links[0]["people"]) == ("https://blog.example/", "1", "1")
        assert [row["address"] for row in links if "…" in row["address"]] == ["https://me.example/?who=…"]
        assert desk.rows("domains")[0] | {"arrived": "3", "opened": "1"} == desk.rows("domains")[0]
        assert sum(int(row["sent"]) for row in desk.rows("hours")) == 3
        phone = {"device": "Phone", "system": "iOS", "opens": "1", "clicks": "0"}
        assert phone in desk.rows("devices")
        readers = {row["email"]: (row["opened"], row["clicked"]) for row in desk.rows("readers")}
        assert readers == dict(zip(desk.sent.addresses, [("1", "1"), ("0", "0"), ("0", "0")], strict=True))

    def test_evil_5_no_cell_is_a_formula(self, desk: Desk) -> None:
        Message.objects.filter(recipient=desk.sent.addresses[0]).update(recipient="=cmd|x@example.com")
        Message.objects.filter(recipient=desk.sent.addresses[1]).update(recipient="+1@example.com")
        emails = {row["email"] for row in desk.rows("readers")}
        assert {"'=cmd|x@example.com", "'+1@example.com"} < emails

    def test_an_unknown_table_does_not_exist(self, desk: Desk) -> None:
        assert desk.get("export", "passwords").status_code == 404


class TestComparison:
    def test_campaigns_stand_side_by_side(self, desk: Desk) -> None:
        first = desk.sent.campaign
        desk.sent.send_again()
        url = reverse("admin:campaigns_campaign_compare")
        answer = desk.client.get(url, {"c": [str(first.public_id), str(desk.sent.campaign.public_id)]})
        text = squeeze(answer)
        assert "Opened 0 % 0 33 % 1" in text
        table = desk.client.get(url, {"c": [str(first.public_id)], "format": "csv"})
        (row,) = csv.DictReader(io.StringIO(b"".join(table.streaming_content).decode()))  # type: ignore[attr-defined]
        assert (row["campaign"], row["opened"], row["opened_by_machines_only"]) == (first.name, "1", "1")

    def test_what_was_not_counted_is_not_shown_as_nothing(self) -> None:
        sent = TrackedSend(track_opens=False)
        client = Client()
        client.force_login(make_user(sent.account))
        url = f"{reverse('admin:campaigns_campaign_compare')}?c={sent.campaign.public_id}"
        assert "Opened Not counted Clicked 0 % 0" in squeeze(client.get(url))
        table = client.get(f"{url}&format=csv")
        (row,) = csv.DictReader(io.StringIO(b"".join(table.streaming_content).decode()))  # type: ignore[attr-defined]
        assert (row["opened"], row["clicked"]) == ("", "0")

    def test_those_of_strangers_are_not_among_them(self, desk: Desk) -> None:
        theirs = TrackedSend(make_account()).campaign
        text = squeeze(
            desk.client.get(reverse("admin:campaigns_campaign_compare"), {"c": [str(theirs.public_id), "x"]})
        )
        assert theirs.name not in text
        assert "Side by side" not in text


@pytest.mark.parametrize("view", [*PAGES, "export", "reader"])
def test_a_stranger_gets_the_same_404_as_for_nothing(desk: Desk, view: str) -> None:
    needs: dict[str, list[Any]] = {"export": ["links"], "reader": [desk.sent.message(0).public_id]}
    more = needs.get(view, [])
    stranger = Client()
    stranger.force_login(make_user(make_account()))
    nothing = reverse(f"admin:campaigns_campaign_{view}", args=[uuid4(), *more])
    assert stranger.get(desk.url(view, *more)).status_code == stranger.get(nothing).status_code == 404


def test_a_mail_of_another_campaign_is_not_shown_under_this_one(desk: Desk) -> None:
    other = TrackedSend(desk.sent.account)
    assert desk.get("reader", other.message(0).public_id).status_code == 404


def test_before_anything_was_sent_there_is_nothing_to_see(desk: Desk) -> None:
    draft = make_campaign(desk.sent.account)
    assert desk.client.get(reverse("admin:campaigns_campaign_statistics", args=[draft.public_id])).status_code == 404


def test_long_campaigns_are_drawn_by_the_day(desk: Desk) -> None:
    path = desk.sent.pixel(2)
    ask(path, agent=PHONE)
    Message.objects.filter(submission=desk.sent.submission).update(sent_at=timezone.now() - timedelta(days=9))
    text = desk.text("statistics")
    assert "in one day" in text
