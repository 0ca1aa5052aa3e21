"""The jobs behind the bell, and the sweep that finds what the bell missed."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.conf import Conf
from pytest_django import DjangoCaptureOnCommitCallbacks

from campaigns import jobs, tasks
from campaigns.audiences import importing
from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    Contact,
    ContactList,
    ImportState,
    Message,
    MessageState,
    SandboxMail,
    Submission,
)
from campaigns.outbox import claim
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def readers(account: Account) -> ContactList:
    readers = make_list(account)
    for _ in range(3):
        make_contact(account, lists=[readers])
    return readers


def sweep(run: DjangoCaptureOnCommitCallbacks) -> None:
    """A sweep and everything it rings for, until nothing rings any more."""
    with run(execute=True):
        tasks.sweep()


def test_a_bell_that_still_waits_is_not_rung_again(
    account: Account,
    readers: ContactList,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Or a long campaign, rung for every minute, would fill the queue, and all others wait behind it."""
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(submission.pk)
    monkeypatch.setattr(Conf, "SYNC", False)
    queue = get_broker()
    try:
        for _ in range(3):
            sweep(django_capture_on_commit_callbacks)
        assert queue.queue_size() == settings.WORKERS
        with django_capture_on_commit_callbacks(execute=True):
            jobs.ring("campaigns.tasks.dispatch_submission", submission.pk + 1)
        assert queue.queue_size() == settings.WORKERS + 1
    finally:
        queue.delete_queue()


def test_a_lost_planning_bell_is_rung_again(
    account: Account, readers: ContactList, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    campaign = make_campaign(account, lists=[readers])
    sending.send_now(campaign)  # the bell of this commit is never heard
    sweep(django_capture_on_commit_callbacks)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENT
    assert SandboxMail.objects.count() == 3


def test_what_a_dead_worker_held_is_sent_by_the_next_sweep(
    account: Account, readers: ContactList, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    tasks.plan_submission(submission.pk)
    taken = timezone.now()
    claim.claim_messages(submission.pk, worker="elsewhere:1:1:x", now=taken)
    Message.objects.update(lease_until=taken - timedelta(seconds=1))
    sweep(django_capture_on_commit_callbacks)
    assert set(Message.objects.values_list("state", flat=True)) == {MessageState.SENT}


def test_a_scheduled_campaign_starts_at_its_time_and_not_before(
    account: Account, readers: ContactList, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    campaign = make_campaign(account, lists=[readers])
    sending.schedule(campaign, at=timezone.now() + timedelta(hours=1))
    sweep(django_capture_on_commit_callbacks)
    assert not Submission.objects.exists()
    Campaign.objects.update(send_at=timezone.now() - timedelta(seconds=1))
    sweep(django_capture_on_commit_callbacks)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENT


def test_a_scheduled_campaign_that_is_no_longer_ready_goes_back_to_draft_and_says_why(
    account: Account, readers: ContactList, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    campaign = make_campaign(account, lists=[readers])
    sending.schedule(campaign, at=timezone.now() + timedelta(hours=1))
    Campaign.objects.update(send_at=timezone.now() - timedelta(seconds=1))
    Contact.objects.all().delete()
    sweep(django_capture_on_commit_callbacks)
    campaign.refresh_from_db()
    assert (campaign.state, campaign.stopped_because) == (
        CampaignState.DRAFT,
        "Nobody would receive this campaign.",
    )


def test_two_sweeps_at_once_start_a_campaign_once(
    account: Account, readers: ContactList, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    sending.schedule(make_campaign(account, lists=[readers]), at=timezone.now() + timedelta(hours=1))
    Campaign.objects.update(send_at=timezone.now() - timedelta(seconds=1))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
        tasks.sweep()
    assert Submission.objects.count() == 1
    assert SandboxMail.objects.count() == 3


def test_an_import_nobody_works_on_is_taken_up(
    account: Account, readers: ContactList, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    file = BytesIO(b"email\nnew@example.org\n")
    job = importing.start_import(account, list=readers, file=file, filename="new.csv")
    importing.set_mapping(job, job.mapping)  # and the bell is lost
    sweep(django_capture_on_commit_callbacks)
    job.refresh_from_db()
    assert job.state == ImportState.DONE
    assert Contact.objects.filter(email="new@example.org").exists()


def test_an_import_beyond_its_budget_goes_on_in_the_next_job(
    account: Account,
    readers: ContactList,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = "".join(f"p{number}@example.org\n" for number in range(7000))
    file = BytesIO(f"email\n{rows}".encode())
    job = importing.start_import(account, list=readers, file=file, filename="new.csv")
    monkeypatch.setattr(tasks, "IMPORT_BUDGET", 0.0)
    with django_capture_on_commit_callbacks(execute=True) as rung:
        tasks.run_import(job.pk)
    job.refresh_from_db()
    assert len(rung) > 1
    assert (job.state, job.created) == (ImportState.DONE, 7000)


def test_a_step_of_the_sweep_that_fails_keeps_no_other_from_its_work(
    account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = make_campaign(account, lists=[make_list(account)])
    make_contact(account, lists=list(campaign.lists.all()))
    sending.schedule(campaign, at=timezone.now() + timedelta(minutes=1))

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "lease_until" in sql and sql.startswith("SELECT"):
            raise OperationalError("deadlock detected near ada@example.org")
        return execute(sql, params, many, context)

    with time_machine.travel(timezone.now() + timedelta(minutes=2)), connection.execute_wrapper(refuse):
        tasks.sweep()
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENDING
    assert "sweep: recover failed: OperationalError" in caplog.text
    assert "ada@" not in caplog.text
