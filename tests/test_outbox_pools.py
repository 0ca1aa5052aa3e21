"""Pools: the way out a request takes, by the pool it names, by its domain's pools, or by default."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campaigns.errors import CampaignError, NotFound
from campaigns.models import Account, Domain, Transport, TransportPool
from campaigns.outbox import pools
from campaigns.outbox.transports import seal_config
from tests.factories import make_account, make_domain, make_transport

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def domain(account: Account) -> Domain:
    return make_domain(account)


def make_pool(account: Account, *ways: Transport, name: str = "Fast") -> TransportPool:
    pool = pools.create_pool(account, name=name)
    for way in ways:
        pools.add_member(pool, way=way)
    return pool


def break_way(way: Transport, *, for_minutes: int) -> None:
    Transport.objects.filter(pk=way.pk).update(broken_until=timezone.now() + timedelta(minutes=for_minutes))


def default_of(account: Account) -> Transport:
    return account.transports.get(is_default=True)


def test_without_pools_mail_leaves_by_the_default(account: Account, domain: Domain) -> None:
    make_pool(account, make_transport(account))
    assert pools.choose_transport(account) == default_of(account)
    assert pools.choose_transport(account, domain=domain) == default_of(account)


def test_an_account_without_a_default_has_no_way(account: Account, domain: Domain) -> None:
    account.transports.all().delete()
    make_transport(account)
    assert pools.choose_transport(account, domain=domain) is None


def test_a_request_that_names_a_pool_takes_its_first_way(account: Account) -> None:
    first, second = make_transport(account), make_transport(account)
    pool = make_pool(account, second, first)
    assert pools.choose_transport(account, pool=str(pool.public_id)) == second
    pool.members.filter(transport=second).update(priority=1)
    assert pools.choose_transport(account, pool=pool.public_id.hex) == first


@pytest.mark.parametrize("pool", ["no id", "\x00", "7f0c2d53-0000-4000-8000-000000000000"])
def test_a_pool_nobody_has_is_refused(account: Account, pool: str) -> None:
    with pytest.raises(CampaignError) as caught:
        pools.choose_transport(account, pool=pool)
    assert (caught.value.code, caught.value.status) == ("request.pool-unknown", 400)


def test_a_strangers_pool_is_refused_like_one_nobody_has(account: Account) -> None:
    stranger = make_account()
    pool = make_pool(stranger, make_transport(stranger))
    with pytest.raises(CampaignError) as caught:
        pools.choose_transport(account, pool=str(pool.public_id))
    assert caught.value.code == "request.pool-unknown"


def test_an_empty_pool_is_refused_rather_than_another_way_taken(account: Account) -> None:
    with pytest.raises(CampaignError) as caught:
        pools.choose_transport(account, pool=str(make_pool(account).public_id))
    assert caught.value.code == "request.pool-empty"


def test_a_domains_pools_are_asked_in_their_order(account: Account, domain: Domain) -> None:
    low, high = make_transport(account), make_transport(account)
    late, early = make_pool(account, low, name="Late"), make_pool(account, high, name="Early")
    pools.assign_pool(domain, pool=late, priority=49)
    pools.assign_pool(domain, pool=early, priority=2)
    assert pools.choose_transport(account, domain=domain) == high
    pools.change_priority(domain, pool=late, priority=1)
    assert pools.choose_transport(account, domain=domain) == low
    assert pools.choose_transport(account, domain=make_domain(account)) == default_of(account)


def test_a_domains_empty_pool_leads_to_the_next(account: Account, domain: Domain) -> None:
    way = make_transport(account)
    pools.assign_pool(domain, pool=make_pool(account, name="Empty"), priority=0)
    assert pools.choose_transport(account, domain=domain) == default_of(account)
    pools.assign_pool(domain, pool=make_pool(account, way), priority=1)
    assert pools.choose_transport(account, domain=domain) == way


def test_a_way_whose_breaker_is_open_is_passed_over(account: Account, domain: Domain) -> None:
    first, second = make_transport(account), make_transport(account)
    pool = make_pool(account, first, second)
    pools.assign_pool(domain, pool=pool, priority=0)
    break_way(first, for_minutes=5)
    assert pools.choose_transport(account, domain=domain) == second
    assert pools.choose_transport(account, pool=str(pool.public_id)) == second
    break_way(second, for_minutes=5)
    assert pools.choose_transport(account, domain=domain) == default_of(account)
    assert pools.choose_transport(account, pool=str(pool.public_id)) == first
    break_way(first, for_minutes=-5)
    assert pools.choose_transport(account, domain=domain) == first


def test_the_choice_takes_one_query(
    account: Account, domain: Domain, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    pools.assign_pool(domain, pool=make_pool(account, make_transport(account)), priority=0)
    with django_assert_num_queries(1):
        pools.choose_transport(account, domain=domain)
    with django_assert_num_queries(1):
        pools.choose_transport(account)


def test_a_pool_goes_with_its_places_and_leaves_the_ways(account: Account, domain: Domain) -> None:
    way = make_transport(account)
    pool = make_pool(account, way)
    pools.assign_pool(domain, pool=pool, priority=0)
    pool.delete()
    assert pools.choose_transport(account, domain=domain) == default_of(account)
    assert way in account.transports.all()


def test_a_way_is_in_a_pool_once(account: Account) -> None:
    way = make_transport(account)
    pool = make_pool(account, way, way)
    assert [member.transport for member in pools.members_of(pool)] == [way]
    pools.remove_member(pool, way=way)
    with pytest.raises(NotFound):
        pools.remove_member(pool, way=way)


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "two\nlines"])
def test_a_pool_needs_a_printable_name(account: Account, name: str) -> None:
    with pytest.raises(CampaignError) as caught:
        pools.create_pool(account, name=name)
    assert caught.value.code == "pool.name-invalid"


def test_two_pools_of_an_account_differ_in_name(account: Account) -> None:
    make_pool(account)
    other = make_pool(account, name="Other")
    with pytest.raises(CampaignError) as caught:
        pools.rename_pool(other, name="Fast")
    assert caught.value.code == "pool.name-taken"
    make_pool(make_account())


def test_a_released_way_is_in_no_pool_until_it_is_taken_in(account: Account) -> None:
    way = make_transport(account)
    pool = make_pool(account, way)
    pools.release_way(way)
    assert way not in pools.list_ways(account)
    assert not pools.members_of(pool).exists()
    assert pools.take_in_way(account) == way
    assert way in pools.list_ways(account)
    with pytest.raises(CampaignError, match="none-released"):
        pools.take_in_way(account)


def test_the_default_way_cannot_be_released(account: Account) -> None:
    with pytest.raises(CampaignError, match="is-default"):
        pools.release_way(default_of(account))


def test_a_way_shows_its_relays_host_or_an_address_of_nobodys(account: Account) -> None:
    relay = make_transport(account, kind="smtp")
    relay.config_sealed = seal_config(relay, config={"host": "mail.example.org", "password": "secret"})
    assert pools.show_addresses(relay) == ["mail.example.org"]
    (address,) = pools.show_addresses(default_of(account))
    assert address.startswith("192.0.2.")
    assert pools.show_addresses(default_of(account)) == [address]
    relay.config_sealed = b"broken"
    assert pools.show_addresses(relay)[0].startswith("192.0.2.")
