"""The stream of a way out: when it rings, what it lets through, and what stops it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from django_q.conf import Conf
from pytest_django import DjangoCaptureOnCommitCallbacks

from campaigns.models import DomainLimit, Message, MessageState, Submission, SubmissionState, Transport
from campaigns.outbox import control, dispatch, due, finish, stream, streaming
from campaigns.outbox.dispatch import dispatch_stream
from campaigns.planning import working
from tests.api import Program

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _quiet_bell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Conf, "SYNC", False)


@pytest.fixture
def program() -> Program:
    return Program()


def way_of(program: Program) -> Transport:
    return program.account.transports.get()


def states() -> list[str]:
    return sorted(Message.objects.values_list("state", flat=True))


def reached(program: Program) -> list[str]:
    return [str(mail["to"]) for mail in program.mails()]


def rung(capture: DjangoCaptureOnCommitCallbacks, program: Program) -> bool:
    """Whether a mail accepted now rings for a worker."""
    before = way_of(program).rung_at
    with capture(execute=True):
        program.send()
    return way_of(program).rung_at != before


def test_the_first_mail_rings_and_those_behind_it_do_not(
    program: Program, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    assert rung(django_capture_on_commit_callbacks, program)
    assert not rung(django_capture_on_commit_callbacks, program)


def test_a_bell_that_got_lost_is_rung_again(
    program: Program, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    assert rung(django_capture_on_commit_callbacks, program)
    with time_machine.travel(timezone.now() + timedelta(seconds=31)):
        assert rung(django_capture_on_commit_callbacks, program)


def test_nobody_rings_while_a_worker_promises_to_look(
    program: Program, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    stream.promise(way_of(program).pk, now=timezone.now())
    assert not rung(django_capture_on_commit_callbacks, program)
    stream.end_promise(way_of(program).pk)
    assert rung(django_capture_on_commit_callbacks, program)


def test_a_mail_that_came_while_the_worker_looked_for_the_last_time_is_not_forgotten(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = stream.end_promise

    def accept_just_before(transport_id: int) -> None:
        program.send("late@example.com")
        end(transport_id)

    monkeypatch.setattr(stream, "end_promise", accept_just_before)
    program.send()
    assert dispatch_stream(way_of(program).pk, linger=timedelta(0)).more is True


def test_a_mail_put_off_is_tried_again_and_expires_in_the_end(program: Program) -> None:
    program.send("defer@example.com", options=None)
    program.work()
    message = Message.objects.get()
    assert (message.state, message.attempts, message.error_code) == (MessageState.QUEUED, 1, "smtp.451-4.3.0")
    assert message.next_attempt_at > timezone.now() + timedelta(minutes=3)
    with time_machine.travel(timezone.now() + timedelta(hours=47, minutes=59)):
        program.work()
    assert states() == [MessageState.EXPIRED]


def test_what_nobody_took_in_its_time_expires_by_the_sweep(program: Program) -> None:
    message = program.message() | {"options": {"validityPeriod": {"amount": 5, "timeUnit": "MINUTES"}}}
    program.post("/email/4/messages", {"messages": [message]})
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert program.work() == []
        working.work_once()
    assert states() == [MessageState.EXPIRED]


def test_the_limit_of_a_sender_domain_holds_its_mails_back_and_nobody_elses(program: Program) -> None:
    program.domain.max_per_second = 1.0
    program.domain.save()
    other = Program(program.account)
    for number in range(3):
        program.send(f"p{number}@example.com")
    other.send("other@example.com")
    dispatch_stream(way_of(program).pk, linger=timedelta(0), budget=0.0)
    assert sorted(reached(program)) == ["other@example.com", "p0@example.com"]
    assert states().count(MessageState.QUEUED) == 2


def test_the_limit_of_a_recipient_domain_holds_back_what_goes_there(program: Program) -> None:
    DomainLimit.objects.create(account=program.account, domain="slow.example", max_per_second=1.0)
    for number in range(3):
        program.send(f"p{number}@slow.example")
    program.send("fast@example.com")
    dispatch_stream(way_of(program).pk, linger=timedelta(0), budget=0.0)
    assert states().count(MessageState.SENT) == 2


def test_a_request_paused_while_its_mails_are_in_hand_does_not_leave(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "CHECK_EVERY", 0.0)
    program.send("first@example.com")
    program.send("second@example.com")
    second = Submission.objects.order_by("pk").last()
    assert second is not None
    claimed = streaming.StreamIntake.take

    def pause_after_the_claim(intake: Any, limit: int) -> Any:
        messages = claimed(intake, limit)
        control.pause_submission(second)
        return messages

    monkeypatch.setattr(streaming.StreamIntake, "take", pause_after_the_claim)
    dispatch_stream(way_of(program).pk, linger=timedelta(0))
    assert reached(program) == ["first@example.com"]
    waiting = Message.objects.get(submission=second)
    assert (waiting.state, waiting.attempts) == (MessageState.QUEUED, 0)


def test_a_cancelled_request_is_wiped_by_the_sweep(program: Program) -> None:
    program.send()
    control.cancel_submission(Submission.objects.get(), now=timezone.now())
    finish.wipe_stopped()
    submission = Submission.objects.get()
    assert submission.state == SubmissionState.CANCELLED
    assert submission.payload_sealed is None


def test_the_sweep_finds_mails_whose_bell_got_lost_but_not_those_of_a_broken_way_out(program: Program) -> None:
    program.send()
    now = timezone.now()
    assert stream.find_due(now=now) == [way_of(program).pk]
    # The sweep of submissions leaves them to the stream.
    assert due.find_due(now=now).to_dispatch == []
    Transport.objects.update(broken_until=now + timedelta(minutes=1))
    assert stream.find_due(now=now) == []


def test_contents_larger_than_memory_should_hold_are_opened_a_few_at_a_time(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_PAYLOADS_AT_ONCE", 3000)
    for number in range(6):
        program.send(f"p{number}@example.com", content={"text": str(number) * 1200})
    assert len(program.work()) == 6
