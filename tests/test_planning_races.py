"""Two people, or a person and a worker, at the same campaign at the same time."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from campaigns import tasks
from campaigns.audiences import suppression
from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    ContactList,
    Message,
    Submission,
    SubmissionState,
    TemplateVersion,
)
from campaigns.outbox import control, finish
from campaigns.planning import compose, fanout, sending
from campaigns.planning.audience import count_audience
from tests.factories import make_account, make_campaign, make_contact, make_list, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def readers(account: Account) -> ContactList:
    return make_list(account)


def change(campaign: Campaign, *, lists: list[ContactList], content: TemplateVersion | None = None) -> None:
    """What another person does to the campaign in a form of their own."""
    theirs = Campaign.objects.get(pk=campaign.pk)
    assert theirs.content is not None
    assert theirs.sender is not None
    compose.change_campaign(
        theirs,
        name=theirs.name,
        content=content or theirs.content,
        sender=theirs.sender,
        lists=lists,
        excluded_lists=[],
        purpose=theirs.purpose,
        transport=None,
    )


def test_a_resumed_campaign_writes_to_nobody_who_came_after_it_was_planned(
    account: Account, readers: ContactList
) -> None:
    """The confirm page named a number of people."""
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    sending.pause(campaign)
    make_contact(account, lists=[readers])
    sending.resume(campaign)
    assert fanout.plan_submission(submission.pk)
    assert Message.objects.count() == 1


def test_a_draft_changed_meanwhile_is_not_sent_as_it_was(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    mine = make_campaign(account, lists=[readers])
    change(mine, lists=[readers], content=make_version(account))
    with pytest.raises(sending.WrongState, match="changed"):
        sending.send_now(mine)
    assert not Submission.objects.exists()
    assert Campaign.objects.get().state == CampaignState.DRAFT


def test_a_campaign_put_off_meanwhile_does_not_start_at_its_old_time(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    sending.schedule(campaign, at=timezone.now() + timedelta(hours=1))
    seen_by_the_sweep = Campaign.objects.get()
    sending.schedule(campaign, at=timezone.now() + timedelta(days=1))
    with pytest.raises(sending.WrongState):
        sending.send_now(seen_by_the_sweep)


def test_a_campaign_nobody_can_check_holds_up_no_other(
    account: Account, readers: ContactList, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    make_contact(account, lists=[readers])
    broken, fine = (make_campaign(account, lists=[readers], content=make_version(account)) for _ in range(2))
    for campaign in (broken, fine):
        sending.schedule(campaign, at=timezone.now() + timedelta(hours=1))
    assert broken.content is not None
    TemplateVersion.objects.filter(pk=broken.content.pk).update(variables=[{}], digest="b" * 64)
    Campaign.objects.update(send_at=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        tasks.sweep()
    fine.refresh_from_db()
    assert fine.state == CampaignState.SENT


@pytest.mark.parametrize("purpose", ["marketing", "transactional"])
def test_who_may_not_get_mail_of_this_list_is_neither_counted_nor_planned(
    account: Account, readers: ContactList, purpose: str
) -> None:
    """UN-12: a list's suppression stops its marketing, no transactional mail and no other list."""
    other = make_list(account)
    both, one = make_contact(account, lists=[readers, other]), make_contact(account, lists=[readers])
    for contact in (both, one):
        suppression.suppress(account, address_key=contact.address_key, scope="list", reason="manual", list=readers)
    campaign = make_campaign(account, lists=[readers, other], purpose=purpose)
    expected = {both.pk} if purpose == "marketing" else {both.pk, one.pk}
    assert count_audience(campaign).recipients == len(expected)
    fanout.plan_submission(sending.send_now(campaign).pk)
    assert set(Message.objects.values_list("contact_id", flat=True)) == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("worker", ["finish", "stop"])
def test_a_person_who_pauses_while_a_worker_ends_the_campaign_meets_no_deadlock(worker: str) -> None:
    account = make_account()
    readers = make_list(account)
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    submission = sending.send_now(campaign)
    Message.objects.all().delete()
    Submission.objects.update(state=SubmissionState.OPEN)
    Campaign.objects.update(state=CampaignState.SENDING)
    failed: list[Exception] = []

    def work() -> None:
        try:
            if worker == "finish":
                finish.finish_submissions(now=timezone.now())
            else:
                control.stop_submission(submission, because="The relay refuses the password.")
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    with transaction.atomic():
        Campaign.objects.filter(pk=campaign.pk).update(state=CampaignState.PAUSED)
        thread.start()
        time.sleep(0.5)  # the worker waits for the campaign now
        control.pause_submission(submission)
    thread.join()
    assert not failed
    submission.refresh_from_db()
    assert submission.state == SubmissionState.PAUSED
