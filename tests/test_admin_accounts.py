"""The limits of an account on its page."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.models import Account, DomainLimit, Role, Submission
from campaigns.outbox import due
from tests.factories import make_account, make_user
from tests.office import Office, make_run, squeeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account(name="Green Garden")


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


def form(account: Account, *rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the page of an account posts."""
    posted = {
        "name": account.name, "postal_address": account.postal_address, "time_zone": account.time_zone, "language": "en",
        "max_per_second": "", "stop_at_bounce_percent": "5", "stop_at_complaint_percent": "0.3",
        "soft_bounces_to_stop": "5", "soft_bounce_days": "15",
        "domain_limits-TOTAL_FORMS": len(rows), "domain_limits-INITIAL_FORMS": sum("id" in row for row in rows),
    }  # fmt: skip
    for number, row in enumerate(rows):
        posted |= {f"domain_limits-{number}-{name}": value for name, value in {"account": account.pk, **row}.items()}
    return posted | changes


def save(door: Client, account: Account, *rows: dict[str, Any], **changes: Any) -> str:
    url = f"/admin/campaigns/account/{account.public_id}/change/"
    return squeeze(door.post(url, form(account, *rows, **changes), follow=True))


def test_an_operator_sets_the_limits_of_the_account(door: Client, account: Account) -> None:
    save(door, account, max_per_second="12.5", stop_at_bounce_percent="3", stop_at_complaint_percent="0.1")
    account.refresh_from_db()
    found = (account.max_per_second, account.stop_at_bounce_percent, account.stop_at_complaint_percent)
    assert found == (12.5, 3.0, 0.1)


def test_an_operator_decides_when_an_address_is_given_up(door: Client, account: Account) -> None:
    save(door, account, soft_bounces_to_stop="3", soft_bounce_days="30")
    account.refresh_from_db()
    assert (account.soft_bounces_to_stop, account.soft_bounce_days) == (3, 30)


@pytest.mark.parametrize(
    "changes",
    [
        {"max_per_second": "0"},
        {"max_per_second": "-1"},
        {"max_per_second": "nan"},
        {"stop_at_bounce_percent": "0"},
        {"stop_at_bounce_percent": "101"},
        {"stop_at_complaint_percent": ""},
        {"soft_bounces_to_stop": "-1"},
        {"soft_bounce_days": "366"},
    ],
)
def test_limits_that_make_no_sense_are_refused(door: Client, account: Account, changes: dict[str, str]) -> None:
    assert "Not saved yet" in save(door, account, **changes)
    assert Account.objects.get(pk=account.pk).max_per_second is None


def test_a_domain_of_readers_gets_a_pace_of_its_own(door: Client, account: Account) -> None:
    save(door, account, {"domain": "@FAß.de ", "max_per_second": "2"}, {"domain": "", "max_per_second": ""})
    assert list(account.domain_limits.values_list("domain", "max_per_second")) == [("xn--fa-hia.de", 2.0)]


def test_a_pace_is_changed_and_taken_away(door: Client, account: Account) -> None:
    one, two = (
        DomainLimit.objects.create(account=account, domain=name, max_per_second=1)
        for name in ("a.example", "b.example")
    )
    save(
        door,
        account,
        {"id": one.pk, "domain": "a.example", "max_per_second": "9"},
        {"id": two.pk, "domain": "b.example", "max_per_second": "1", "DELETE": "on"},
    )
    assert list(account.domain_limits.values_list("domain", "max_per_second")) == [("a.example", 9.0)]


def test_one_domain_is_given_once(door: Client, account: Account) -> None:
    twice = {"domain": "a.example", "max_per_second": "1"}
    assert "Not saved yet" in save(door, account, twice, twice)


def test_what_is_no_domain_is_refused(door: Client, account: Account) -> None:
    assert "This is not a valid domain name." in save(door, account, {"domain": "a b", "max_per_second": "1"})
    assert not DomainLimit.objects.exists()


def test_the_rows_of_another_account_stay_out_of_reach(door: Client, account: Account) -> None:
    theirs = DomainLimit.objects.create(account=make_account(), domain="a.example", max_per_second=1)
    save(door, account, {"id": theirs.pk, "domain": "evil.example", "max_per_second": "9"})
    theirs.refresh_from_db()
    assert (theirs.domain, theirs.max_per_second) == ("a.example", 1.0)


def test_a_viewer_reads_the_limits_and_changes_nothing(client: Client, account: Account) -> None:
    DomainLimit.objects.create(account=account, domain="a.example", max_per_second=1)
    client.force_login(make_user(account, role=Role.VIEWER))
    page = client.get(f"/admin/campaigns/account/{account.public_id}/change/")
    assert "a.example" in squeeze(page)
    assert not re.search(r'<input[^>]+name="domain_limits-0-domain"', page.content.decode())
    assert client.post(f"/admin/campaigns/account/{account.public_id}/change/", form(account)).status_code == 403


def test_new_limits_are_looked_at_by_what_waits_for_the_old_ones() -> None:
    office = Office()
    submission = make_run(office, state="sending", queued=2)
    due.postpone_submission(submission.pk, until=timezone.now() + timedelta(hours=5), because="Limit.")
    save(office.client, office.account)
    assert Submission.objects.get(pk=submission.pk).waits_until is not None
    save(office.client, office.account, max_per_second="5")
    assert Submission.objects.get(pk=submission.pk).waits_until is None
