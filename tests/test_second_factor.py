"""The second factor, automatic logoff and what ends with somebody's access (45 CFR 164.312(a)(2)(iii), (d); 164.308(a)(3))."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db.models import CharField, DateTimeField, TextField
from django.test import Client
from django.utils import timezone

from campaigns.accounts import drafts, second_factor
from campaigns.accounts.keys import create_key
from campaigns.models import Account, ApiKey, KeptDraft, Membership, RecoveryCode, Role, SecondFactor
from compliance.models import AuditEvent
from tests.factories import make_account, make_list, make_user
from tests.people import code_of, sign_in

pytestmark = pytest.mark.django_db

HOME = "/admin/"
SET_UP = "/admin/second-factor/"
CONFIRM = "/admin/second-factor/confirm/"


@pytest.fixture
def clinic() -> Account:
    return make_account(baa_status="active")


@pytest.fixture
def author(clinic: Account) -> User:
    return make_user(clinic, role=Role.AUTHOR)


def actions(account: Account | None = None) -> list[str]:
    owner = str(account.public_id) if account else ""
    return list(AuditEvent.objects.filter(owner=owner).order_by("seq").values_list("action", flat=True))


def secret_on(page: Any) -> str:
    found = re.search(r"<code class=\"clip\">([A-Z2-7 ]+)</code>", page.content.decode())
    assert found
    return found[1]


def set_up(client: Client) -> tuple[str, list[str]]:
    """The secret and the recovery codes of whoever is signed in."""
    secret = secret_on(client.get(SET_UP))
    # A code of half a minute ago counts too, and leaves the present one for the test.
    page = client.post(SET_UP, {"code": code_of(secret, at=timezone.now().timestamp() - 30)})
    return secret, re.findall(r"<li>([a-z2-7-]{19})</li>", page.content.decode())


# --- Setting up and proving ---------------------------------------------------------------------------------------


def test_whoever_works_under_an_agreement_sets_up_a_second_factor_before_anything_else(
    client: Client, author: User, clinic: Account
) -> None:
    client.force_login(author)
    for page in (HOME, "/admin/campaigns/emailtemplate/", "/admin/password_change/"):
        assert client.get(page).headers["Location"].startswith(SET_UP)
    secret, codes = set_up(client)
    assert len(codes) == 10
    assert client.get(HOME).status_code == 200
    factor = SecondFactor.objects.get(user=author)
    assert secret.encode() not in bytes(factor.secret_sealed)
    assert not RecoveryCode.objects.filter(code_hash__in=codes).exists()
    assert actions(clinic) == ["person.factor-added"]


def test_nobody_else_is_asked_until_they_want_it(client: Client) -> None:
    client.force_login(make_user(make_account()))
    assert client.get(HOME).status_code == 200
    set_up(client)
    client.logout()
    client.force_login(User.objects.get())
    assert client.get(HOME).headers["Location"] == f"{CONFIRM}?next=%2Fadmin%2F"


def test_a_code_leads_to_where_one_was_going_and_nowhere_else(client: Client, author: User) -> None:
    client.force_login(author)
    secret, _ = set_up(client)
    client.logout()
    client.force_login(author)
    wanted = "/admin/campaigns/emailtemplate/?page=1"
    asked = client.get(wanted, follow=True)
    onwards = re.search(r'name="next" value="([^"]+)"', asked.content.decode())
    assert onwards
    answer = client.post(CONFIRM, {"code": code_of(secret), "next": onwards[1]})
    assert answer.headers["Location"] == wanted
    moment = second_factor.find_moment(client.session)
    assert moment
    assert abs((timezone.now() - moment).total_seconds()) < 5
    elsewhere = client.post(CONFIRM, {"code": "1", "next": "https://evil.example/"})
    assert "evil.example" not in elsewhere.content.decode()


def test_signing_in_again_in_the_same_browser_takes_the_second_factor_again(client: Client, author: User) -> None:
    client.force_login(author)
    set_up(client)
    client.force_login(author)
    assert client.get(HOME).headers["Location"].startswith(CONFIRM)


def test_no_code_counts_twice(client: Client, author: User) -> None:
    client.force_login(author)
    secret, codes = set_up(client)
    for code in (code_of(secret), codes[0]):
        assert client.post(CONFIRM, {"code": code}).status_code == 302
        again = client.post(CONFIRM, {"code": code})
        assert "does not count" in again.content.decode()


def test_a_code_of_somebody_else_or_of_another_time_does_not_count(client: Client, author: User) -> None:
    client.force_login(author)
    secret, _ = set_up(client)
    for code in (code_of(secret, at=timezone.now().timestamp() + 120), "000000", "", "１２３４５６", "abcd-efgh"):
        with pytest.raises(second_factor.WrongCode):
            second_factor.prove(author, code, now=timezone.now())
    other = make_user(make_account(baa_status="active"))
    with pytest.raises(second_factor.WrongCode):
        second_factor.prove(other, code_of(secret), now=timezone.now())


def test_who_guesses_codes_has_to_wait_and_the_trail_tells(client: Client, author: User, clinic: Account) -> None:
    client.force_login(author)
    secret, _ = set_up(client)
    for number in range(11):
        client.post(CONFIRM, {"code": f"{number:06}"})
    asked = client.post(CONFIRM, {"code": code_of(secret)})
    assert "too many wrong codes" in asked.content.decode()
    assert "person.locked-out" in actions(clinic)


def test_who_guesses_passwords_has_to_wait_even_with_the_right_one(
    client: Client, author: User, clinic: Account
) -> None:
    author.set_password("correct horse")
    author.save()
    for number in range(11):
        client.post("/admin/login/", {"username": author.username, "password": f"wrong {number}"})
    page = client.post("/admin/login/", {"username": author.username, "password": "correct horse"})
    assert "too many wrong passwords" in page.content.decode()
    found = actions(clinic)
    assert found.count("person.sign-in-failed") == 11
    assert found[-1] == "person.locked-out"


def test_what_somebody_typed_as_a_name_is_nowhere_in_the_trail(client: Client) -> None:
    client.post("/admin/login/", {"username": "my password by mistake", "password": "x"})
    event = AuditEvent.objects.get()
    assert (event.action, event.thing_kind) == ("person.sign-in-failed", "system")
    assert "mistake" not in f"{event.data}{event.thing_id}{event.thing_label}"


def test_a_password_alone_does_not_open_the_api_to_whoever_needs_two(client: Client, author: User) -> None:
    author.set_password("correct horse")
    author.save()
    basic = "Basic " + base64.b64encode(f"{author.username}:correct horse".encode()).decode()
    assert client.get("/email/4/logs", headers={"authorization": basic}).status_code == 401


# --- Idle hands ---------------------------------------------------------------------------------------------------


def test_after_fifteen_minutes_without_a_hand_the_person_is_out_and_the_draft_is_kept(
    client: Client, author: User, clinic: Account, clock: time_machine.Traveller
) -> None:
    sign_in(client, author)
    news = make_list(clinic)
    page = f"/admin/campaigns/contactlist/{news.public_id}/change/"
    client.get(page)
    clock.shift(timedelta(minutes=14))
    assert client.get(HOME).status_code == 200
    clock.shift(timedelta(minutes=15, seconds=1))
    answer = client.post(page, {"name": "Half a name", "password": "not kept"})
    assert answer.headers["Location"].startswith("/admin/login/")
    assert "Your draft was kept" in client.get(answer.headers["Location"]).content.decode()
    assert actions(clinic)[-1] == "person.logged-off"
    assert b"Half a name" not in bytes(KeptDraft.objects.get().fields_sealed)
    found = drafts.find_draft(author, path=page, now=timezone.now())
    assert found is not None
    assert found[1] == {"name": ["Half a name"]}
    sign_in(client, author)
    assert "Half a name" in client.get(page).content.decode()
    client.post("/admin/draft/drop/", {"draft-path": page})
    assert "kept-draft" not in client.get(page).content.decode()


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(
    client: Client, author: User, clock: time_machine.Traveller
) -> None:
    sign_in(client, author)
    client.get(HOME)
    for _ in range(2):
        clock.shift(timedelta(minutes=8))
        answer = client.get(HOME, headers={"X-Requested-With": "fetch"})
    assert answer.status_code == 302


def test_a_day_of_work_ends_after_eight_hours(client: Client, author: User, clock: time_machine.Traveller) -> None:
    sign_in(client, author)
    for _ in range(34):
        client.get(HOME)
        clock.shift(timedelta(minutes=14, seconds=20))
    assert client.get(HOME).headers["Location"].startswith("/admin/login/")


def test_people_without_an_agreement_are_not_signed_out(client: Client, clock: time_machine.Traveller) -> None:
    client.force_login(make_user(make_account()))
    client.get(HOME)
    clock.shift(timedelta(hours=3))
    assert client.get(HOME).status_code == 200


def test_a_draft_is_its_writers_alone_and_for_a_day(author: User, clock: time_machine.Traveller) -> None:
    now = timezone.now()
    assert drafts.keep_draft(author, path="/admin/x/", fields=[("name", ["secret plan"])], now=now)
    assert drafts.find_draft(make_user(), path="/admin/x/", now=now) is None
    assert drafts.find_draft(author, path="/admin/y/", now=now) is None
    assert drafts.find_draft(author, path="/admin/x/", now=now + timedelta(days=1)) is None
    assert drafts.forget_old(now=now + timedelta(days=1)) == 1


# --- Leaving ------------------------------------------------------------------------------------------------------


def test_who_is_deactivated_is_out_at_once_with_their_keys(client: Client, author: User, clinic: Account) -> None:
    """hipaa.md B12: and whoever did it is told what they could reach, which the trail keeps."""
    sign_in(client, author)
    create_key(clinic, name="Theirs", scopes=["email:message:send"], by=author)
    other = make_account(name="Z Newsletter")
    Membership.objects.create(user=author, account=other, role=Role.VIEWER)
    boss = sign_in(Client(), make_user(is_superuser=True))
    form = {"username": author.username, "memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    told = boss.post(f"/admin/auth/user/{author.pk}/change/", form, follow=True).content.decode()
    assert f"Until now they could reach: {clinic} as author; {other} as viewer." in told
    author.refresh_from_db()
    assert not author.is_active
    assert ApiKey.objects.get().revoked_at is not None
    assert not [row for row in Session.objects.all() if row.get_decoded().get("_auth_user_id") == str(author.pk)]
    event = AuditEvent.objects.filter(owner=str(clinic.public_id)).latest("seq")
    assert (event.action, event.data["roles"], event.data["keys"]) == ("person.deactivated", ["author"], 1)


def test_a_role_that_is_taken_ends_the_sessions_that_had_it(client: Client, author: User, clinic: Account) -> None:
    sign_in(client, author)
    membership = author.memberships.get()
    boss = sign_in(Client(), make_user(is_superuser=True))
    form = {
        "username": author.username, "is_active": "on", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": membership.pk, "memberships-0-user": author.pk, "memberships-0-account": clinic.pk,
        "memberships-0-role": "author", "memberships-0-DELETE": "on",
    }  # fmt: skip
    boss.post(f"/admin/auth/user/{author.pk}/change/", form)
    assert not author.memberships.exists()
    assert client.get(HOME).status_code == 302
    assert AuditEvent.objects.filter(
        owner=str(clinic.public_id), action="person.role-taken", data__role="author"
    ).exists()


def test_who_ever_signed_in_is_not_deleted(client: Client, author: User) -> None:
    boss = sign_in(Client(), make_user(is_superuser=True))
    sign_in(client, author)
    assert boss.post(f"/admin/auth/user/{author.pk}/delete/", {"post": "yes"}).status_code == 403
    unused = make_user()
    assert boss.post(f"/admin/auth/user/{unused.pk}/delete/", {"post": "yes"}).status_code == 302


def test_a_lost_phone_is_replaced_by_whoever_runs_the_installation(client: Client, author: User) -> None:
    client.force_login(author)
    set_up(client)
    url = f"/admin/auth/user/{author.pk}/second-factor/"
    assert sign_in(Client(), make_user(make_account())).post(url).status_code in {403, 404}
    boss = sign_in(Client(), make_user(is_superuser=True))
    assert "Make sure" in boss.get(url).content.decode()
    boss.post(url)
    assert not second_factor.is_set_up(author)
    client.force_login(author)
    assert client.get(HOME).headers["Location"].startswith(SET_UP)


# --- Nobody is named ----------------------------------------------------------------------------------------------


def test_no_screen_searches_addresses() -> None:
    """hipaa.md S23: what is searched for stands in web addresses, logs and histories."""
    for model, screen in admin.site._registry.items():
        searched = {name.rpartition("__")[2].lstrip("^=@") for name in screen.search_fields}
        assert not searched & {"email", "recipient", "address", "address_key"}, model
        assert not any("email" in str(name) for name in screen.list_filter), model


def test_no_row_says_an_address() -> None:
    """hipaa.md §2.6: the admin's own record keeps what a row says of itself."""
    address = "ona.zqcanary@zqcanary.example.org"
    for model in apps.get_models():
        if model._meta.app_label not in {"campaigns", "compliance"}:
            continue
        texts = {
            field.attname: address
            for field in model._meta.concrete_fields
            if isinstance(field, (CharField, TextField)) and not field.choices
            and ("email" in field.name or "recipient" in field.name or "address" in field.name)
        }  # fmt: skip
        moments = {f.attname: timezone.now() for f in model._meta.concrete_fields if isinstance(f, DateTimeField)}
        if texts and model.__name__ not in {"Sender", "BounceMailbox"}:
            # From-addresses and mailboxes of the organisation are not patients'.
            assert "zqcanary" not in str(model(**texts, **moments)).lower(), model
