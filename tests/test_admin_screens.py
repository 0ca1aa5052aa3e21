"""Every screen opens for those who belong there, and does not exist for a stranger."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from campaigns.models import (
    Account,
    ImportJob,
    ImportState,
    Role,
    SandboxMail,
    Suppression,
    SuppressionReason,
    SuppressionScope,
    TransportPool,
)
from tests.factories import (
    make_account,
    make_contact,
    make_domain,
    make_landing_page,
    make_list,
    make_sender,
    make_template,
    make_transport,
    make_user,
    make_version,
)

pytestmark = pytest.mark.django_db

RAW = (
    b"From: News <news@example.com>\r\nTo: Ada <ada@example.com>\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n\r\n<p>Good morning</p>\r\n"
)


def make_mail(account: Account, **fields: Any) -> SandboxMail:
    given = {"recipient": "ada@example.com", "subject": "Hello", "raw": zlib.compress(RAW)} | fields
    return SandboxMail.objects.create(
        account=account, message_id="12345678-1234-4234-8234-123456789012", received_at=timezone.now(), **given
    )


def make_job(account: Account, **fields: Any) -> ImportJob:
    given = {"filename": "people.csv", "path": "imports/none.csv", "state": ImportState.DONE} | fields
    return ImportJob.objects.create(account=account, list=fields.pop("list", None) or make_list(account), **given)


def make_suppression(account: Account, **fields: Any) -> Suppression:
    given = {"scope": SuppressionScope.MARKETING, "reason": SuppressionReason.MANUAL, "address_key": "k" * 43} | fields
    return Suppression.objects.create(account=account, **given)


MAKERS: dict[str, Callable[[Account], Any]] = {
    "account": lambda account: account,
    "contact": lambda account: make_contact(account, lists=[make_list(account)], first_name="Ada"),
    "contactlist": make_list,
    "domain": make_domain,
    "emailtemplate": lambda account: make_version(account).template,
    "importjob": make_job,
    "landingpage": make_landing_page,
    "sandboxmail": make_mail,
    "sender": make_sender,
    "suppression": make_suppression,
    "transport": make_transport,
    "transportpool": lambda account: TransportPool.objects.create(account=account, name="Fast"),
}
OWN_PAGES: dict[str, tuple[str, ...]] = {
    "contact": ("subscribe/", "unsubscribe/"),
    "domain": ("check/",),
    "emailtemplate": ("preview/", "test/", "rename/"),
    "importjob": ("progress/", "errors.csv"),
    "landingpage": ("preview/",),
    "sandboxmail": ("part/", "mail.eml"),
    "transport": ("default/",),
}
WITHOUT_ADD = {"sandboxmail", "account"}


def row_id(row: Any) -> str:
    return str(getattr(row, "public_id", row.pk))


def sign_in(client: Client, account: Account | None, **fields: Any) -> User:
    user = make_user(account, **({"role": Role.OPERATOR} | fields))
    client.force_login(user)
    return user


@pytest.mark.parametrize("screen", MAKERS)
def test_the_list_shows_rows_of_ones_own_accounts_only(client: Client, screen: str) -> None:
    mine, other = make_account(), make_account()
    own, foreign = MAKERS[screen](mine), MAKERS[screen](other)
    sign_in(client, mine)
    page = client.get(f"/admin/campaigns/{screen}/")
    assert page.status_code == 200
    assert row_id(own) in page.content.decode() or f"/{own.pk}/" in page.content.decode()
    assert f"/{row_id(foreign)}/" not in page.content.decode()


@pytest.mark.parametrize("screen", MAKERS)
def test_a_row_of_ones_own_opens(client: Client, screen: str) -> None:
    mine = make_account()
    row = MAKERS[screen](mine)
    sign_in(client, mine)
    assert client.get(f"/admin/campaigns/{screen}/{row_id(row)}/change/").status_code == 200


@pytest.mark.parametrize("screen", MAKERS)
@pytest.mark.parametrize("page", ["change/", "delete/"])
def test_a_strangers_row_is_answered_like_one_that_does_not_exist(client: Client, screen: str, page: str) -> None:
    row = MAKERS[screen](make_account())
    sign_in(client, make_account())
    missing = {"suppression": "999999"}.get(screen, "00000000-0000-4000-8000-000000000000")
    for method in (client.get, client.post):
        foreign = method(f"/admin/campaigns/{screen}/{row_id(row)}/{page}")
        nobody = method(f"/admin/campaigns/{screen}/{missing}/{page}")
        assert foreign.status_code == nobody.status_code == 404
        assert foreign.content == nobody.content


@pytest.mark.parametrize(("screen", "page"), [(screen, page) for screen, pages in OWN_PAGES.items() for page in pages])
def test_our_own_pages_do_not_exist_for_a_stranger(client: Client, screen: str, page: str) -> None:
    row = MAKERS[screen](make_account())
    sign_in(client, make_account())
    assert client.get(f"/admin/campaigns/{screen}/{row_id(row)}/{page}").status_code == 404
    assert client.post(f"/admin/campaigns/{screen}/{row_id(row)}/{page}").status_code == 404


@pytest.mark.parametrize("screen", sorted(MAKERS.keys() - WITHOUT_ADD))
def test_the_page_for_adding_opens_for_an_operator_and_not_for_a_viewer(client: Client, screen: str) -> None:
    account = make_account()
    make_list(account)
    sign_in(client, account)
    assert client.get(f"/admin/campaigns/{screen}/add/").status_code == 200
    sign_in(client, account, role=Role.VIEWER)
    assert client.get(f"/admin/campaigns/{screen}/add/").status_code == 403


@pytest.mark.parametrize("screen", sorted(MAKERS.keys() - {"sandboxmail"}))
def test_a_viewer_sees_a_row_and_cannot_change_it(client: Client, screen: str) -> None:
    account = make_account()
    row = MAKERS[screen](account)
    sign_in(client, account, role=Role.VIEWER)
    url = f"/admin/campaigns/{screen}/{row_id(row)}/"
    assert client.get(f"{url}change/").status_code == 200
    assert client.post(f"{url}delete/", {"post": "yes"}).status_code == 403
    if screen not in {"importjob", "domain"}:  # nothing to post to
        assert client.post(f"{url}change/", {"name": "Mine now"}).status_code == 403


@pytest.mark.parametrize("screen", ["contactlist", "emailtemplate", "contact", "sender"])
def test_the_autocomplete_gives_nothing_of_others(client: Client, screen: str) -> None:
    account = make_account()
    make_list(account, name="Secret plans")
    sign_in(client, make_account())
    asked = {"app_label": "campaigns", "model_name": "campaign", "field_name": "lists", "term": ""}
    answer = client.get("/admin/autocomplete/", asked | {"model_name": screen})
    assert b"Secret plans" not in answer.content


def test_the_account_field_is_hidden_and_filled_for_somebody_with_one_account(client: Client) -> None:
    account = make_account()
    make_account()
    sign_in(client, account)
    assert b'name="account"' not in client.get("/admin/campaigns/contactlist/add/").content
    client.post("/admin/campaigns/contactlist/add/", {"name": "Readers"})
    assert account.lists.get().slug == "readers"


def test_somebody_with_two_accounts_chooses_among_those_two(client: Client) -> None:
    first, second, other = make_account(name="Alpha"), make_account(name="Beta"), make_account(name="Gamma")
    user = sign_in(client, first)
    user.memberships.create(account=second, role=Role.OPERATOR)
    page = client.get("/admin/campaigns/contactlist/add/").content.decode()
    assert "Alpha" in page
    assert "Beta" in page
    assert "Gamma" not in page
    answer = client.post("/admin/campaigns/contactlist/add/", {"name": "Readers", "account": other.pk})
    assert answer.status_code == 200
    assert not other.lists.exists()


def test_a_right_in_one_account_is_none_in_another(client: Client) -> None:
    mine, watched = make_account(), make_account()
    user = sign_in(client, mine)
    user.memberships.create(account=watched, role=Role.VIEWER)
    row = make_list(watched, name="Readers")
    url = f"/admin/campaigns/contactlist/{row.public_id}/change/"
    assert client.get(url).status_code == 200
    assert client.post(url, {"name": "Mine now"}).status_code == 403


def test_a_superuser_sees_every_account(client: Client) -> None:
    lists = [make_list(make_account()), make_list(make_account())]
    sign_in(client, None, is_superuser=True)
    page = client.get("/admin/campaigns/contactlist/").content.decode()
    assert all(str(row.public_id) in page for row in lists)


def test_staff_without_an_account_does_not_get_in(client: Client) -> None:
    sign_in(client, None)
    assert client.get("/admin/").status_code == 302
    assert b"belong to no account" in client.get("/admin/login/").content


def test_people_with_access_are_the_business_of_superusers(client: Client) -> None:
    user = sign_in(client, make_account())
    assert client.get("/admin/auth/user/").status_code == 403
    assert client.get(f"/admin/auth/user/{user.pk}/change/").status_code == 403
    assert client.get("/admin/auth/user/999999/change/").status_code == 403
    assert client.get(f"/admin/auth/user/{user.pk}/password/").status_code == 404


@pytest.mark.parametrize("path", ["campaigns/account/1/history/", "django_q/schedule/", "auth/group/"])
def test_developers_tables_and_histories_do_not_exist(client: Client, path: str) -> None:
    sign_in(client, None, is_superuser=True)
    assert client.get(f"/admin/{path}", follow=True).status_code == 404


def test_two_templates_of_an_account_cannot_have_one_name(client: Client) -> None:
    account = make_account()
    make_template(account, name="Letter")
    sign_in(client, account)
    answer = client.post("/admin/campaigns/emailtemplate/add/", {"name": "Letter", "starter": ""})
    assert "Another template has this name" in answer.content.decode()
