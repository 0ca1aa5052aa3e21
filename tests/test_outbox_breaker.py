"""The circuit breaker of a way out, as several workers share it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from campaigns.models import Transport
from campaigns.outbox import breaker
from tests.factories import make_account

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DOWN = "The relay does not answer."


@pytest.fixture
def relay() -> Transport:
    return make_account().transports.get()


def seen_by_another(relay: Transport) -> Transport:
    return Transport.objects.get(pk=relay.pk)


def fail(relay: Transport, count: int, *, now: datetime = NOW) -> None:
    breaker.note_outcomes(relay, failed=count, succeeded=0, now=now, because=breaker.KEEPS_DEFERRING)


def test_a_way_out_that_does_not_work_is_closed_for_everybody_for_a_minute(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    other = seen_by_another(relay)
    assert breaker.is_open(other, NOW)
    assert breaker.enter(other, now=NOW) == NOW + MINUTE
    assert other.broken_because == DOWN


def test_a_sound_way_out_costs_no_query_when_mail_leaves(
    relay: Transport, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        breaker.note_outcomes(relay, failed=0, succeeded=500, now=NOW, because="")
        breaker.note_outcomes(relay, failed=0, succeeded=0, now=NOW, because="")


def test_some_lost_connections_between_answers_are_nothing(relay: Transport) -> None:
    for _ in range(5):
        fail(relay, breaker.FAILURES_IN_A_ROW - 1)
        breaker.note_outcomes(relay, failed=3, succeeded=1, now=NOW, because="")
    assert not breaker.is_open(seen_by_another(relay), NOW)


def test_many_failures_in_a_row_open_it_also_when_several_workers_saw_them(relay: Transport) -> None:
    other = seen_by_another(relay)
    fail(relay, breaker.FAILURES_IN_A_ROW // 2)
    assert breaker.enter(other, now=NOW) is None
    fail(other, breaker.FAILURES_IN_A_ROW // 2)
    assert breaker.is_open(other, NOW)


def test_after_the_pause_one_worker_may_try(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    later = NOW + MINUTE
    workers = [seen_by_another(relay) for _ in range(3)]
    answers = [breaker.enter(worker, now=later) for worker in workers]
    assert answers == [None, later + 2 * MINUTE, later + 2 * MINUTE]


def test_who_tries_goes_on_until_a_mail_fails(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    breaker.enter(relay, now=NOW + MINUTE)
    assert not breaker.is_open(relay, NOW + MINUTE)
    fail(relay, 1, now=NOW + MINUTE)
    assert breaker.is_open(relay, NOW + MINUTE)


def test_each_failed_try_doubles_the_pause_up_to_an_hour(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    now, pauses = NOW, []
    for _ in range(9):
        until = seen_by_another(relay).broken_until
        assert until is not None
        pauses.append((until - now) // MINUTE)
        now = until
        assert breaker.enter(relay, now=now) is None
        breaker.note_broken(relay, now=now, because=DOWN)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_worker_that_dies_trying_keeps_nobody_out_for_ever(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    assert breaker.enter(relay, now=NOW + MINUTE) is None  # and is never heard of again
    assert breaker.enter(seen_by_another(relay), now=NOW + 3 * MINUTE) is None


def test_who_had_no_mail_to_try_with_leaves_the_try_to_the_next(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    later = NOW + MINUTE
    assert breaker.enter(relay, now=later) is None
    breaker.leave(relay, now=later)
    other = seen_by_another(relay)
    assert breaker.enter(other, now=later) is None
    breaker.note_broken(other, now=later, because=DOWN)
    breaker.leave(other, now=later)
    assert seen_by_another(relay).broken_until == later + 2 * MINUTE


def test_who_tried_and_was_answered_leaves_it_closed(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    breaker.enter(relay, now=NOW + MINUTE)
    breaker.note_outcomes(relay, failed=0, succeeded=1, now=NOW + MINUTE, because="")
    breaker.leave(relay, now=NOW + MINUTE)
    assert (seen_by_another(relay).failures, seen_by_another(relay).broken_until) == (0, None)


def test_a_try_that_fails_after_its_time_does_not_make_the_pause_short_again(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    breaker.enter(relay, now=NOW + MINUTE)
    breaker.note_broken(relay, now=NOW + 10 * MINUTE, because=DOWN)
    assert seen_by_another(relay).broken_until == NOW + 14 * MINUTE


def test_the_first_answer_closes_it_for_everybody(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    breaker.enter(relay, now=NOW + MINUTE)
    breaker.note_outcomes(relay, failed=0, succeeded=1, now=NOW + MINUTE, because="")
    other = seen_by_another(relay)
    assert breaker.enter(other, now=NOW + MINUTE) is None
    assert (other.failures, other.broken_because) == (0, "")
    breaker.note_broken(other, now=NOW + MINUTE, because=DOWN)
    assert other.broken_until == NOW + 2 * MINUTE


def test_mails_that_were_on_their_way_when_it_opened_make_no_pause_longer(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because=DOWN)
    for _ in range(4):
        breaker.note_broken(seen_by_another(relay), now=NOW + timedelta(seconds=5), because=DOWN)
    assert seen_by_another(relay).broken_until == NOW + MINUTE


def test_a_worker_that_looks_again_sees_what_others_noted(relay: Transport) -> None:
    other = seen_by_another(relay)
    fail(relay, 7)
    breaker.look_again(other)
    breaker.note_outcomes(other, failed=0, succeeded=1, now=NOW, because="")
    assert seen_by_another(relay).failures == 0


def test_a_long_reason_is_cut_to_its_column(relay: Transport) -> None:
    breaker.note_broken(relay, now=NOW, because="x" * 500)
    assert len(seen_by_another(relay).broken_because) == 200
