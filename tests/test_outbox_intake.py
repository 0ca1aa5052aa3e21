"""What a slice takes, and when: limits, windows, and messages that wait for a moment."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from campaigns.audiences import suppression
from campaigns.models import (
    Account,
    Contact,
    DayCount,
    Domain,
    DomainLimit,
    Message,
    MessageState,
    SandboxMail,
    Submission,
    Transport,
)
from campaigns.outbox import claim, dispatch, due, intake, recorder
from campaigns.outbox.dispatch import SliceResult, dispatch_slice
from campaigns.outbox.intake import Intake, Wait
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account(time_zone="Europe/Vilnius")


def plan(account: Account, emails: list[str], **options: object) -> Submission:
    readers = make_list(account)
    for email in emails:
        make_contact(account, email, lists=[readers])
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    Submission.objects.filter(pk=submission.pk).update(options={**submission.options, **options})
    fanout.plan_submission(submission.pk)
    submission.refresh_from_db()
    return submission


def addresses(count: int, *, domain: str = "example.org") -> list[str]:
    return [f"r{number}@{domain}" for number in range(count)]


def test_an_account_sends_as_fast_as_its_limit_and_no_faster(account: Account) -> None:
    Account.objects.update(max_per_second=40)
    submission = plan(account, addresses(100))
    began = time.monotonic()
    result = dispatch_slice(submission.pk)
    seconds = time.monotonic() - began
    assert (result.claimed, result.more) == (100, False)
    assert seconds >= (100 - 40) / 40
    assert seconds < 10


def test_a_slow_recipient_domain_keeps_its_pace_and_holds_up_nobody_else(account: Account) -> None:
    DomainLimit.objects.create(account=account, domain="slow.example", max_per_second=10)
    submission = plan(account, [*addresses(30, domain="slow.example"), *addresses(50)])
    began = time.monotonic()
    while dispatch_slice(submission.pk).more:
        assert time.monotonic() < began + 30
    assert Message.objects.filter(state=MessageState.SENT).count() == 80
    assert time.monotonic() - began >= (30 - 10) / 10
    arrived = Counter(
        (mail.received_at.replace(microsecond=0), mail.recipient.endswith("slow.example"))
        for mail in SandboxMail.objects.all()
    )
    assert max(count for (_, is_slow), count in arrived.items() if is_slow) <= 20
    assert set(Message.objects.values_list("attempts", flat=True)) == {1}


def test_a_limit_that_holds_for_long_puts_the_submission_off_and_says_why(account: Account) -> None:
    Domain.objects.update(warmup_started_on=None)
    submission = plan(account, addresses(60))
    Domain.objects.update(warmup_started_on=timezone.now().astimezone(ZoneInfo("Europe/Vilnius")).date())
    result = dispatch_slice(submission.pk)
    submission.refresh_from_db()
    assert (result.claimed, result.more) == (50, False)
    assert submission.waits_until is not None
    assert submission.waits_until > timezone.now()
    assert "warmed up" in submission.waits_because


def test_nothing_leaves_outside_the_hours_of_the_account(account: Account) -> None:
    with time_machine.travel(datetime(2027, 3, 10, 20, 0, tzinfo=ZoneInfo("Europe/Vilnius")), tick=False):
        window = {"start": "09:00", "end": "17:00", "zone": "account"}
        submission = plan(account, addresses(3), window=window)
        assert dispatch_slice(submission.pk).claimed == 0
        submission.refresh_from_db()
        assert submission.waits_until == datetime(2027, 3, 11, 9, 0, tzinfo=ZoneInfo("Europe/Vilnius"))
        assert submission.waits_because
    with time_machine.travel(datetime(2027, 3, 11, 9, 0, 1, tzinfo=ZoneInfo("Europe/Vilnius")), tick=False):
        assert dispatch_slice(submission.pk).claimed == 3


def test_everyone_gets_mail_by_their_own_clock(account: Account) -> None:
    with time_machine.travel(datetime(2027, 3, 10, 10, 0, tzinfo=ZoneInfo("Europe/Vilnius")), tick=False) as clock:
        window = {"start": "09:00", "end": "17:00", "zone": "recipient"}
        submission = plan(account, addresses(3), window=window)
        Contact.objects.filter(email="r1@example.org").update(
            attributes={"first_name": "Ann", "time_zone": "America/New_York"}
        )
        Contact.objects.filter(email="r2@example.org").update(attributes={"first_name": "Bo", "time_zone": "No/Where"})
        dispatch_slice(submission.pk)
        sent = Message.objects.filter(state=MessageState.SENT).values_list("recipient", flat=True)
        assert set(sent) == {"r0@example.org", "r2@example.org"}
        waiting = Message.objects.get(state=MessageState.QUEUED)
        assert waiting.next_attempt_at == datetime(2027, 3, 10, 9, 0, tzinfo=ZoneInfo("America/New_York"))
        assert waiting.attempts == 0
        clock.move_to(waiting.next_attempt_at + timedelta(seconds=1))
        dispatch_slice(submission.pk)
        assert Message.objects.filter(state=MessageState.SENT).count() == 3


def test_a_breaker_that_is_open_lets_nothing_through_and_says_why(account: Account) -> None:
    submission = plan(account, addresses(3))
    until = timezone.now() + timedelta(minutes=3)
    submission.transport.broken_until, submission.transport.broken_because = until, "The relay does not answer."
    submission.transport.failures = 50
    submission.transport.save()
    assert dispatch_slice(submission.pk).claimed == 0
    submission.refresh_from_db()
    assert (submission.waits_until, submission.waits_because) == (until, "The relay does not answer.")


def test_a_way_out_that_puts_everybody_off_is_left_alone_for_a_while(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "FLUSH_EVERY", 0.0)
    monkeypatch.setattr(dispatch, "CHECK_EVERY", 0.0)
    submission = plan(account, [f"defer+{number}@example.org" for number in range(250)])
    dispatch_slice(submission.pk, limit=100)
    submission.refresh_from_db()
    assert submission.waits_until is not None
    assert submission.waits_until > timezone.now()
    assert submission.waits_because == "The other side keeps asking to try again later."
    assert Message.objects.filter(attempts=0).count() >= 50
    assert submission.state == "open"


def test_mail_that_does_not_leave_uses_up_nothing_of_the_day(account: Account) -> None:
    submission = plan(account, addresses(60))
    Domain.objects.update(warmup_started_on=timezone.now().astimezone(ZoneInfo("Europe/Vilnius")).date())
    for message in Message.objects.order_by("pk")[:5]:
        suppression.suppress(account, address_key=message.address_key, scope="everything", reason="complaint")
    dispatch_slice(submission.pk)
    assert Message.objects.filter(state=MessageState.SENT).count() == 50
    assert Message.objects.filter(state=MessageState.REFUSED).count() == 5
    assert DayCount.objects.get().used == 50


def break_until(submission: Submission, until: datetime) -> None:
    fields = {"failures": 50, "broken_until": until, "broken_because": "The relay does not answer."}
    Transport.objects.filter(pk=submission.transport_id).update(**fields)


def test_a_campaign_put_off_while_another_tried_goes_on_as_soon_as_a_mail_is_answered(account: Account) -> None:
    first, second, asleep = (plan(account, addresses(3, domain=f"{name}.example")) for name in "abc")
    break_until(first, timezone.now() + timedelta(minutes=1))
    dispatch_slice(second.pk)
    due.postpone_submission(asleep.pk, until=timezone.now() + timedelta(hours=9), because="It is night.")
    break_until(first, timezone.now())
    dispatch_slice(first.pk)
    assert due.find_due(now=timezone.now()).to_dispatch == [second.pk]


def test_a_campaign_outside_its_hours_does_not_use_up_the_try_of_a_broken_way_out(account: Account) -> None:
    with time_machine.travel(datetime(2027, 3, 10, 20, 0, tzinfo=ZoneInfo("Europe/Vilnius")), tick=False):
        asleep = plan(account, addresses(3), window={"start": "09:00", "end": "17:00", "zone": "account"})
        awake = plan(account, addresses(3, domain="awake.example"))
        break_until(asleep, timezone.now())
        assert [dispatch_slice(each.pk).claimed for each in (asleep, awake)] == [0, 3]
        asleep.refresh_from_db()
        assert asleep.waits_until == datetime(2027, 3, 11, 9, 0, tzinfo=ZoneInfo("Europe/Vilnius"))


def test_a_slice_looks_around_while_it_puts_off_a_whole_audience(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "ROUNDS", 2)
    with time_machine.travel(datetime(2027, 3, 10, 20, 0, tzinfo=ZoneInfo("Europe/Vilnius")), tick=False):
        submission = plan(account, addresses(6), window={"start": "09:00", "end": "17:00", "zone": "recipient"})
        taken = Intake(submission, worker="here:1")
        assert taken.take(1) == []
        assert claim.is_due(submission.pk, now=timezone.now())
        assert taken.wait == Wait(timezone.now(), "")
        assert dispatch_slice(submission.pk, limit=1) == SliceResult(0, more=False)
        assert not claim.is_due(submission.pk, now=timezone.now())


def test_what_nobody_may_claim_is_not_asked_for_all_the_time(account: Account) -> None:
    submission = plan(account, addresses(3))
    Submission.objects.update(valid_until=timezone.now())
    taken = Intake(submission, worker="here:1")
    before = timezone.now()
    assert taken.take(10) == []
    assert taken.wait is not None
    assert taken.wait.until > before + timedelta(seconds=0.05)
