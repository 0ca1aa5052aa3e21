"""Sending from the command line."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from campaigns.models import Account, Campaign, CampaignState, ContactList, SandboxMail
from tests.factories import make_account, make_contact, make_list, make_sender, make_template, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    account = make_account(slug="shop")
    make_version(make_template(account, name="Letter"))
    make_sender(account, email="news@shop.example.com")
    return account


@pytest.fixture
def readers(account: Account) -> ContactList:
    readers = make_list(account, slug="readers")
    for _ in range(3):
        make_contact(account, lists=[readers])
    return readers


def send(*words: str, lists: tuple[str, ...] = ("readers",)) -> str:
    out = StringIO()
    given = [word for slug in lists for word in ("--list", slug)]
    parts = ["--name", "May", "--template", "Letter", "--sender", "news@shop.example.com", *given]
    call_command("send_campaign", "shop", *parts, *words, stdout=out)
    return out.getvalue()


def report(campaign: str) -> dict[str, Any]:
    out = StringIO()
    call_command("campaign_report", "shop", campaign, "--json", stdout=out)
    figures: dict[str, Any] = json.loads(out.getvalue())
    return figures


def test_waiting_returns_when_everyone_has_the_mail(readers: ContactList) -> None:
    printed = json.loads(send("--now", "--wait", "--json"))
    assert (printed["planned"], printed["sent"], printed["lost"], printed["finished"]) == (3, 3, 0, True)
    assert SandboxMail.objects.count() == 3


def test_the_report_command_says_the_same(readers: ContactList) -> None:
    printed = json.loads(send("--wait", "--json"))
    campaign = printed.pop("campaign")
    assert report(campaign) == printed


def test_dispatch_drains_what_was_started_without_waiting(readers: ContactList) -> None:
    campaign = json.loads(send("--json"))["campaign"]
    out = StringIO()
    call_command("dispatch", "--drain", stdout=out)
    assert out.getvalue().startswith("3 messages in ")
    assert report(campaign)["finished"] is True


def test_people_on_an_excluded_list_are_left_out(account: Account, readers: ContactList) -> None:
    staff = make_list(account, slug="staff")
    make_contact(account, lists=[readers, staff])
    assert json.loads(send("--exclude", "staff", "--wait", "--json"))["sent"] == 3


def test_a_time_schedules_instead_of_sending(readers: ContactList) -> None:
    send("--at", "2037-01-31T09:00+02:00", "--wait")
    campaign = Campaign.objects.get()
    assert campaign.state == CampaignState.SCHEDULED
    assert campaign.send_at is not None
    assert campaign.send_at.isoformat() == "2037-01-31T07:00:00+00:00"


@pytest.mark.parametrize("at", ["tomorrow", "2037-01-31", "2037-01-31T09:00", "2037-02-30T09:00+02:00"])
def test_a_time_without_a_zone_or_sense_is_explained_and_nothing_is_made(readers: ContactList, at: str) -> None:
    with pytest.raises(CommandError, match="such as 2027-01-31T09:00"):
        send("--at", at)
    assert not Campaign.objects.exists()


def test_everything_in_the_way_is_listed_with_what_to_do(account: Account) -> None:
    make_list(account, slug="empty")
    account.postal_address = ""
    account.save()
    with pytest.raises(CommandError) as refused:
        send(lists=("empty",))
    said = str(refused.value).splitlines()
    assert len(said) == 2
    assert "Nobody would receive this campaign." in said[0]


def test_a_name_nobody_has_is_a_sentence(readers: ContactList) -> None:
    with pytest.raises(CommandError, match=r"This list does not exist\."):
        send(lists=("nobody",))
