"""Campaigns stop by themselves before their domain is judged by others."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    Door,
    Event,
    EventKind,
    Message,
    MessageState,
    Sender,
    Submission,
    SubmissionState,
    WebhookDelivery,
    WebhookKind,
)
from campaigns.outbox import control, rates
from campaigns.planning import sending
from campaigns.webhooks.endpoints import Wish, create_endpoint
from tests.factories import make_account, make_campaign, make_sender

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


def make_running(account: Account, *, sender: Sender | None = None) -> Submission:
    now = timezone.now()
    campaign = make_campaign(account, state=CampaignState.SENDING, sender=sender or make_sender(account))
    return Submission.objects.create(
        account=account,
        campaign=campaign,
        sender=campaign.sender,
        door=Door.CAMPAIGN,
        purpose="marketing",
        transport=account.transports.get(),
        state=SubmissionState.OPEN,
        options={"lists": []},
        send_at=now,
        valid_until=now + timedelta(days=2),
    )


def add(submission: Submission, state: MessageState, count: int, *, at: datetime | None = None) -> list[Message]:
    """So many messages that ended in a state at a moment (now)."""
    at = at or timezone.now()
    known = Message.objects.count()
    sent_at = None if state == MessageState.BOUNCED else at
    return Message.objects.bulk_create(
        Message(
            submission=submission,
            recipient="x@example.com",
            recipient_domain="example.com",
            address_key=str(known + number),
            state=state,
            next_attempt_at=at,
            sent_at=sent_at,
            done_at=at,
        )
        for number in range(count)
    )


def complain(messages: list[Message], *, at: datetime | None = None) -> None:
    kind = EventKind.COMPLAINED
    Event.objects.bulk_create(Event(message=message, kind=kind, at=at or timezone.now()) for message in messages)


def check(submission: Submission, *, now: datetime | None = None) -> bool:
    fresh = Submission.objects.select_related("account", "sender__domain").get(pk=submission.pk)
    return rates.check_rates(fresh, now=now or timezone.now())


def campaign_of(submission: Submission) -> Campaign:
    return Campaign.objects.get(submissions=submission)


# --- Bounces -----------------------------------------------------------------------------------------------------------


def test_a_campaign_whose_mail_comes_back_is_paused_and_says_why(account: Account) -> None:
    submission = make_running(account)
    add(submission, MessageState.SENT, 93)
    add(submission, MessageState.BOUNCED, 7)
    assert check(submission)
    campaign = campaign_of(submission)
    assert campaign.state == CampaignState.PAUSED
    assert campaign.stopped_because.startswith("7.0 % of 100 mails came back; this account stops at 5 %.")


def test_bounces_up_to_the_limit_stop_nothing(account: Account) -> None:
    submission = make_running(account)
    add(submission, MessageState.DELIVERED, 95)
    add(submission, MessageState.BOUNCED, 5)
    assert not check(submission)


def test_the_first_bad_addresses_of_a_list_stop_nothing(account: Account) -> None:
    submission = make_running(account)
    add(submission, MessageState.BOUNCED, 60)
    add(submission, MessageState.SENT, 39)
    assert not check(submission)


def test_each_account_has_a_limit_of_its_own() -> None:
    submission = make_running(make_account(stop_at_bounce_percent=20))
    add(submission, MessageState.SENT, 90)
    add(submission, MessageState.BOUNCED, 10)
    assert not check(submission)


def test_mail_a_rule_refused_is_no_bounce(account: Account) -> None:
    submission = make_running(account)
    add(submission, MessageState.SENT, 100)
    add(submission, MessageState.REFUSED, 50)
    assert not check(submission)


def test_a_resumed_campaign_is_not_stopped_again_by_the_same_numbers(account: Account) -> None:
    submission = make_running(account)
    before = timezone.now() - timedelta(hours=1)
    add(submission, MessageState.SENT, 80, at=before)
    add(submission, MessageState.BOUNCED, 20, at=before)
    assert check(submission)
    sending.resume(campaign_of(submission))
    assert not check(submission)
    add(submission, MessageState.BOUNCED, 10)
    assert not check(submission)  # ten mails say nothing


def test_a_resumed_campaign_is_stopped_again_by_new_numbers(account: Account) -> None:
    submission = make_running(account)
    add(submission, MessageState.BOUNCED, 100, at=timezone.now() - timedelta(hours=1))
    assert check(submission)
    sending.resume(campaign_of(submission))
    add(submission, MessageState.SENT, 93)
    add(submission, MessageState.BOUNCED, 7)
    assert check(submission)
    assert campaign_of(submission).state == CampaignState.PAUSED


def test_a_campaign_without_trouble_costs_two_small_counts(
    account: Account, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    submission = make_running(account)
    add(submission, MessageState.SENT, 200)
    fresh = Submission.objects.select_related("account", "sender__domain").get(pk=submission.pk)
    with django_assert_num_queries(2):
        rates.check_rates(fresh, now=timezone.now())


# --- Complaints --------------------------------------------------------------------------------------------------------


def test_three_complaints_in_a_thousand_stop_the_campaign(account: Account) -> None:
    """MP-05."""
    submission = make_running(account)
    complain(add(submission, MessageState.SENT, 1_000)[:3])
    assert check(submission)
    assert "0.30 % of 1,000 readers" in campaign_of(submission).stopped_because


def test_two_complaints_in_a_thousand_are_only_warned_of(account: Account) -> None:
    """MP-05."""
    submission = make_running(account)
    complain(add(submission, MessageState.SENT, 1_000)[:2])
    assert not check(submission)
    assert rates.warn_of_complaints(submission, now=timezone.now()).startswith("0.20 % of 1,000 readers")


def test_one_complaint_in_two_thousand_is_not_spoken_of(account: Account) -> None:
    """MP-05."""
    submission = make_running(account)
    complain(add(submission, MessageState.SENT, 2_000)[:1])
    assert rates.warn_of_complaints(submission, now=timezone.now()) == ""


def test_complaints_about_all_mail_of_a_domain_count_together(account: Account) -> None:
    """MP-05."""
    sender = make_sender(account)
    first, second = make_running(account, sender=sender), make_running(account, sender=sender)
    complain(add(first, MessageState.SENT, 700)[:2])
    complain(add(second, MessageState.DELIVERED, 300)[:1])
    assert check(second)


def test_complaints_about_another_domain_do_not(account: Account) -> None:
    submission, other = make_running(account), make_running(account)
    add(submission, MessageState.SENT, 1_000)
    complain(add(other, MessageState.SENT, 1_000)[:50])
    assert not check(submission)


def test_a_few_readers_are_too_few_to_judge(account: Account) -> None:
    submission = make_running(account)
    complain(add(submission, MessageState.SENT, 900)[:4])
    assert not check(submission)


def test_one_reader_who_complains_twice_counts_once(account: Account) -> None:
    submission = make_running(account)
    messages = add(submission, MessageState.SENT, 1_000)
    complain([messages[0], messages[0], messages[0], messages[1]])
    assert not check(submission)


def test_complaints_about_mail_from_before_the_resume_do_not_stop_it_again(account: Account) -> None:
    """MP-05."""
    submission = make_running(account)
    old = add(submission, MessageState.SENT, 1_000, at=timezone.now() - timedelta(hours=1))
    complain(old[:5])
    assert check(submission)
    sending.resume(campaign_of(submission))
    complain(old[5:10])
    add(submission, MessageState.SENT, 1_000)
    assert not check(submission)


def test_complaints_of_last_month_are_forgotten(account: Account) -> None:
    submission = make_running(account)
    long_ago = timezone.now() - timedelta(days=30)
    complain(add(submission, MessageState.SENT, 1_000, at=long_ago)[:50], at=long_ago)
    assert not check(submission)


# --- The sweep ---------------------------------------------------------------------------------------------------------


def test_the_sweep_stops_what_runs_and_leaves_the_rest(account: Account) -> None:
    bad, good = make_running(account), make_running(account)
    add(bad, MessageState.BOUNCED, 100)
    add(good, MessageState.SENT, 100)
    assert rates.check_running(now=timezone.now()) == 1
    assert rates.check_running(now=timezone.now()) == 0
    assert campaign_of(bad).state == CampaignState.PAUSED
    assert campaign_of(good).state == CampaignState.SENDING


def test_a_reason_longer_than_its_column_is_cut(account: Account) -> None:
    submission = make_running(account)
    control.stop_submission(submission, because="x" * 300)
    assert len(campaign_of(submission).stopped_because) == 200


def tell_rates(account: Account) -> list[tuple[str, dict[str, object] | None]]:
    """What a webhook that wants to know is going to be told."""
    rows = WebhookDelivery.objects.filter(endpoint__account=account).order_by("pk")
    return [(WebhookKind(row.kind).name, row.details) for row in rows]


def listen_for_rates(account: Account) -> None:
    kinds = [WebhookKind.BOUNCE_RATE_WARNING, WebhookKind.BOUNCE_RATE_BLOCKED]
    create_endpoint(account, Wish(name="Watch", url="https://hooks.example.com/", kinds=kinds))


def test_programs_are_warned_before_a_campaign_stops_and_told_when_it_does(account: Account) -> None:
    """infobip.md §2.4; each once, however often the rates are looked at."""
    listen_for_rates(account)
    submission = make_running(account)
    domain = submission.sender.domain.name if submission.sender else ""
    add(submission, MessageState.SENT, 196)
    add(submission, MessageState.BOUNCED, 4)
    assert not rates.check_rates(submission, now=timezone.now())
    assert tell_rates(account) == []
    add(submission, MessageState.BOUNCED, 4)
    for _ in range(2):
        assert not rates.check_rates(submission, now=timezone.now())
    warning = ("BOUNCE_RATE_WARNING", {"domain": domain, "threshold": 3.0, "rate": 3.92})
    assert tell_rates(account) == [warning]
    add(submission, MessageState.BOUNCED, 10)
    assert rates.check_rates(submission, now=timezone.now())
    assert tell_rates(account) == [warning, ("BOUNCE_RATE_BLOCKED", {"domain": domain, "threshold": 5.0, "rate": 8.41})]


def test_nobody_else_is_told_of_a_bounce_rate(account: Account) -> None:
    stranger = make_account()
    listen_for_rates(stranger)
    submission = make_running(account)
    add(submission, MessageState.BOUNCED, 100)
    assert rates.check_rates(submission, now=timezone.now())
    assert WebhookDelivery.objects.count() == 0
