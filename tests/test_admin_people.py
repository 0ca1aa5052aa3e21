"""Contacts, lists and the do-not-email entries, through the admin's door."""

from __future__ import annotations

import logging

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns import addresses, tokens
from campaigns.admin.paging import CappedPaginator
from campaigns.audiences import suppression
from campaigns.models import (
    Account,
    BaaStatus,
    CampaignState,
    Contact,
    Purpose,
    Role,
    Subscription,
    SubscriptionState,
    Suppression,
)
from tests.factories import make_account, make_campaign, make_contact, make_list, make_user
from tests.people import sign_in

pytestmark = pytest.mark.django_db

CONTACTS = "/admin/campaigns/contact/"
SUPPRESSIONS = "/admin/campaigns/suppression/"


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR, username="ona"))
    return client


def key_of(account: Account, email: str) -> str:
    return tokens.address_key(addresses.parse(email), account=account.public_id)


def test_a_person_is_found_by_address_without_the_address_in_the_url(door: Client, account: Account) -> None:
    contact = make_contact(account, "ada@example.com")
    answer = door.post(f"{CONTACTS}lookup/", {"address": " ADA@example.com "})
    assert answer.headers["Location"] == f"{CONTACTS}{contact.public_id}/change/"


def test_a_person_of_another_account_is_not_found(door: Client) -> None:
    make_contact(make_account(), "ada@example.com")
    answer = door.post(f"{CONTACTS}lookup/", {"address": "ada@example.com"}, follow=True)
    assert "Nobody here has this address" in answer.content.decode()


def test_looking_up_by_get_is_refused(door: Client) -> None:
    assert door.get(f"{CONTACTS}lookup/?address=ada@example.com").status_code == 405


def test_the_search_of_the_stock_admin_is_off_for_people(door: Client, account: Account) -> None:
    make_contact(account, "ada@example.com")
    make_contact(account, "grace@example.com")
    page = door.get(f"{CONTACTS}?q=ada", follow=True).content.decode()
    assert "grace@example.com" in page


def test_a_person_is_added_with_details(door: Client, account: Account) -> None:
    details = {"attr_name": ["first_name", "plan", ""], "attr_value": ["Ada", "pro", ""]}
    door.post(f"{CONTACTS}add/", {"email": "Ada@Example.com", **details})
    contact = account.contacts.get()
    assert contact.email == "Ada@example.com"
    assert contact.attributes == {"first_name": "Ada", "plan": "pro"}
    assert contact.address_key == key_of(account, "ada@example.com")


@pytest.mark.parametrize(
    ("email", "name", "words"),
    [
        ("ada@example.com", "first_name", "already here"),
        ("not an address", "first_name", "not a valid email address"),
        ("new@example.com", "First Name", "cannot be used as a name"),
    ],
)
def test_what_cannot_be_added_is_said_and_nothing_typed_is_lost(
    door: Client, account: Account, email: str, name: str, words: str
) -> None:
    make_contact(account, "ada@example.com")
    page = door.post(f"{CONTACTS}add/", {"email": email, "attr_name": [name], "attr_value": ["Typed"]})
    assert words in page.content.decode()
    assert 'value="Typed"' in page.content.decode()
    assert account.contacts.count() == 1


def test_the_details_of_a_person_change(door: Client, account: Account) -> None:
    contact = make_contact(account, "ada@example.com", plan="free", town="Vilnius")
    door.post(f"{CONTACTS}{contact.public_id}/change/", {"attr_name": ["plan"], "attr_value": ["pro"]})
    contact.refresh_from_db()
    assert contact.attributes == {"plan": "pro"}


def test_somebody_is_put_on_a_list_with_how_they_agreed(door: Client, account: Account) -> None:
    contact, news = make_contact(account), make_list(account)
    given = {"list": news.pk, "consent_kind": "express", "consent_source": "by phone"}
    door.post(f"{CONTACTS}{contact.public_id}/subscribe/", given)
    row = Subscription.objects.get(contact=contact, list=news)
    assert (row.state, row.consent_kind, row.consent_source) == (SubscriptionState.SUBSCRIBED, "express", "by phone")


def test_nobody_is_put_on_a_list_of_another_account(door: Client, account: Account) -> None:
    contact, foreign = make_contact(account), make_list(make_account())
    given = {"list": foreign.pk, "consent_kind": "express", "consent_source": ""}
    door.post(f"{CONTACTS}{contact.public_id}/subscribe/", given)
    assert not Subscription.objects.filter(contact=contact).exists()


def test_who_left_a_list_is_not_put_back_by_hand(door: Client, account: Account) -> None:
    news = make_list(account)
    contact = make_contact(account, lists=[news])
    url = f"{CONTACTS}{contact.public_id}/"
    door.post(f"{url}unsubscribe/", {"list": str(news.public_id)})
    assert Subscription.objects.get().state == SubscriptionState.UNSUBSCRIBED
    page = door.post(
        f"{url}subscribe/", {"list": news.pk, "consent_kind": "express", "consent_source": ""}, follow=True
    )
    assert "Only they can come back" in page.content.decode()
    assert Subscription.objects.get().state == SubscriptionState.UNSUBSCRIBED


def test_the_sizes_of_all_lists_come_in_one_query(door: Client, account: Account) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert door.get("/admin/campaigns/contactlist/").status_code == 200
        return len(found)

    make_contact(account, lists=[make_list(account)])
    few = count_queries()
    for _ in range(5):
        make_contact(account, lists=[make_list(account)])
    assert count_queries() == few


def test_a_list_shows_its_people_a_page_at_a_time(door: Client, account: Account) -> None:
    news = make_list(account)
    for number in range(60):
        make_contact(account, f"reader{number}@example.com", lists=[news])
    url = f"/admin/campaigns/contactlist/{news.public_id}/change/"
    first, second = door.get(url).content.decode(), door.get(f"{url}?page=2").content.decode()
    assert (first.count("@example.com"), second.count("@example.com")) == (50, 10)


def test_lists_of_one_name_get_short_names_of_their_own(door: Client, account: Account) -> None:
    for _ in range(2):
        door.post("/admin/campaigns/contactlist/add/", {"name": "Weekly news", "description": ""})
    assert sorted(account.lists.values_list("slug", flat=True)) == ["weekly-news", "weekly-news-2"]


def test_deleting_says_how_much_goes_with_it(door: Client, account: Account) -> None:
    news = make_list(account)
    for _ in range(3):
        make_contact(account, lists=[news])
    url = f"/admin/campaigns/contactlist/{news.public_id}/delete/"
    assert "3 places on a list" in door.get(url).content.decode()
    door.post(url, {"post": "yes"})
    assert not account.lists.exists()
    assert Contact.objects.count() == 3


@pytest.mark.parametrize("place", ["lists", "excluded_lists"])
def test_a_list_stays_while_a_campaign_still_to_be_sent_names_it(door: Client, account: Account, place: str) -> None:
    news = make_list(account)
    campaign = make_campaign(account, name="Spring seeds", state=CampaignState.SCHEDULED)
    getattr(campaign, place).add(news)
    url = f"/admin/campaigns/contactlist/{news.public_id}/delete/"
    assert "“Spring seeds” (scheduled)" in door.post(url, {"post": "yes"}).content.decode()
    assert account.lists.exists()


def test_a_list_may_go_once_its_campaigns_are_sent(door: Client, account: Account) -> None:
    news = make_list(account)
    make_campaign(account, lists=[news], state=CampaignState.SENT)
    door.post(f"/admin/campaigns/contactlist/{news.public_id}/delete/", {"post": "yes"})
    assert not account.lists.exists()


def test_counting_stops_at_a_limit(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CappedPaginator, "LIMIT", 2)
    for _ in range(3):
        make_contact(account)
    pages = CappedPaginator(Contact.objects.order_by("pk"), 1)
    assert (pages.count, pages.is_capped) == (2, True)


def test_an_address_is_suppressed_and_found_again(door: Client, account: Account) -> None:
    given = {"address": "Ada@example.com", "scope": "marketing", "reason": "manual", "note": "by phone"}
    door.post(f"{SUPPRESSIONS}add/", given)
    key = key_of(account, "ada@example.com")
    assert suppression.blocked(account.pk, keys=[key], purpose=Purpose.MARKETING, list_ids=[]) == {key: "suppressed"}
    page = door.post(f"{SUPPRESSIONS}lookup/", {"address": "ada@EXAMPLE.com"}).content.decode()
    assert "No marketing" in page
    assert "ada@" not in page.lower()


def test_wishes_under_hipaa_are_filters_only_beside_an_agreement(door: Client, account: Account) -> None:
    make_account(baa_status=BaaStatus.ACTIVE)
    page = door.get(SUPPRESSIONS).content.decode()
    assert "Mail kept coming back" in page
    assert "Does not want email" not in page
    Account.objects.filter(pk=account.pk).update(baa_status=BaaStatus.ACTIVE)
    sign_in(door, User.objects.get(username="ona"))
    assert "Does not want email" in door.get(SUPPRESSIONS).content.decode()


def test_a_suppression_of_another_account_is_not_found(door: Client) -> None:
    other = make_account()
    suppression.suppress(other, address_key=key_of(other, "ada@example.com"), scope="everything", reason="manual")
    page = door.post(f"{SUPPRESSIONS}lookup/", {"address": "ada@example.com"}).content.decode()
    assert "Nothing stands against writing to them" in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scope": "list"}, "Choose the list."),
        ({"address": "nobody"}, "not a valid email address"),
        ({"note": "it was ada@example.com"}, "leave addresses out"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(door: Client, change: dict[str, str], words: str) -> None:
    given = {"address": "ada@example.com", "scope": "marketing", "reason": "manual", "note": ""} | change
    assert words in door.post(f"{SUPPRESSIONS}add/", given).content.decode()
    assert not Suppression.objects.exists()


def test_lifting_asks_why_and_keeps_who_and_why(door: Client, account: Account) -> None:
    suppression.suppress(account, address_key=key_of(account, "ada@example.com"), scope="everything", reason="manual")
    url = f"{SUPPRESSIONS}{Suppression.objects.get().pk}/change/"
    door.post(url, {"note": ""})
    assert Suppression.objects.exists()
    door.post(url, {"note": "asked by letter"})
    assert not Suppression.objects.exists()
    entry = LogEntry.objects.get()
    assert entry.user.get_username() == "ona"
    assert "asked by letter" in entry.change_message


def test_an_author_does_not_lift(client: Client, account: Account) -> None:
    suppression.suppress(account, address_key="k" * 43, scope="everything", reason="manual")
    client.force_login(make_user(account, role=Role.AUTHOR))
    url = f"{SUPPRESSIONS}{Suppression.objects.get().pk}/change/"
    assert client.post(url, {"note": "I want to"}).status_code == 403
    assert Suppression.objects.exists()


def test_no_address_reaches_the_log_or_the_admins_own_record(
    door: Client, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    contact = make_contact(account, "ada@example.com")
    with caplog.at_level(logging.DEBUG):
        door.post(f"{CONTACTS}lookup/", {"address": "ada@example.com"})
        door.post(f"{CONTACTS}{contact.public_id}/delete/", {"post": "yes"})
    ours = [record.getMessage() for record in caplog.records if record.name != "django.db.backends"]
    assert not [line for line in ours if "ada@" in line]
    assert not [entry for entry in LogEntry.objects.all() if "ada@" in entry.object_repr + entry.change_message]
