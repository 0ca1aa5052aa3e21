"""How many requests a program may make: by key, by account, by operation, together with other processes."""

from __future__ import annotations

import logging
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from campaigns.accounts import request_buckets, shared
from campaigns.accounts.keys import Credential, authenticate
from campaigns.accounts.limits import OPERATIONS, RateLimited, take_request
from campaigns.accounts.request_buckets import MemoryBuckets, RedisBuckets
from campaigns.bucket import Rate
from campaigns.models import Account
from tests.factories import make_account, make_api_key

NOW = datetime(2030, 3, 1, 9, tzinfo=UTC)
needs_redis = pytest.mark.skipif(not settings.REDIS_URL, reason="needs Redis (REDIS_URL)")


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


def enter(account: Account, **fields: object) -> Credential:
    return authenticate(make_api_key(account, **fields)[1], remote="203.0.113.7", now=NOW)


def count_granted(credential: Credential, *, of: int, operation: str = "messages.send", after: float = 0) -> int:
    granted = 0
    for _ in range(of):
        try:
            take_request(credential, operation=operation, now=NOW + timedelta(seconds=after))
        except RateLimited:
            continue
        granted += 1
    return granted


def test_a_key_has_its_own_limit(account: Account) -> None:
    slow, quick = enter(account, max_per_second=4), enter(account)
    assert count_granted(slow, of=10) == 4
    assert count_granted(quick, of=10) == 10
    assert count_granted(slow, of=10, after=0.25) == 1
    assert count_granted(slow, of=10, after=60) == 4


@pytest.mark.django_db
def test_all_keys_of_an_account_share_its_limit() -> None:
    account, stranger = make_account(max_requests_per_second=5), make_account(max_requests_per_second=5)
    one, other, strange = enter(account), enter(account), enter(stranger)
    assert count_granted(one, of=4) + count_granted(other, of=4) == 5
    assert count_granted(strange, of=9) == 5


@pytest.mark.parametrize(
    ("operation", "at_once", "in_ten_seconds"),
    [
        ("bulks.get", 100, 16), ("reports.get", 120, 20), ("logs.get-v1", 60, 10), ("validation.one", 150, 150),
        ("validation.start", 1, 1), ("domains.get", 5, 5), ("domains.add", 5, 5), ("templates.read", 10, 10),
    ],
)  # fmt: skip
def test_what_is_asked_for_has_infobips_limit(
    account: Account, operation: str, at_once: int, in_ten_seconds: int
) -> None:
    credential = enter(account)
    assert count_granted(credential, of=at_once + 20, operation=operation) == at_once
    assert count_granted(credential, of=at_once + 20, operation=operation, after=10) == in_ten_seconds
    assert count_granted(credential, of=1, operation="messages.send") == 1


def test_a_day_has_room_for_a_thousand_new_domains() -> None:
    bursts = [(rate.burst, rate.per_second * 86_400) for rate in OPERATIONS["domains.add"]]
    assert bursts == [(5, 86_400), (pytest.approx(1000), pytest.approx(1000))]


def test_an_operation_nobody_wrote_down_is_a_mistake_of_the_door(account: Account) -> None:
    with pytest.raises(KeyError):
        take_request(enter(account), operation="messages.sned", now=NOW)


def test_the_refusal_says_how_long_to_wait_and_the_wait_is_enough(account: Account) -> None:
    credential = enter(account, max_per_second=0.5)
    take_request(credential, operation="messages.send", now=NOW)
    with pytest.raises(RateLimited) as caught:
        take_request(credential, operation="messages.send", now=NOW + timedelta(seconds=0.5))
    assert (caught.value.code, caught.value.status) == ("request.rate-limited", 429)
    assert caught.value.retry_after == pytest.approx(1.5)
    take_request(credential, operation="messages.send", now=NOW + timedelta(seconds=0.5 + caught.value.retry_after))


def test_a_refused_request_takes_from_no_bucket(account: Account) -> None:
    credential = enter(account, max_per_second=2)
    assert count_granted(credential, of=100, operation="domains.get") == 2
    assert count_granted(credential, of=100, operation="domains.get", after=1) == 2
    assert count_granted(credential, of=100, operation="domains.get", after=2) == 2


def test_counting_asks_the_database_nothing(account: Account) -> None:
    credential = enter(account, max_per_second=2)
    with CaptureQueriesContext(connection) as queries:
        count_granted(credential, of=5)
    assert not queries.captured_queries


def test_threads_of_a_process_count_together(account: Account) -> None:
    credential = enter(account, max_per_second=500)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: count_granted(credential, of=250), range(4))) == 500


def test_memory_forgets_buckets_that_are_full_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryBuckets, "MOST", 100)
    buckets = MemoryBuckets()
    slow = Rate(0.001)
    buckets.take({"slow": slow}, now=NOW)
    for number in range(300):
        buckets.take({f"b{number}": Rate(10)}, now=NOW + timedelta(seconds=number))
    assert len(buckets._levels) <= 101
    assert buckets.take({"slow": slow}, now=NOW + timedelta(seconds=300)) == pytest.approx(700)


# --- Redis --------------------------------------------------------------------------------------------------------


@needs_redis
@given(
    st.lists(st.tuples(st.sampled_from([0.01, 0.5, 3, 40]), st.sampled_from([1.0, 5.0, 60.0])), min_size=1, max_size=3),
    st.lists(st.floats(-200, 400).map(lambda value: round(value, 3)), max_size=25),
)
@hypothesis_settings(max_examples=25)
def test_redis_counts_as_memory_does(given_rates: list[tuple[float, float]], steps: list[float]) -> None:
    """The script is the arithmetic of campaigns.bucket once more, under any clock."""
    mark = uuid4().hex
    rates = {f"{mark}:{place}": Rate(*rate) for place, rate in enumerate(given_rates)}
    memory, redis, now = MemoryBuckets(), RedisBuckets(settings.REDIS_URL), NOW
    for step in [0.0, *steps]:
        now += timedelta(seconds=step)
        assert redis.take(rates, now=now) == pytest.approx(memory.take(rates, now=now), abs=1e-4)


def _take_many(mark: str, url: str, count: int) -> int:
    """In a process of its own: how many of so many requests were let through."""
    buckets = RedisBuckets(url)
    return sum(not buckets.take({mark: Rate(500)}, now=NOW) for _ in range(count))


@needs_redis
def test_four_processes_together_get_exactly_what_one_would() -> None:
    mark = uuid4().hex
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        granted = [pool.submit(_take_many, mark, settings.REDIS_URL, 300) for _ in range(4)]
        assert sum(future.result() for future in granted) == 500


@needs_redis
def test_a_bucket_in_redis_goes_away_by_itself() -> None:
    mark = uuid4().hex
    buckets = RedisBuckets(settings.REDIS_URL)
    buckets.take({mark: Rate(1, 60)}, now=NOW)
    client = shared.connect(settings.REDIS_URL)
    (name,) = client.keys(f"*{mark}")
    assert 0 < client.ttl(name) <= 180


def test_while_redis_is_down_each_process_counts_for_itself_and_says_so_once(
    account: Account, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    url = "redis://127.0.0.1:1/0"
    settings.REDIS_URL = url
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url, "KEY_PREFIX": "down"}
    }
    monkeypatch.setattr(shared, "_asked_again_at", 0.0)
    monkeypatch.setattr(request_buckets, "_memory", MemoryBuckets())
    with caplog.at_level(logging.ERROR, "campaigns"):
        credential = enter(account, max_per_second=2)
        assert count_granted(credential, of=5) == 2
    assert len(caplog.records) == 1
