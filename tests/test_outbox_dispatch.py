"""From a queued row to a mail in the sandbox and a recorded outcome."""

from __future__ import annotations

import zlib
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from campaigns import tasks, tokens
from campaigns.audiences.suppression import suppress
from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    ContactList,
    Event,
    EventKind,
    Message,
    MessageState,
    SandboxMail,
    Submission,
    SubmissionState,
    SuppressionReason,
    SuppressionScope,
)
from campaigns.outbox import claim
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.reports import campaign_report
from campaigns.outbox.transports import seal_config
from campaigns.planning import fanout, sending
from compliance.models import Decision
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def readers(account: Account) -> ContactList:
    return make_list(account)


def plan(campaign: Campaign) -> Submission:
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    submission.refresh_from_db()
    return submission


def state_of(submission: Submission, email: str) -> Message:
    return Message.objects.get(submission=submission, recipient=email)


def kept(account: Account) -> list[EmailMessage]:
    mails = SandboxMail.objects.filter(account=account).order_by("pk")
    return [message_from_bytes(zlib.decompress(bytes(mail.raw)), policy=policy.default) for mail in mails]


def test_a_campaign_reaches_everyone_on_its_list_once(account: Account, readers: ContactList) -> None:
    for number in range(7):
        make_contact(account, f"r{number}@example.org", lists=[readers], first_name=f"Reader {number}")
    campaign = make_campaign(account, lists=[readers])
    submission = plan(campaign)
    dispatch_slice(submission.pk)
    assert sorted(mail["To"] for mail in kept(account)) == [f"r{n}@example.org" for n in range(7)]
    report = campaign_report(campaign)
    assert (report.planned, report.sent, report.lost, report.finished) == (7, 7, 0, True)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENT


def test_a_second_slice_sends_nothing_again(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    assert dispatch_slice(submission.pk).claimed == 0
    assert SandboxMail.objects.count() == 1


def test_each_outcome_is_recorded_with_its_event(account: Account, readers: ContactList) -> None:
    for local in ("bounce", "defer", "block", "fine"):
        make_contact(account, f"{local}@example.org", lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    states = dict(Message.objects.values_list("recipient", "state"))
    assert states == {
        "bounce@example.org": MessageState.BOUNCED,
        "defer@example.org": MessageState.QUEUED,
        "block@example.org": MessageState.BOUNCED,
        "fine@example.org": MessageState.SENT,
    }
    kinds = sorted(Event.objects.values_list("kind", "code"))
    assert kinds == [
        (EventKind.BOUNCED, "smtp.550-5.1.1"),
        (EventKind.BOUNCED, "smtp.554-5.7.1"),
        (EventKind.DEFERRED, "smtp.451-4.3.0"),
        (EventKind.SENT, ""),
    ]


def test_a_deferred_message_is_tried_again_after_its_wait_and_never_before(
    account: Account, readers: ContactList
) -> None:
    """SM-05: the first retry comes after 5 minutes or more of jittered wait, with the same Message-ID."""
    make_contact(account, "defer@example.org", lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    assert dispatch_slice(submission.pk).claimed == 0
    with time_machine.travel(timezone.now() + timedelta(minutes=7), tick=True):
        assert dispatch_slice(submission.pk).claimed == 1
    assert state_of(submission, "defer@example.org").attempts == 2


def test_a_message_deferred_beyond_its_time_expires(account: Account, readers: ContactList) -> None:
    make_contact(account, "defer@example.org", lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    submission = plan(campaign)
    dispatch_slice(submission.pk)
    with time_machine.travel(timezone.now() + timedelta(hours=49), tick=True):
        dispatch_slice(submission.pk)
    assert state_of(submission, "defer@example.org").state == MessageState.EXPIRED
    assert campaign_report(campaign).finished


def test_an_opt_out_between_planning_and_sending_stops_the_mail(account: Account, readers: ContactList) -> None:
    """UN-11."""
    leaver = make_contact(account, "leaver@example.org", lists=[readers])
    make_contact(account, "stayer@example.org", lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    suppress(
        account,
        address_key=leaver.address_key,
        scope=SuppressionScope.MARKETING,
        reason=SuppressionReason.UNSUBSCRIBED,
    )
    dispatch_slice(submission.pk)
    refused = state_of(submission, "leaver@example.org")
    assert refused.state == MessageState.REFUSED
    assert refused.error_code.startswith("recipient.")
    assert [mail["To"] for mail in kept(account)] == ["stayer@example.org"]


def test_a_missing_value_fails_that_recipient_and_the_campaign_goes_on(account: Account, readers: ContactList) -> None:
    """MF-13."""
    make_contact(account, "none@example.org", lists=[readers])
    make_contact(account, "ada@example.org", lists=[readers], code="42")
    campaign = make_campaign(account, lists=[readers])
    assert campaign.content is not None
    version = campaign.content
    type(version).objects.filter(pk=version.pk).update(
        source=version.source.replace("{{ first_name }}", "{{ code }}"),
        subject="News",
        variables=[{"name": "code", "label": "", "sample": "1", "default": None}],
        digest="f" * 64,
    )
    submission = plan(Campaign.objects.get(pk=campaign.pk))
    dispatch_slice(submission.pk)
    assert state_of(submission, "none@example.org").state == MessageState.FAILED
    assert state_of(submission, "ada@example.org").state == MessageState.SENT


def test_a_removed_contact_gets_no_mail(account: Account, readers: ContactList) -> None:
    contact = make_contact(account, lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    contact.delete()
    dispatch_slice(submission.pk)
    assert not SandboxMail.objects.exists()
    assert Message.objects.get().state in {MessageState.REFUSED, MessageState.FAILED}


def test_a_paused_campaign_gives_nothing_and_a_resumed_one_goes_on(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    submission = plan(campaign)
    sending.pause(campaign)
    assert dispatch_slice(submission.pk).claimed == 0
    sending.resume(campaign)
    fanout.plan_submission(submission.pk)
    assert dispatch_slice(submission.pk).claimed == 1


def test_a_cancelled_campaign_ends_with_everyone_in_a_final_state(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    plan(campaign)
    sending.cancel(campaign)
    report = campaign_report(campaign)
    assert (report.cancelled, report.lost, report.finished) == (1, 0, True)


def test_two_workers_never_hold_the_same_message(account: Account, readers: ContactList) -> None:
    for _ in range(10):
        make_contact(account, lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    now = timezone.now()
    first = claim.claim_messages(submission.pk, worker="one", now=now, limit=6)
    second = claim.claim_messages(submission.pk, worker="two", now=now, limit=6)
    assert len(first) == 6
    assert len(second) == 4
    assert not {m.id for m in first} & {m.id for m in second}


def test_the_message_id_is_the_same_in_every_attempt_and_names_nobody(account: Account, readers: ContactList) -> None:
    """MF-03."""
    make_contact(account, "unknown@example.org", lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    with time_machine.travel(timezone.now() + timedelta(minutes=7), tick=True):
        dispatch_slice(submission.pk)
    ids = [mail["Message-ID"] for mail in kept(account)]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert "unknown" not in ids[0]


def test_the_unsubscribe_header_carries_the_token_of_this_recipient(account: Account, readers: ContactList) -> None:
    """UN-01, UN-04."""
    contact = make_contact(account, lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    (mail,) = kept(account)
    token = str(mail["List-Unsubscribe"]).strip("<>").rpartition("/")[2]
    read = tokens.read_unsubscribe_token(token)
    assert read == tokens.UnsubscribeClaim(account.pk, submission.pk, contact.address_key)


def test_the_gate_leaves_a_decision_with_the_number_of_people(account: Account, readers: ContactList) -> None:
    for _ in range(3):
        make_contact(account, lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    (decision,) = Decision.objects.filter(submission=submission)
    assert (decision.allowed, decision.recipients) == (True, 3)


def test_a_submission_ends_by_itself(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    submission.refresh_from_db()
    assert submission.state == SubmissionState.DONE


def test_the_sandbox_lists_a_mail_by_the_subject_its_reader_sees(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers], first_name="Žygimantas " + "Ilgasis " * 12)
    submission = plan(make_campaign(account, lists=[readers]))
    dispatch_slice(submission.pk)
    assert SandboxMail.objects.get().subject == f"News for Žygimantas {'Ilgasis ' * 12}".strip()


def test_a_way_out_that_needs_a_person_pauses_the_campaign_and_says_why(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    account.transports.update(kind="smtp")  # with the settings of a sandbox: none
    campaign = make_campaign(account, lists=[readers])
    submission = plan(campaign)
    dispatch_slice(submission.pk)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.PAUSED
    assert campaign.stopped_because == "The settings of this way to send cannot be used."
    message = Message.objects.get()
    assert (message.state, message.attempts) == (MessageState.QUEUED, 0)


def test_a_way_out_that_is_down_keeps_the_mail_for_later(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    relay = account.transports.get()
    relay.kind = "smtp"
    relay.config_sealed = seal_config(relay, config={"host": "127.0.0.1", "port": 1, "tls": "none"})
    relay.save()
    campaign = make_campaign(account, lists=[readers])
    submission = plan(campaign)
    dispatch_slice(submission.pk)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENDING
    submission.refresh_from_db()
    assert submission.waits_until
    assert submission.waits_until > timezone.now()
    assert submission.waits_because == "The relay does not answer."
    assert Message.objects.get().state == MessageState.QUEUED
    assert dispatch_slice(submission.pk).claimed == 0  # for everybody who leaves by it


def test_a_campaign_paused_for_days_loses_nobody(
    account: Account,
    readers: ContactList,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    plan(campaign)
    sending.pause(campaign)
    with time_machine.travel(timezone.now() + timedelta(days=5), tick=True):
        with django_capture_on_commit_callbacks(execute=True):
            tasks.sweep()
        with django_capture_on_commit_callbacks(execute=True):
            sending.resume(campaign)
        assert campaign_report(campaign).sent == 1
