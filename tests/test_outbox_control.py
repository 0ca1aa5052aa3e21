"""Resuming, postponing, and what a person decides about mails that may or may not have left."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
import time_machine
from django.utils import timezone

from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    Door,
    Message,
    MessageState,
    SandboxMail,
    Submission,
    SubmissionState,
)
from campaigns.outbox import claim, control, due
from campaigns.outbox.accept import SendRequest, accept_campaign
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.recovery import UNCERTAIN
from campaigns.outbox.reports import campaign_report
from campaigns.outbox.windows import SendWindow
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return make_account()


def start(account: Account, *, people: int = 3) -> tuple[Campaign, Submission]:
    readers = make_list(account)
    for _ in range(people):
        make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    submission.refresh_from_db()
    return campaign, submission


def hold(submission: Submission, count: int, *, code: str = UNCERTAIN) -> None:
    ids = list(submission.messages.values_list("pk", flat=True)[:count])
    Message.objects.filter(pk__in=ids).update(state=MessageState.HELD, attempts=1, error_code=code)


def test_a_held_mail_is_sent_again_with_the_same_message_id(account: Account) -> None:
    """SM-06."""
    _, submission = start(account, people=1)
    message = submission.messages.get()
    hold(submission, 1)
    assert dispatch_slice(submission.pk).claimed == 0
    assert control.release_held(submission, now=timezone.now()) == 1
    dispatch_slice(submission.pk)
    assert SandboxMail.objects.get().message_id == message.public_id
    message.refresh_from_db()
    assert (message.state, message.error_code) == (MessageState.SENT, "")


def test_a_held_mail_somebody_gives_up_is_not_sent_and_keeps_its_reason(account: Account) -> None:
    campaign, submission = start(account)
    hold(submission, 2)
    assert control.give_up_held(submission, now=timezone.now()) == 2
    dispatch_slice(submission.pk)
    report = campaign_report(campaign)
    assert (report.sent, report.cancelled, report.finished) == (1, 2, True)
    assert report.reasons == {UNCERTAIN: 2}


def test_a_campaign_with_held_mail_is_not_over(account: Account) -> None:
    campaign, submission = start(account)
    hold(submission, 1)
    dispatch_slice(submission.pk)
    campaign.refresh_from_db()
    assert (campaign.state, campaign_report(campaign).waiting) == (CampaignState.SENDING, 1)


def test_mail_that_is_held_for_another_reason_is_not_released_with_it(account: Account) -> None:
    _, submission = start(account)
    hold(submission, 2, code="approval.missing")
    assert control.release_held(submission, now=timezone.now()) == 0
    assert control.give_up_held(submission, now=timezone.now()) == 0


def test_a_released_mail_is_still_known_to_be_in_doubt(account: Account) -> None:
    """A provider recognises a repeated mail by the id of the attempt in doubt."""
    _, submission = start(account, people=1)
    hold(submission, 1)
    control.release_held(submission, now=timezone.now())
    (claimed,) = claim.claim_messages(submission.pk, worker="here:1", now=timezone.now())
    assert (claimed.attempts, claimed.error_code) == (2, UNCERTAIN)


def test_mail_that_is_in_doubt_after_a_cancel_waits_for_nobody(account: Account) -> None:
    campaign, submission = start(account, people=1)
    claim.claim_messages(submission.pk, worker="here:1", now=timezone.now())
    sending.cancel(campaign)
    hold(submission, 1)  # its answer got lost after the cancel
    assert control.cancel_released(now=timezone.now()) == 1
    report = campaign_report(campaign)
    assert (report.cancelled, report.held, report.lost) == (1, 0, 0)
    assert report.reasons == {UNCERTAIN: 1}


def test_a_second_answer_changes_nothing(account: Account) -> None:
    _, submission = start(account)
    hold(submission, 2)
    assert control.give_up_held(submission, now=timezone.now()) == 2
    assert control.release_held(submission, now=timezone.now()) == 0


# --- Waiting -----------------------------------------------------------------------------------------------------------


def test_a_postponed_submission_is_not_due_until_its_time(account: Account) -> None:
    _, submission = start(account)
    now = timezone.now()
    assert due.find_due(now=now).to_dispatch == [submission.pk]
    assert due.postpone_submission(submission.pk, until=now + timedelta(hours=1), because="Night.")
    assert due.find_due(now=now).to_dispatch == []
    assert due.find_due(now=now + timedelta(hours=1)).to_dispatch == [submission.pk]


def test_a_paused_submission_is_not_postponed(account: Account) -> None:
    _, submission = start(account)
    control.pause_submission(submission)
    assert not due.postpone_submission(submission.pk, until=timezone.now())


def test_resuming_forgets_what_it_waited_for(account: Account) -> None:
    campaign, submission = start(account)
    due.postpone_submission(submission.pk, until=timezone.now() + timedelta(hours=9), because="Night.")
    sending.pause(campaign)
    sending.resume(campaign)
    submission.refresh_from_db()
    assert (submission.waits_until, submission.waits_because) == (None, "")


def test_changed_limits_wake_the_account_s_submissions_and_nobody_else_s(account: Account) -> None:
    (_, ours), (_, theirs) = start(account), start(make_account())
    until = timezone.now() + timedelta(hours=9)
    for submission in (ours, theirs):
        due.postpone_submission(submission.pk, until=until, because="Today's mails are used.")
    assert due.wake_submissions(account_id=account.pk) == 1
    assert due.find_due(now=timezone.now()).to_dispatch == [ours.pk]


def test_the_next_moment_at_which_something_is_due(account: Account) -> None:
    _, submission = start(account, people=2)
    soon = timezone.now().replace(microsecond=0) + timedelta(minutes=5)
    submission.messages.update(next_attempt_at=soon)
    assert due.next_due(submission.pk) == soon
    submission.messages.update(state=MessageState.SENT)
    assert due.next_due(submission.pk) is None


# --- The time messages have --------------------------------------------------------------------------------------------


def accept(account: Account, window: SendWindow | None) -> Submission:
    campaign = make_campaign(account)
    assert campaign.content is not None
    assert campaign.sender is not None
    return accept_campaign(
        SendRequest(
            account=account,
            door=Door.CAMPAIGN,
            purpose=campaign.purpose,
            content=campaign.content,
            sender=campaign.sender,
            transport=account.transports.get(),
            send_at=NOW,
            campaign=campaign,
            max_per_hour=5_000,
            window=window,
            hold_uncertain=True,
        )
    )


def test_a_submission_keeps_how_fast_and_when_it_may_send(account: Account) -> None:
    submission = accept(account, SendWindow(time(9), time(17)))
    submission.refresh_from_db()
    assert submission.options == {
        "lists": [],
        "excluded_lists": [],
        "max_per_hour": 5_000,
        "window": {"start": "09:00", "end": "17:00", "zone": "account"},
        "hold_uncertain": True,
        "tracking": {"level": None, "opens": True, "clicks": True, "pixel": "top", "utm": []},
    }


def test_nobody_expires_because_the_window_was_closed(account: Account) -> None:
    assert accept(account, None).valid_until == NOW + timedelta(hours=48)
    assert accept(account, SendWindow(time(9), time(17))).valid_until == NOW + timedelta(days=6)


def test_the_time_after_a_resume_knows_the_window_too(account: Account) -> None:
    submission = accept(account, SendWindow(time(9), time(17)))
    control.pause_submission(submission)
    later = NOW + timedelta(days=30)
    with time_machine.travel(later):
        assert control.resume_submission(submission, now=later)
    submission.refresh_from_db()
    assert submission.valid_until == later + timedelta(days=6)
    assert submission.state == SubmissionState.PLANNING
