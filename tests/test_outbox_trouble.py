"""Dispatch when something goes wrong: slow ways out, unreadable values, a database that refuses, time that is over."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import dkim
import pytest
import time_machine
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django import Settings

from campaigns.domains import keys
from campaigns.models import (
    Account,
    ContactList,
    DkimKey,
    Message,
    MessageState,
    SandboxMail,
    Submission,
    SubmissionState,
    Transport,
)
from campaigns.outbox import accept, claim, dispatch, recorder, work
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.transports import seal_config
from campaigns.planning import fanout, sending, testsend
from compliance import vault
from compliance.models import Decision
from compliance.vault.keys import forget_open_keys
from tests.factories import make_account, make_campaign, make_contact, make_list, make_sender, make_version
from tests.http_server import Reply
from tests.key_services import KmsStub
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def readers(account: Account) -> ContactList:
    return make_list(account)


@pytest.fixture
def relay(account: Account) -> Iterator[ScriptedServer]:
    """The account's way out is a relay on loopback."""
    server = ScriptedServer()
    server.start()
    way_out = account.transports.get()
    use_relay(way_out, host="127.0.0.1", port=server.port, connections=1)
    yield server
    server.stop()


def use_relay(way_out: Transport, **config: Any) -> None:
    way_out.kind = "smtp"
    way_out.config_sealed = seal_config(way_out, config={"tls": "none", **config})
    way_out.save()


def plan(account: Account, readers: ContactList, **fields: Any) -> Submission:
    submission = sending.send_now(make_campaign(account, lists=[readers], **fields))
    fanout.plan_submission(submission.pk)
    submission.refresh_from_db()
    return submission


def refuse_once(words: str) -> Callable[..., Any]:
    """A database that refuses the first statement with these words in it, as a locked one does."""
    left = [words]

    def run(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if left and left[0] in sql:
            left.clear()
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    return run


def test_a_slice_out_of_time_leaves_the_rest_of_its_batch(
    account: Account, readers: ContactList, relay: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        make_contact(account, f"slow+{number}@example.org", lists=[readers])
    submission = plan(account, readers)
    monkeypatch.setattr(dispatch, "OVERTIME", 0.5)
    result = dispatch_slice(submission.pk, budget=0)
    assert result.more
    sent = Message.objects.filter(state=MessageState.SENT).count()
    assert 0 < sent == len(relay.mails) < 10
    assert Message.objects.filter(state=MessageState.QUEUED, attempts=0).count() == 10 - sent


def test_values_that_cannot_be_read_stop_nobody_else(account: Account) -> None:
    sender, content = make_sender(account), make_version(account)
    submission = testsend.send_test(account, content=content, sender=sender, to="ada@example.org")
    message = Message.objects.get()
    context = accept.placeholder_context(account, message_id=str(message.public_id))
    Message.objects.update(placeholders_sealed=vault.seal(b"[1]", **context))
    dispatch_slice(submission.pk)
    message.refresh_from_db()
    assert (message.state, message.error_code) == (MessageState.FAILED, "message.render-failed")


def test_a_filter_that_makes_too_long_a_text_fails_that_recipient_only(account: Account, readers: ContactList) -> None:
    content = make_version(account)
    type(content).objects.update(
        source=content.source.replace("{{ first_name }}", "{{ first_name | split: '' | join: first_name }}"),
        digest="e" * 64,
    )
    content.refresh_from_db()
    make_contact(account, "long@example.org", lists=[readers], first_name="x" * 10_000)
    make_contact(account, "short@example.org", lists=[readers], first_name="Ada")
    dispatch_slice(plan(account, readers, content=content).pk)
    states = dict(Message.objects.values_list("recipient", "state"))
    assert states == {"long@example.org": MessageState.FAILED, "short@example.org": MessageState.SENT}


def test_a_database_that_refuses_the_record_for_a_moment_makes_no_second_mail(
    account: Account, readers: ContactList
) -> None:
    make_contact(account, "once@example.org", lists=[readers])
    submission = plan(account, readers)
    with connection.execute_wrapper(refuse_once("INSERT INTO campaigns_event")), pytest.raises(OperationalError):
        dispatch_slice(submission.pk)
    dispatch_slice(submission.pk)
    assert SandboxMail.objects.count() == 1
    assert Message.objects.get().state == MessageState.SENT


def test_every_decision_is_kept_although_the_slice_breaks(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    submission = plan(account, readers)
    with connection.execute_wrapper(refuse_once("INSERT INTO campaigns_event")), pytest.raises(OperationalError):
        dispatch_slice(submission.pk)
    assert Decision.objects.get(submission=submission).recipients == 1


def test_nothing_leaves_once_its_time_is_over(
    account: Account, readers: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(7):
        make_contact(account, lists=[readers])
    submission = plan(account, readers)
    monkeypatch.setattr(claim, "EXPIRE_AT_ONCE", 3)
    Submission.objects.update(valid_until=timezone.now() - timedelta(seconds=1))
    dispatch_slice(submission.pk)
    assert not SandboxMail.objects.exists()
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.EXPIRED}
    submission.refresh_from_db()
    assert submission.state == SubmissionState.DONE


def test_no_claim_takes_what_is_overdue(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    submission = plan(account, readers)
    assert not claim.claim_messages(submission.pk, worker="late", now=submission.valid_until)
    assert not claim.is_due(submission.pk, now=submission.valid_until)


def test_a_test_mail_without_a_working_way_out_comes_to_an_end(account: Account) -> None:
    """Nobody can resume a test, so it may not wait for somebody."""
    sender, content = make_sender(account), make_version(account)
    use_relay(account.transports.get())
    submission = testsend.send_test(account, content=content, sender=sender, to="ada@example.org")
    dispatch_slice(submission.pk)
    submission.refresh_from_db()
    assert submission.state == SubmissionState.CANCELLED
    assert Message.objects.get().state == MessageState.CANCELLED


@pytest.mark.parametrize("config", [{"host": "a..b"}, {"host": "127.0.0.1", "port": None}])
def test_a_relay_that_can_never_be_reached_stops_the_campaign_and_says_so(
    account: Account, readers: ContactList, config: dict[str, Any]
) -> None:
    make_contact(account, lists=[readers])
    use_relay(account.transports.get(), **config)
    submission = plan(account, readers)
    dispatch_slice(submission.pk)
    submission.refresh_from_db()
    assert submission.state == SubmissionState.PAUSED
    assert submission.campaign is not None
    assert submission.campaign.stopped_because


def test_a_signature_key_that_cannot_be_opened_stops_the_campaign_and_fails_nobody(
    account: Account, readers: ContactList
) -> None:
    make_contact(account, lists=[readers])
    submission = plan(account, readers)
    assert submission.sender is not None
    keys.create_dkim_key(submission.sender.domain)
    DkimKey.objects.update(private_key_sealed=b"broken")
    dispatch_slice(submission.pk)
    submission.refresh_from_db()
    assert submission.state == SubmissionState.PAUSED
    assert submission.campaign is not None
    submission.campaign.refresh_from_db()
    assert "key" in submission.campaign.stopped_because
    assert Message.objects.get().state == MessageState.QUEUED


def test_every_mail_carries_the_signature_of_its_domain(account: Account, readers: ContactList) -> None:
    """DK-03: signed last, over the bytes that leave."""
    make_contact(account, lists=[readers])
    submission = plan(account, readers)
    assert submission.sender is not None
    key = keys.create_dkim_key(submission.sender.domain)
    dispatch_slice(submission.pk)
    raw = zlib.decompress(SandboxMail.objects.get().raw)
    record = f"v=DKIM1; k=rsa; p={key.public_key}".encode()
    assert dkim.verify(raw, dnsfunc=lambda *_, **__: record)
    assert f"d={submission.sender.domain.name}".encode() in raw


def test_a_campaign_that_bounces_stops_in_the_middle_of_a_slice(
    account: Account, readers: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MP-05."""
    for number in range(130):
        make_contact(account, f"bounce+{number}@example.org", lists=[readers])
    submission = plan(account, readers)
    monkeypatch.setattr(recorder, "FLUSH_EVERY", 0.0)
    monkeypatch.setattr(dispatch, "CHECK_EVERY", 0.0)
    monkeypatch.setattr(work, "JUDGE_EVERY", 0.0)
    monkeypatch.setattr(work, "JUDGE_REST", 0)
    dispatch_slice(submission.pk, limit=110)
    submission.refresh_from_db()
    assert submission.state == SubmissionState.PAUSED
    assert Message.objects.filter(state=MessageState.QUEUED).count() >= 20


def test_counting_the_mails_of_a_large_campaign_takes_little_of_the_time_to_send_it(
    account: Account, readers: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        make_contact(account, f"r{number}@example.org", lists=[readers])
    submission = plan(account, readers)
    monkeypatch.setattr(dispatch, "CHECK_EVERY", 0.0)
    monkeypatch.setattr(work, "JUDGE_EVERY", 0.0)
    asked = []

    def count_slowly(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if "bounced" in map(str, params or ()) and "COUNT(" in sql:
            asked.append(sql)
            time.sleep(1)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count_slowly):
        assert dispatch_slice(submission.pk).claimed == 60
    assert len(asked) == 1


def test_mail_waits_while_the_key_service_does_not_answer_and_leaves_when_it_does(
    account: Account, settings: Settings
) -> None:
    with KmsStub() as kms:
        settings.KEY_PROVIDER, settings.KEY_SERVICE = "aws", kms.settings()
        submission = testsend.send_test(
            account, content=make_version(account), sender=make_sender(account), to="ada@example.org"
        )
        forget_open_keys()
        kms.answer = lambda _: Reply(503)
        dispatch_slice(submission.pk)
        submission.refresh_from_db()
        assert Message.objects.get().state == MessageState.QUEUED
        assert submission.state == SubmissionState.OPEN
        assert submission.waits_because == "The service that holds the keys does not answer."
        kms.answer = kms.serve
        with time_machine.travel(timezone.now() + timedelta(hours=1), tick=True):
            dispatch_slice(submission.pk)
    assert Message.objects.get().state == MessageState.SENT


def test_a_relay_whose_password_cannot_be_opened_now_is_tried_later(
    account: Account, readers: ContactList, settings: Settings
) -> None:
    make_contact(account, "ada@example.org", lists=[readers])
    submission = plan(account, readers)
    with KmsStub() as kms:
        settings.KEY_PROVIDER, settings.KEY_SERVICE = "aws", kms.settings()
        use_relay(account.transports.get(), host="127.0.0.1", port=9)
        forget_open_keys()
        kms.answer = lambda _: Reply(503)
        dispatch_slice(submission.pk)
    submission.refresh_from_db()
    assert (submission.state, Message.objects.get().state) == (SubmissionState.OPEN, MessageState.QUEUED)
