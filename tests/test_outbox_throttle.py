"""Limits that all workers share, on the rows they are kept in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campaigns.domains import warmup
from campaigns.models import Account, DayCount, DomainLimit, Door, Sender, Submission, SubmissionState, Transport
from campaigns.outbox.throttle import open_limits
from tests.factories import make_account, make_domain, make_sender
from tests.processes import database_url

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return make_account(time_zone="Europe/Vilnius")


def make_submission(account: Account, *, sender: Sender | None = None, **fields: Any) -> Submission:
    fields = {
        "door": Door.CAMPAIGN,
        "purpose": "marketing",
        "transport": account.transports.get(is_default=True),
        "state": SubmissionState.OPEN,
        "options": {"lists": []},
        "send_at": NOW,
        "valid_until": NOW + timedelta(days=2),
    } | fields
    return Submission.objects.create(account=account, sender=sender or make_sender(account), **fields)


def limit(account: Account, **limits: float) -> None:
    Account.objects.filter(pk=account.pk).update(**limits)
    account.refresh_from_db()


def warm(account: Account, started_on: date) -> Sender:
    return make_sender(account, domain=make_domain(account, name="new.example.org", warmup_started_on=started_on))


def test_without_limits_nothing_is_asked(account: Account, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    limits = open_limits(make_submission(account))
    assert limits.limits_nothing(NOW)
    with django_assert_num_queries(0):
        assert limits.take(500, now=NOW).count == 500
        limits.give_back(3, now=NOW)
        assert limits.later(["example.org"] * 3, now=NOW) == [None, None, None]


def test_a_batch_costs_one_short_transaction(
    account: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    limit(account, max_per_second=1_000)
    limits = open_limits(make_submission(account))
    limits.take(1, now=NOW)
    with django_assert_max_num_queries(4):  # begin, lock, save, commit
        limits.take(500, now=NOW)


def test_a_second_brings_a_second_s_worth(account: Account) -> None:
    limit(account, max_per_second=10)
    limits = open_limits(make_submission(account))
    assert limits.take(500, now=NOW).count == 10
    assert limits.take(500, now=NOW).count == 0
    assert limits.take(500, now=NOW + timedelta(seconds=0.5)).count == 5


def test_who_got_less_learns_when_to_come_back_and_why(account: Account) -> None:
    limit(account, max_per_second=10)
    limits = open_limits(make_submission(account))
    grant = limits.take(500, now=NOW)
    assert grant.retry_at == NOW + timedelta(seconds=0.25)
    assert grant.because == "The account's limit is reached."
    assert limits.take(500, now=grant.retry_at).count == 2


def test_a_whole_grant_has_nothing_to_wait_for(account: Account) -> None:
    limit(account, max_per_second=10)
    grant = open_limits(make_submission(account)).take(4, now=NOW)
    assert (grant.count, grant.retry_at) == (4, None)


def test_the_narrowest_limit_decides_and_the_wider_ones_keep_their_tokens(account: Account) -> None:
    limit(account, max_per_second=100)
    sender = make_sender(account, domain=make_domain(account, max_per_second=7))
    narrow = open_limits(make_submission(account, sender=sender))
    assert narrow.take(500, now=NOW).count == 7
    wide = open_limits(make_submission(account))
    assert wide.take(500, now=NOW).count == 93


def test_two_ways_to_send_have_a_limit_each(account: Account) -> None:
    slow = Transport.objects.create(account=account, name="Slow", kind="sandbox", max_per_second=2)
    fast = Transport.objects.create(account=account, name="Fast", kind="sandbox", max_per_second=50)
    assert open_limits(make_submission(account, transport=slow)).take(500, now=NOW).count == 2
    assert open_limits(make_submission(account, transport=fast)).take(500, now=NOW).count == 50


def test_what_is_given_back_can_be_taken_again(account: Account) -> None:
    limit(account, max_per_second=10)
    limits = open_limits(make_submission(account))
    limits.take(10, now=NOW)
    limits.give_back(4, now=NOW)
    assert limits.take(500, now=NOW).count == 4


def test_a_campaign_of_5000_an_hour_leaves_in_batches_and_not_faster(account: Account) -> None:
    limits = open_limits(make_submission(account, options={"max_per_hour": 5_000}))
    first = limits.take(500, now=NOW).count
    sent = sum(limits.take(500, now=NOW + timedelta(minutes=minute)).count for minute in range(1, 61))
    assert first == 166  # two minutes' worth
    assert 4_990 <= sent <= 5_000


def test_a_slow_campaign_loses_nothing_to_a_look_every_minute(account: Account) -> None:
    limits = open_limits(make_submission(account, options={"max_per_hour": 90}))
    looks = (NOW + timedelta(seconds=61 * look) for look in range(60))
    assert 88 <= sum(limits.take(500, now=at).count for at in looks) <= 94


def test_a_campaign_s_limit_is_its_own(account: Account) -> None:
    limited = open_limits(make_submission(account, options={"max_per_hour": 60}))
    other = open_limits(make_submission(account, options={"max_per_hour": 60}))
    assert limited.take(500, now=NOW).count == 2
    assert other.take(500, now=NOW).count == 2


def test_a_limit_of_nothing_is_none(account: Account) -> None:
    limit(account, max_per_second=0)
    assert open_limits(make_submission(account)).limits_nothing(NOW)


def test_a_recipient_domain_has_a_pace_of_its_own(account: Account) -> None:
    DomainLimit.objects.create(account=account, domain="slow.example", max_per_second=2)
    limits = open_limits(make_submission(account))
    domains = ["slow.example", "fast.example", "slow.example", "slow.example", "slow.example"]
    soon = [NOW + timedelta(seconds=0.5), NOW + timedelta(seconds=1)]
    assert limits.later(domains, now=NOW) == [None, None, None, *soon]


def test_a_subdomain_is_another_recipient_domain(account: Account) -> None:
    DomainLimit.objects.create(account=account, domain="slow.example", max_per_second=1)
    assert open_limits(make_submission(account)).later(["mail.slow.example"] * 3, now=NOW) == [None] * 3


def test_two_workers_put_messages_to_one_domain_in_one_line(account: Account) -> None:
    DomainLimit.objects.create(account=account, domain="slow.example", max_per_second=1)
    one, two = (open_limits(make_submission(account)) for _ in range(2))
    moments = [*one.later(["slow.example"] * 3, now=NOW), *two.later(["slow.example"] * 3, now=NOW)]
    assert moments == [None, *(NOW + timedelta(seconds=second) for second in range(1, 6))]


def test_a_batch_for_many_domains_asks_once(
    account: Account, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    names = [f"d{number}.example" for number in range(20)]
    DomainLimit.objects.bulk_create(DomainLimit(account=account, domain=name, max_per_second=1) for name in names)
    limits = open_limits(make_submission(account))
    limits.later(names, now=NOW)
    with django_assert_max_num_queries(4):
        limits.later(names * 25, now=NOW)


def test_another_account_s_limits_are_not_ours(account: Account) -> None:
    stranger = make_account(max_per_second=1)
    DomainLimit.objects.create(account=stranger, domain="slow.example", max_per_second=1)
    assert open_limits(make_submission(account)).limits_nothing(NOW)


# --- Warm-up ---------------------------------------------------------------------------------------------------------


def test_a_new_domain_sends_what_its_plan_allows_today(account: Account) -> None:
    cap = warmup.daily_cap(date(2027, 3, 1), today=date(2027, 3, 1))
    assert cap is not None
    limits = open_limits(make_submission(account, sender=warm(account, date(2027, 3, 1))))
    assert limits.take(1_000_000, now=NOW).count == cap
    grant = limits.take(5, now=NOW)
    # Midnight in Vilnius.
    assert (grant.count, grant.retry_at) == (0, datetime(2027, 3, 1, 22, tzinfo=UTC))
    assert grant.because == f"Today's {cap:,} mails of new.example.org are used: the domain is being warmed up."


def test_all_campaigns_of_a_domain_share_its_day(account: Account) -> None:
    cap = warmup.daily_cap(date(2027, 3, 1), today=date(2027, 3, 1)) or 0
    sender = warm(account, date(2027, 3, 1))
    one, two = (open_limits(make_submission(account, sender=sender)) for _ in range(2))
    assert one.take(cap - 1, now=NOW).count == cap - 1
    assert two.take(500, now=NOW).count == 1


def test_the_next_day_begins_at_the_account_s_midnight(account: Account) -> None:
    second = warmup.daily_cap(date(2027, 3, 1), today=date(2027, 3, 2))
    limits = open_limits(make_submission(account, sender=warm(account, date(2027, 3, 1))))
    midnight = limits.take(1_000_000, now=NOW).retry_at
    assert midnight is not None
    assert limits.take(1, now=midnight - timedelta(seconds=1)).count == 0
    assert limits.take(1_000_000, now=midnight).count == second


def test_mail_that_did_not_leave_is_not_counted(account: Account) -> None:
    limits = open_limits(make_submission(account, sender=warm(account, date(2027, 3, 1))))
    taken = limits.take(1_000_000, now=NOW).count
    limits.give_back(3, now=NOW)
    assert DayCount.objects.get().used == taken - 3
    assert limits.take(500, now=NOW).count == 3


def test_what_is_given_back_after_midnight_belongs_to_the_day_before(account: Account) -> None:
    limits = open_limits(make_submission(account, sender=warm(account, date(2027, 3, 1))))
    late = datetime(2027, 3, 1, 21, 59, 59, tzinfo=UTC)
    limits.take(10, now=late)
    limits.give_back(4, now=late + timedelta(seconds=2))
    assert list(DayCount.objects.values_list("day", "used")) == [(date(2027, 3, 1), 6)]


def test_a_domain_that_is_warm_has_no_cap(account: Account) -> None:
    limits = open_limits(make_submission(account, sender=warm(account, date(2020, 1, 1))))
    assert limits.take(1_000_000, now=NOW).count == 1_000_000


def test_a_test_mail_is_not_held_back_by_the_warm_up(account: Account) -> None:
    sender = warm(account, date(2027, 3, 1))
    open_limits(make_submission(account, sender=sender)).take(1_000_000, now=NOW)
    assert open_limits(make_submission(account, sender=sender, door=Door.TEST)).take(1, now=NOW).count == 1


# --- Real processes --------------------------------------------------------------------------------------------------


def run_workers(submissions: list[Submission], *, seconds: float) -> list[dict[str, float]]:
    """What real worker processes were granted and when, one for each submission, all at the same time."""
    connections.close_all()
    environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.take_tokens", str(submission.pk), str(seconds)],
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for submission in submissions
    ]
    for process in processes:  # loading Django takes a while
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes)
    return [json.loads(answer) for answer in answers]


@pytest.mark.django_db(transaction=True)
def test_four_workers_together_keep_every_limit_to_the_message() -> None:
    """Two campaigns with keys in common and keys of their own: nobody waits in a circle either."""
    account = make_account(max_per_second=120)
    DomainLimit.objects.create(account=account, domain="a.example", max_per_second=20)
    DomainLimit.objects.create(account=account, domain="b.example", max_per_second=30)
    sender = make_sender(account, domain=make_domain(account, max_per_second=10_000))
    other = Transport.objects.create(account=account, name="Other", kind="sandbox", max_per_second=5_000)
    now = timezone.now()
    one, two = (
        make_submission(account, sender=sender, send_at=now, valid_until=now + timedelta(days=1), transport=transport)
        for transport in (account.transports.get(is_default=True), other)
    )
    found = run_workers([one, two, one, two], seconds=4)
    seconds = max(answer["ended"] for answer in found) - min(answer["began"] for answer in found)
    for name, rate in (("granted", 120), ("a.example", 20), ("b.example", 30)):
        total = sum(answer.get(name, 0) for answer in found)
        # A full bucket at the beginning, and what flows in; a machine that is busy may take less.
        assert 0.5 * rate * 4 <= total <= rate * seconds + rate, f"{name}: {total}"
    assert all(answer["free.example"] > 0 for answer in found)


@pytest.mark.django_db(transaction=True)
def test_four_workers_together_never_pass_the_cap_of_the_day() -> None:
    account = make_account()
    today = timezone.now().date()
    sender = make_sender(account, domain=make_domain(account, warmup_started_on=today))
    now = timezone.now()
    submission = make_submission(account, sender=sender, send_at=now, valid_until=now + timedelta(days=1))
    found = run_workers([submission] * 4, seconds=1.5)
    caps = [warmup.daily_cap(today, today=day) or 0 for day in (today, timezone.now().date())]
    total = sum(answer["granted"] for answer in found)
    # Who gives back last leaves a little that nobody takes any more.
    assert caps[0] // 2 < total <= sum(set(caps))
