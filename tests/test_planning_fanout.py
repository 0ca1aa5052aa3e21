"""Who is planned, and who is not."""

from __future__ import annotations

import time
import uuid

import pytest

from campaigns.models import (
    Account,
    Campaign,
    Contact,
    ContactList,
    Message,
    Submission,
    SubmissionState,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)
from campaigns.planning import fanout, sending
from campaigns.planning.audience import count_audience
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return make_account()


@pytest.fixture
def readers(account: Account) -> ContactList:
    return make_list(account)


def planned(campaign: Campaign) -> list[str]:
    submission = sending.send_now(campaign)
    assert fanout.plan_submission(submission.pk)
    submission.refresh_from_db()
    found = list(
        Message.objects.filter(submission=submission).order_by("recipient").values_list("recipient", flat=True)
    )
    assert submission.planned == len(found)
    assert submission.state == SubmissionState.OPEN
    return found


def test_a_person_on_two_lists_is_planned_once(account: Account, readers: ContactList) -> None:
    """Evil input 39."""
    other = make_list(account)
    make_contact(account, "both@example.org", lists=[readers, other])
    assert planned(make_campaign(account, lists=[readers, other])) == ["both@example.org"]


def test_an_unsubscribed_person_is_not_planned(account: Account, readers: ContactList) -> None:
    make_contact(account, "left@example.org", lists=[readers], state=SubscriptionState.UNSUBSCRIBED)
    make_contact(account, "here@example.org", lists=[readers])
    assert planned(make_campaign(account, lists=[readers])) == ["here@example.org"]


def test_an_unconfirmed_person_is_not_planned(account: Account, readers: ContactList) -> None:
    make_contact(account, "maybe@example.org", lists=[readers], state=SubscriptionState.UNCONFIRMED)
    make_contact(account, "here@example.org", lists=[readers])
    assert planned(make_campaign(account, lists=[readers])) == ["here@example.org"]


@pytest.mark.parametrize("scope", [SuppressionScope.MARKETING, SuppressionScope.EVERYTHING])
def test_a_suppressed_person_is_not_planned(account: Account, readers: ContactList, scope: str) -> None:
    contact = make_contact(account, "no@example.org", lists=[readers])
    Suppression.objects.create(
        account=account, address_key=contact.address_key, scope=scope, reason=SuppressionReason.MANUAL
    )
    make_contact(account, "here@example.org", lists=[readers])
    assert planned(make_campaign(account, lists=[readers])) == ["here@example.org"]


def test_transactional_mail_passes_a_marketing_suppression(account: Account, readers: ContactList) -> None:
    """UN-12."""
    contact = make_contact(account, "client@example.org", lists=[readers])
    Suppression.objects.create(
        account=account,
        address_key=contact.address_key,
        scope=SuppressionScope.MARKETING,
        reason=SuppressionReason.UNSUBSCRIBED,
    )
    assert planned(make_campaign(account, lists=[readers], purpose="transactional")) == ["client@example.org"]


def test_people_on_an_excluded_list_are_left_out(account: Account, readers: ContactList) -> None:
    staff = make_list(account)
    make_contact(account, "staff@example.org", lists=[readers, staff])
    make_contact(account, "here@example.org", lists=[readers])
    assert planned(make_campaign(account, lists=[readers], excluded_lists=[staff])) == ["here@example.org"]


def test_another_accounts_people_are_never_planned(account: Account, readers: ContactList) -> None:
    stranger = make_account()
    make_contact(stranger, "stranger@example.org", lists=[make_list(stranger)])
    make_contact(account, "here@example.org", lists=[readers])
    assert planned(make_campaign(account, lists=[readers])) == ["here@example.org"]


def test_the_count_before_sending_is_the_number_planned(account: Account, readers: ContactList) -> None:
    staff = make_list(account)
    make_contact(account, lists=[readers, staff])
    gone = make_contact(account, lists=[readers])
    Suppression.objects.create(
        account=account,
        address_key=gone.address_key,
        scope=SuppressionScope.EVERYTHING,
        reason=SuppressionReason.BOUNCE,
    )
    make_contact(account, "here@example.org", lists=[readers])
    campaign = make_campaign(account, lists=[readers], excluded_lists=[staff])
    count = count_audience(campaign)
    assert (count.on_lists, count.excluded, count.suppressed, count.recipients) == (3, 1, 1, 1)
    assert len(planned(campaign)) == count.recipients


def test_a_person_who_left_one_of_two_lists_is_planned_through_the_other(
    account: Account, readers: ContactList
) -> None:
    other = make_list(account)
    for email, left in (("one@example.org", [readers]), ("both@example.org", [readers, other])):
        contact = make_contact(account, email, lists=[readers, other])
        for entry in left:
            leave(contact, entry)
    campaign = make_campaign(account, lists=[readers, other])
    assert count_audience(campaign).recipients == 1
    assert planned(campaign) == ["one@example.org"]


def test_transactional_mail_passes_what_somebody_left(account: Account, readers: ContactList) -> None:
    """UN-12."""
    leave(make_contact(account, "client@example.org", lists=[readers]), readers)
    campaign = make_campaign(account, lists=[readers], purpose="transactional")
    assert count_audience(campaign).recipients == 1
    assert planned(campaign) == ["client@example.org"]


def leave(contact: Contact, entry: ContactList) -> None:
    Suppression.objects.create(
        account=contact.account,
        address_key=contact.address_key,
        scope=SuppressionScope.LIST,
        list=entry,
        reason=SuppressionReason.UNSUBSCRIBED,
    )


def in_steps_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "CHUNK", dict.fromkeys(fanout.CHUNK, 2))


def seven_readers(account: Account, readers: ContactList) -> Submission:
    for number in range(7):
        make_contact(account, f"r{number}@example.org", lists=[readers])
    return sending.send_now(make_campaign(account, lists=[readers]))


def test_a_fanout_cut_short_goes_on_where_it_stopped(
    account: Account, readers: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_steps_of_two(monkeypatch)
    submission = seven_readers(account, readers)
    first, second = (Submission.objects.get(pk=submission.pk) for _ in range(2))
    upper = fanout._next_upper(first, after=0)
    assert upper is not None
    assert fanout._plan_chunk(first, upper=upper)
    assert not fanout._plan_chunk(second, upper=upper)  # a second planner with the same view is turned away
    assert Message.objects.count() == 2
    fanout.plan_submission(submission.pk)
    assert Message.objects.count() == 7
    assert Submission.objects.get(pk=submission.pk).planned == 7


def test_a_step_written_before_the_cursor_moved_is_not_written_twice(account: Account, readers: ContactList) -> None:
    """The process died between the two; evil input 22."""
    submission = seven_readers(account, readers)
    half = list(Contact.objects.order_by("pk").values_list("pk", flat=True))[3]
    assert fanout._write_chunk(submission, lower=0, upper=half)
    fanout.plan_submission(submission.pk)
    assert Message.objects.count() == 7
    assert Submission.objects.get(pk=submission.pk).planned == 7


def test_nothing_is_written_for_a_submission_that_is_no_longer_planned(account: Account, readers: ContactList) -> None:
    submission = seven_readers(account, readers)
    Submission.objects.filter(pk=submission.pk).update(state=SubmissionState.PAUSED)
    assert not fanout._plan_chunk(submission, upper=2**62)
    assert Message.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_steps_written_at_once_plan_everybody_once(
    account: Account, readers: ContactList, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_steps_of_two(monkeypatch)
    submission = seven_readers(account, readers)  # its bell is heard at once
    assert sorted(Message.objects.values_list("recipient", flat=True)) == [f"r{n}@example.org" for n in range(7)]
    assert Submission.objects.get(pk=submission.pk).planned == 7


def test_public_ids_of_new_messages_stand_in_the_order_of_time(account: Account, readers: ContactList) -> None:
    """RFC 9562 §5.7."""
    fanout.plan_submission(seven_readers(account, readers).pk)
    ids = list(Message.objects.values_list("public_id", flat=True))
    assert {(entry.version, entry.variant) for entry in ids} == {(7, uuid.RFC_4122)}
    assert {abs((entry.int >> 80) / 1000 - time.time()) < 60 for entry in ids} == {True}
    assert len(set(ids)) == 7


def test_planning_twice_plans_nobody_twice(account: Account, readers: ContactList) -> None:
    make_contact(account, lists=[readers])
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(submission.pk)
    Submission.objects.filter(pk=submission.pk).update(state=SubmissionState.PLANNING, cursor=0)
    fanout.plan_submission(submission.pk)
    assert Message.objects.count() == 1
    assert Submission.objects.get(pk=submission.pk).planned == 1
