"""The page of a domain, through the admin's door: keys, records, and how mail leaves."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.test import Client

from campaigns.admin import domains as domain_screens
from campaigns.domains import warmup
from campaigns.domains.creation import create_domain
from campaigns.domains.expected import expect_key, expected_records
from campaigns.domains.keys import open_private_key
from campaigns.domains.organisations import is_one_organisation
from campaigns.domains.rotation import start_rotation
from campaigns.domains.verification import verify_domain
from campaigns.models import Account, DayCount, DkimKey, Domain, Role
from tests.dns_server import DnsServer
from tests.factories import make_account, make_user

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
State, Algorithm = DkimKey.State, DkimKey.Algorithm


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def domain(account: Account) -> Domain:
    """A verified domain."""
    domain = create_domain(account, name="news.example.org")
    Domain.objects.update(verified_at=NOW, checked_at=NOW)
    domain.refresh_from_db()
    return domain


@pytest.fixture
def door(client: Client, account: Account) -> Client:
    client.force_login(make_user(account, role=Role.OPERATOR))
    return client


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[DnsServer]:
    with DnsServer() as server:
        monkeypatch.setattr(domain_screens, "make_resolver", lambda: server.resolver)
        yield server


def page_url(domain: Domain, rest: str = "change/") -> str:
    return f"/admin/campaigns/domain/{domain.public_id}/{rest}"


def read(door: Client, domain: Domain) -> str:
    text = re.sub(r"\s+", " ", door.get(page_url(domain)).content.decode())
    return text.replace("&#x27;", "'")


def publish(dns: DnsServer, domain: Domain) -> None:
    dns.publish_all(expected_records(domain))


# --- Keys ---------------------------------------------------------------------------------------


def test_a_key_is_changed_after_asking_once(door: Client, domain: Domain) -> None:
    """DK-06."""
    asked = door.get(page_url(domain, "key/rsa/")).content.decode()
    assert "goes on being signed with the key in use" in asked
    assert domain.dkim_keys.count() == 1
    page = door.post(page_url(domain, "key/rsa/"), follow=True).content.decode()
    new = domain.dkim_keys.get(state=State.NEW)
    assert expect_key(domain, new).host in page
    assert "Waits until its record is found" in page
    assert "Change this key" not in page


def test_the_page_follows_a_key_from_its_record_to_its_end(door: Client, domain: Domain, dns: DnsServer) -> None:
    """DK-06: what must be published, what must stay, what may go."""
    old = expect_key(domain, domain.dkim_keys.get()).host
    publish(dns, domain)
    with time_machine.travel(NOW, tick=False):
        verify_domain(domain, resolver=dns.resolver, now=NOW)
        start_rotation(domain)
        publish(dns, domain)
        verify_domain(domain, resolver=dns.resolver, now=NOW)
        page = read(door, domain)
    assert "Old signature key" in page
    assert "needed until 30 Nov 2026" in page
    assert "Records you may remove" not in page
    verify_domain(domain, resolver=dns.resolver, now=NOW + timedelta(days=7))
    page = read(door, domain)
    assert "Old signature key" not in page
    assert old in page.partition("Records you may remove")[2]


def test_a_change_is_cancelled(door: Client, domain: Domain) -> None:
    key = start_rotation(domain)
    url = page_url(domain, f"cancel-key/{key.selector}/")
    assert door.get(url).status_code == 405
    assert "Cancelled" in door.post(url, follow=True).content.decode()
    assert [key.state for key in domain.dkim_keys.all()] == [State.SIGNING]
    assert "Nothing was changed" in door.post(url, follow=True).content.decode()


def test_a_second_change_while_one_waits_is_refused(door: Client, domain: Domain) -> None:
    start_rotation(domain)
    page = door.post(page_url(domain, "key/rsa/")).content.decode()
    assert "already waits to be published" in page
    assert domain.dkim_keys.count() == 2


def test_an_ed25519_signature_is_added(door: Client, domain: Domain) -> None:
    """DK-07."""
    assert "Add an Ed25519 signature" in read(door, domain)
    assert "carries both signatures" in door.get(page_url(domain, "key/ed25519/")).content.decode()
    door.post(page_url(domain, "key/ed25519/"))
    page = read(door, domain)
    assert "New second signature key (Ed25519)" in page
    assert "Add an Ed25519 signature" not in page
    assert domain.dkim_keys.get(algorithm=Algorithm.ED25519).state == State.NEW


@pytest.mark.parametrize("place", ["key/rsa/", "key/ed25519/", "cancel-key/{selector}/", "change/"])
def test_a_viewer_changes_nothing(client: Client, domain: Domain, place: str) -> None:
    key = start_rotation(domain)
    client.force_login(make_user(domain.account, role=Role.VIEWER))
    answer = client.post(page_url(domain, place.format(selector=key.selector)), {"max_per_second": "5"})
    assert answer.status_code == 403
    assert domain.dkim_keys.count() == 2


@pytest.mark.parametrize("place", ["key/rsa/", "key/ed25519/", "cancel-key/{selector}/", "change/"])
def test_a_stranger_finds_nothing(client: Client, domain: Domain, place: str) -> None:
    key = start_rotation(domain)
    client.force_login(make_user(make_account(), role=Role.OPERATOR))
    answer = client.post(page_url(domain, place.format(selector=key.selector)), {"max_per_second": "5"})
    assert answer.status_code == 404
    assert domain.dkim_keys.count() == 2


def test_a_domain_that_is_not_verified_yet_has_one_key_to_publish(door: Client, domain: Domain) -> None:
    Domain.objects.update(verified_at=None)
    page = read(door, domain)
    assert "Signs once the domain is verified" in page
    assert "Change this key" not in page
    assert "Add an Ed25519" not in page


def test_an_algorithm_nobody_signs_with_does_not_exist(door: Client, domain: Domain) -> None:
    assert door.post(page_url(domain, "key/dsa/")).status_code == 404


def test_no_page_shows_a_private_key(door: Client, domain: Domain) -> None:
    """DK-06."""
    start_rotation(domain)
    page = door.get(page_url(domain)).content.decode() + door.get(page_url(domain, "key/rsa/")).content.decode()
    for key in domain.dkim_keys.all():
        der = open_private_key(key).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        assert b64encode(der[300:330]).decode() not in page
        assert bytes(key.private_key_sealed).hex()[:40] not in page
    assert "PRIVATE" not in page


# --- How mail leaves ----------------------------------------------------------------------------


def save(door: Client, domain: Domain, **fields: str) -> str:
    given = {"return_path": "", "max_per_second": "", "warmup_started_on": ""} | fields
    page = door.post(page_url(domain), given, follow=True).content.decode()
    domain.refresh_from_db()
    return page


def test_the_way_mail_leaves_is_stored(door: Client, domain: Domain) -> None:
    save(door, domain, return_path=" Bounces@NEWS.example.org", max_per_second="2.5", warmup_started_on="2026-11-23")
    assert domain.return_path == "Bounces@news.example.org"
    assert (domain.max_per_second, domain.warmup_started_on) == (2.5, date(2026, 11, 23))
    save(door, domain)
    assert (domain.return_path, domain.max_per_second, domain.warmup_started_on) == ("", None, None)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("bounces", "not a valid email address"),
        ("bounces@example.com", "SPF does not speak for your From address"),
        ("bounces@org", "not a valid domain name"),
        ("ž@news.example.org", "must be ASCII"),
        (f"{'b' * 24}@news.example.org", "at most 23 characters"),
    ],
)
def test_a_return_path_that_cannot_work_is_refused_beside_its_field(
    door: Client, domain: Domain, value: str, words: str
) -> None:
    page = save(door, domain, return_path=value)
    assert words in page
    assert 'id="id_return_path_error"' in page
    assert value in page
    assert domain.return_path == ""


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "x"])
def test_a_rate_is_more_than_nothing(door: Client, domain: Domain, value: str) -> None:
    assert 'id="id_max_per_second_error"' in save(door, domain, max_per_second=value)
    assert domain.max_per_second is None


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        ("news.example.org", "news.example.org", True),
        ("b.news.example.org", "news.example.org", True),
        ("example.org", "news.example.org", True),
        ("bounces.example.org", "news.example.org", True),
        ("example.com", "example.org", False),
        ("badexample.org", "example.org", False),
        ("one.co.uk", "two.co.uk", False),
        ("a.one.co.uk", "b.one.co.uk", True),
        ("one.lt", "two.lt", False),
        ("a.one.lt", "one.lt", True),
    ],
)
def test_spf_can_speak_for_domains_of_one_organisation(one: str, other: str, is_one: bool) -> None:
    assert is_one_organisation(one, other) is is_one


# --- Warm-up ------------------------------------------------------------------------------------


def test_the_plan_grows_and_comes_to_an_end() -> None:
    start = date(2026, 11, 23)
    caps = [warmup.daily_cap(start, today=start + timedelta(days=day)) for day in range(-1, len(warmup.PLAN) + 1)]
    assert (caps[0], caps[-1]) == (None, None)
    assert caps[1:-1] == sorted(warmup.PLAN)
    assert (warmup.PLAN[0], warmup.PLAN[-1]) == (50, 1_000_000)


def test_the_page_says_what_may_leave_today(door: Client, domain: Domain) -> None:
    with time_machine.travel(datetime(2026, 11, 25, 9, 0, tzinfo=UTC), tick=False):
        save(door, domain, warmup_started_on="2026-11-23")
        DayCount.objects.create(key=f"domain:{domain.pk}", day=date(2026, 11, 25), used=123)
        page = read(door, domain)
    assert "Day 3 of 21: at most 500 mails today, 123 of them used." in page
    assert '<li aria-current="date"><b>500</b>Wed 25 Nov</li>' in page


@pytest.mark.parametrize(
    ("start", "words"),
    [("2026-11-24", "Not begun"), ("2026-11-02", "Over: no daily limit"), ("2026-11-03", "Day 21 of 21")],
)
def test_the_page_says_where_the_warm_up_stands(door: Client, domain: Domain, start: str, words: str) -> None:
    with time_machine.travel(NOW, tick=False):
        save(door, domain, warmup_started_on=start)
        assert words in read(door, domain)


def test_the_day_is_that_of_the_account(door: Client, domain: Domain) -> None:
    Account.objects.update(time_zone="Pacific/Auckland")
    with time_machine.travel(datetime(2026, 11, 23, 20, 0, tzinfo=UTC), tick=False):
        save(door, domain, warmup_started_on="2026-11-24")
        assert "Day 1 of 21" in read(door, domain)


def test_without_a_warm_up_the_plan_is_there_to_read(door: Client, domain: Domain) -> None:
    page = read(door, domain)
    assert "<b>1,000,000</b>Day 21" in page
    assert "at most" not in page.partition("The plan of 21 days")[2]


def test_a_viewer_reads_how_mail_leaves(client: Client, domain: Domain) -> None:
    client.force_login(make_user(domain.account, role=Role.VIEWER))
    page = client.get(page_url(domain)).content.decode()
    assert "The from-address" in page
    assert "No limit" in page
    assert 'name="return_path"' not in page
    assert "Change this key" not in page
