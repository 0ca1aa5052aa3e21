"""The home page, accounts and people with access."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from campaigns.models import Account, CampaignState, Membership, Role
from tests.factories import make_account, make_campaign, make_contact, make_domain, make_list, make_user, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account(name="Green Garden", time_zone="Asia/Tokyo")


def test_somebody_new_is_told_what_to_do_first(client: Client, account: Account) -> None:
    client.force_login(make_user(account, role=Role.OPERATOR))
    page = client.get("/admin/").content.decode()
    for words in ("Prove your domain", "Write a template", "Bring your people", "Send a campaign"):
        assert words in page
    assert "Recent actions" not in page


def test_steps_are_ticked_as_they_are_done(client: Client, account: Account) -> None:
    client.force_login(make_user(account, role=Role.OPERATOR))
    make_domain(account)
    make_version(account)
    assert client.get("/admin/").content.decode().count('class="done"') == 2


def test_the_steps_go_once_a_campaign_was_sent(client: Client, account: Account) -> None:
    client.force_login(make_user(account, role=Role.OPERATOR))
    make_campaign(account, state=CampaignState.SENT)
    assert "From here to your first campaign" not in client.get("/admin/").content.decode()


def test_a_viewer_gets_no_to_do_list(client: Client, account: Account) -> None:
    client.force_login(make_user(account, role=Role.VIEWER))
    assert "From here to your first campaign" not in client.get("/admin/").content.decode()


@pytest.mark.parametrize(("role", "offered"), [(Role.AUTHOR, True), (Role.VIEWER, False)])
def test_a_new_campaign_is_one_press_away_for_those_who_may(
    client: Client, account: Account, role: Role, offered: bool
) -> None:
    make_campaign(account, state=CampaignState.SENT)
    client.force_login(make_user(account, role=role))
    assert ("New campaign" in client.get("/admin/").content.decode()) is offered


def test_the_bare_address_leads_to_the_start(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/admin/"


def test_a_wrong_password_is_refused_in_plain_words(client: Client) -> None:
    page = client.post("/admin/login/", {"username": "ona", "password": "wrong"}).content.decode()
    assert "do not belong together" in page
    assert "staff" not in page


def test_a_page_that_does_not_exist_leads_back_only_those_who_are_signed_in(client: Client, account: Account) -> None:
    assert "Back to the start" not in client.get("/nowhere").content.decode()
    client.force_login(make_user(account))
    assert "Back to the start" in client.get("/admin/nowhere/").content.decode()


def test_people_with_access_are_listed_with_what_they_may_do(client: Client, account: Account) -> None:
    make_user(account, role=Role.APPROVER, username="ona")
    make_user(None, username="jonas", is_active=False)
    client.force_login(make_user(None, username="root", is_superuser=True))
    page = client.get("/admin/auth/user/").content.decode()
    for words in ("Approver in Green Garden", "May not sign in", "Everything"):
        assert words in page


def test_the_form_for_a_new_person_does_not_call_the_password_optional(client: Client) -> None:
    client.force_login(make_user(None, is_superuser=True))
    page = client.get("/admin/auth/user/add/").content.decode()
    assert "optional" not in page.partition('for="id_password1"')[2].partition('for="id_account"')[0]


def test_home_shows_ones_own_accounts_only(client: Client, account: Account) -> None:
    make_campaign(account, name="Our letter", lists=[make_list(account, name="Our readers")])
    other = make_account()
    make_campaign(other, name="Their letter", lists=[make_list(other, name="Their readers")])
    client.force_login(make_user(account))
    page = client.get("/admin/").content.decode()
    assert "Our letter" in page
    assert "Our readers" in page
    assert "Their" not in page


def test_home_takes_as_many_queries_for_much_as_for_little(client: Client, account: Account) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as found:
            client.get("/admin/")
        return len(found)

    client.force_login(make_user(account))
    make_campaign(account)
    make_contact(account, lists=[make_list(account)])
    few = count_queries()
    for _ in range(5):
        make_campaign(account)
        make_contact(account, lists=[make_list(account)])
    assert count_queries() == few


def test_times_are_in_the_accounts_zone(client: Client, account: Account) -> None:
    version = make_version(account)
    client.force_login(make_user(account))
    page = client.get(f"/admin/campaigns/emailtemplate/{version.template.public_id}/change/").content.decode()
    assert "JST" in page


def test_an_account_is_made_with_its_sandbox(client: Client) -> None:
    client.force_login(make_user(is_superuser=True))
    given = {
        "name": "New",
        "slug": "new",
        "postal_address": "1 Road",
        "time_zone": "Europe/Vilnius",
        "baa_status": "none",
    }
    client.post("/admin/campaigns/account/add/", given)
    made = Account.objects.get(slug="new")
    assert made.transports.get().kind == "sandbox"
    assert made.transports.get().is_default


def test_an_operator_changes_the_account_but_neither_its_short_name_nor_its_agreement(
    client: Client, account: Account
) -> None:
    client.force_login(make_user(account, role=Role.OPERATOR))
    given = {
        "name": "Renamed", "slug": "other", "postal_address": "", "time_zone": "UTC", "language": "en", "baa_status": "active",
        "stop_at_bounce_percent": "5", "stop_at_complaint_percent": "0.3",
        "soft_bounces_to_stop": "5", "soft_bounce_days": "15",
        "domain_limits-TOTAL_FORMS": "0", "domain_limits-INITIAL_FORMS": "0",
    }  # fmt: skip
    client.post(f"/admin/campaigns/account/{account.public_id}/change/", given)
    fresh = Account.objects.get(pk=account.pk)
    assert (fresh.name, fresh.slug, fresh.baa_status) == ("Renamed", account.slug, "none")


def test_an_operator_makes_no_account(client: Client, account: Account) -> None:
    client.force_login(make_user(account, role=Role.OPERATOR))
    assert client.get("/admin/campaigns/account/add/").status_code == 403


def test_a_person_is_added_with_a_place_to_work(client: Client, account: Account) -> None:
    client.force_login(make_user(is_superuser=True))
    client.post(
        "/admin/auth/user/add/",
        {
            "username": "rasa", "first_name": "Rasa", "last_name": "", "email": "", "password1": "a long enough word",
            "password2": "a long enough word", "account": account.pk, "role": Role.APPROVER,
        },
    )  # fmt: skip
    made = User.objects.get(username="rasa")
    assert made.is_staff
    assert not made.is_superuser
    assert Membership.objects.get(user=made).role == Role.APPROVER
    assert made.check_password("a long enough word")


def test_a_superuser_sets_a_new_password(client: Client, account: Account) -> None:
    somebody = make_user(account)
    client.force_login(make_user(is_superuser=True))
    words = {"new_password1": "quite another word", "new_password2": "quite another word"}
    client.post(f"/admin/auth/user/{somebody.pk}/password/", words)
    somebody.refresh_from_db()
    assert somebody.check_password("quite another word")


def test_nobody_deletes_themselves(client: Client) -> None:
    me = make_user(is_superuser=True)
    client.force_login(me)
    assert client.post(f"/admin/auth/user/{me.pk}/delete/", {"post": "yes"}).status_code == 403
