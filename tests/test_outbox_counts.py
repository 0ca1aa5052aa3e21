"""Messages of large submissions are counted where they end, and the counts agree with the ledger."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import CampaignState, EventKind, Message, MessageState, StateCount, Submission
from campaigns.outbox import counts, rates, states
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.overview import overview_campaigns
from campaigns.outbox.reports import campaign_report, live_report
from campaigns.planning import fanout, sending
from campaigns.tracking import breakdown
from campaigns.tracking.record import Report, record_reports
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "LARGE", 1)


@pytest.fixture
def submission() -> Submission:
    """A campaign to eight people, planned; the sandbox bounces one of them."""
    account = make_account()
    readers = make_list(account)
    for number in range(7):
        make_contact(account, f"reader{number}@example.com", lists=[readers])
    make_contact(account, "bounce@example.com", lists=[readers])
    found = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(found.pk)
    found.refresh_from_db()
    return found


def counted(submission: Submission) -> Counter[str]:
    return +Counter(counts.read_counts([submission.pk])[submission.pk])


def in_the_ledger(submission: Submission) -> Counter[str]:
    rows = Message.objects.filter(submission=submission, state__in=states.SETTLED).values_list("state", flat=True)
    return Counter(rows)


def send(submission: Submission, *, limit: int) -> None:
    dispatch_slice(submission.pk, budget=0, limit=limit)


def test_counts_follow_a_campaign_from_its_first_mail_to_late_news(submission: Submission) -> None:
    send(submission, limit=3)
    assert counted(submission) == in_the_ledger(submission) != Counter()
    dispatch_slice(submission.pk)
    assert counted(submission) == in_the_ledger(submission) == Counter(sent=7, bounced=1)
    first, second = Message.objects.filter(submission=submission, state=MessageState.SENT)[:2]
    news = [Report(first.public_id, EventKind.DELIVERED), Report(second.public_id, EventKind.BOUNCED, code="x")]
    for _ in range(2):
        record_reports(news, transport=submission.transport, now=timezone.now())
    assert counted(submission) == in_the_ledger(submission) == Counter(sent=5, delivered=1, bounced=2)


def test_counts_follow_a_campaign_that_is_cancelled(submission: Submission) -> None:
    send(submission, limit=2)
    assert submission.campaign is not None
    sending.cancel(submission.campaign)
    assert counted(submission) == in_the_ledger(submission)
    assert counted(submission)["cancelled"] > 0


def test_counts_that_went_wrong_are_put_right(submission: Submission) -> None:
    dispatch_slice(submission.pk)
    StateCount.objects.update(count=99)
    counts.recount([submission.pk])
    assert counted(submission) == in_the_ledger(submission)


def test_the_page_says_the_same_as_the_ledger(submission: Submission) -> None:
    assert submission.campaign is not None
    for limit in (2, 500):
        send(submission, limit=limit)
        quick, exact = live_report(submission.campaign), campaign_report(submission.campaign)
        same = ("planned", "sent", "bounced", "waiting", "settled", "unsubscribed", "complained", "finished", "reasons")
        assert {name: getattr(quick, name) for name in same} == {name: getattr(exact, name) for name in same}


def test_the_list_of_campaigns_says_the_same(submission: Submission, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatch_slice(submission.pk)
    assert submission.campaign_id is not None
    quick = overview_campaigns([submission.campaign_id])[submission.campaign_id]
    assert (quick.planned, quick.sent, quick.not_sent, quick.waiting) == (8, 7, 1, 0)
    assert Submission.objects.get(pk=submission.pk).campaign.state == CampaignState.SENT  # type: ignore[union-attr]


def test_small_submissions_are_not_counted_twice(submission: Submission, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "LARGE", 1_000)
    dispatch_slice(submission.pk)
    assert not StateCount.objects.exists()


def test_figures_that_read_every_mail_are_made_in_the_background_and_kept(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatch_slice(submission.pk)
    now = timezone.now()
    assert breakdown.read_details(submission, now=now).made_at is None
    breakdown.make_breakdown(submission.pk, now=now)
    kept = breakdown.read_details(submission, now=now + timedelta(minutes=1))
    assert (kept.made_at, kept.domains[0].arrived, kept.domains[0].bounced) == (now, 7, 1)
    monkeypatch.setattr(counts, "LARGE", 1_000)
    fresh = breakdown.read_details(submission, now=now)
    assert (fresh.domains, fresh.sent) == (kept.domains, kept.sent)


def test_a_breakdown_of_a_submission_that_is_gone_breaks_nothing() -> None:
    breakdown.make_breakdown(987_654, now=timezone.now())


def test_readers_of_a_domain_are_the_same_by_the_counts_and_by_the_ledger(
    submission: Submission, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MP-05: the share of complaints is looked at on each page, and while a campaign is running."""
    monkeypatch.setattr(rates, "ENOUGH_READERS", 1)
    dispatch_slice(submission.pk)
    told = Message.objects.filter(submission=submission, state=MessageState.SENT)[0]
    record_reports([Report(told.public_id, EventKind.COMPLAINED)], transport=submission.transport, now=timezone.now())
    quick = rates.complaint_share(submission, percent=0.1, now=timezone.now())
    monkeypatch.setattr(counts, "LARGE", 1_000)
    assert quick == rates.complaint_share(submission, percent=0.1, now=timezone.now()) == rates.Share(1, 7)
