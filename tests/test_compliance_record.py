"""Decisions are kept as proof, and counts add up."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campaigns.models import Account, Submission, Transport
from compliance import gate
from compliance.models import Decision
from tests.factories import make_account
from tests.test_compliance_rules import FINE

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
BAD = replace(FINE, has_postal_address=False)


def make_submission(account: Account | None = None) -> Submission:
    account = account or make_account()
    return Submission.objects.create(
        account=account,
        door="test",
        purpose="marketing",
        transport=Transport.objects.get(account=account),
        send_at=timezone.now(),
        valid_until=timezone.now() + timedelta(days=2),
    )


@pytest.mark.django_db
def test_a_blocked_decision_keeps_what_was_found() -> None:
    submission = make_submission()
    verdict = gate.decide(BAD)
    gate.record([gate.Decided(submission.pk, BAD, verdict, 7)], now=NOW)
    decision = Decision.objects.get()
    assert (decision.submission_id, decision.feature) == (submission.pk, "campaign.broadcast")
    assert (decision.allowed, decision.recipients, decision.decided_at) == (False, 7, NOW)
    assert decision.facts_digest == BAD.digest()
    (finding,) = decision.findings
    assert finding["code"] == "content.postal-address-missing"
    assert set(finding) == {"code", "text", "action", "citation"}


@pytest.mark.django_db
def test_recipients_with_the_same_facts_add_up() -> None:
    submission = make_submission()
    for recipients in (400, 100):
        gate.record([gate.Decided(submission.pk, FINE, gate.decide(FINE), recipients)], now=NOW)
    decision = Decision.objects.get()
    assert (decision.allowed, decision.findings, decision.recipients) == (True, [], 500)


@pytest.mark.django_db
def test_two_submissions_do_not_share_a_decision() -> None:
    first = make_submission()
    second = make_submission(first.account)
    for submission in (first, second):
        gate.record([gate.Decided(submission.pk, FINE, gate.decide(FINE), 1)], now=NOW)
    assert Decision.objects.count() == 2


@pytest.mark.django_db
def test_many_decisions_take_one_statement(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    submission = make_submission()
    decided = [
        gate.Decided(submission.pk, facts, gate.decide(facts), recipients)
        for facts, recipients in ((FINE, 3), (BAD, 2), (FINE, 4))
    ]
    with django_assert_num_queries(1):
        gate.record(decided, now=NOW)
    assert dict(Decision.objects.values_list("allowed", "recipients")) == {True: 7, False: 2}


@pytest.mark.django_db
def test_nothing_decided_is_nothing_to_record(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        gate.record([], now=NOW)


@pytest.mark.django_db(transaction=True)
def test_workers_that_record_at_the_same_time_lose_no_count() -> None:
    submission = make_submission()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                decided = [gate.Decided(submission.pk, facts, gate.decide(facts), 1) for facts in (FINE, BAD)]
                gate.record(decided, now=NOW)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(Decision.objects.values_list("recipients", flat=True)) == [40, 40]
