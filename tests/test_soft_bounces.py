"""Addresses whose mail keeps coming back: given up after enough of it, over enough time, with nothing in between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaigns import tokens
from campaigns.addresses import parse
from campaigns.audiences.soft_bounces import FORGIVEN_AFTER, note_soft_bounce
from campaigns.models import (
    Account,
    Message,
    MessageState,
    SoftBounce,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)
from campaigns.planning import fanout, sending
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return make_account()


def key_of(account: Account) -> str:
    return tokens.address_key(parse("ann@example.com"), account=account.public_id)


def note(account: Account, *days: float) -> list[bool]:
    """One soft bounce on each of these days; whether each was the last straw."""
    return [note_soft_bounce(account, address_key=key_of(account), now=NOW + timedelta(days=day)) for day in days]


def test_five_in_a_row_over_fifteen_days_are_enough(account: Account) -> None:
    assert note(account, 0, 4, 8, 12, 16) == [False, False, False, False, True]
    row = Suppression.objects.get()
    assert (row.scope, row.reason) == (SuppressionScope.EVERYTHING, SuppressionReason.UNREACHABLE)
    assert not SoftBounce.objects.exists()


def test_many_within_a_few_days_are_not_enough(account: Account) -> None:
    assert not any(note(account, *range(10)))
    assert note(account, 15) == [True]


def test_few_over_a_long_time_are_not_enough(account: Account) -> None:
    assert not any(note(account, 0, 10, 20, 30))


def test_a_long_silence_is_forgiven(account: Account) -> None:
    assert not any(note(account, 0, 5, 10, 20, 21 + FORGIVEN_AFTER.days))
    assert SoftBounce.objects.get().count == 1


@pytest.mark.parametrize(("count", "days", "expected"), [(2, 1, True), (2, 3, False), (3, 1, False), (0, 0, False)])
def test_each_account_decides_when_it_is_enough(account: Account, count: int, days: int, expected: bool) -> None:
    Account.objects.update(soft_bounces_to_stop=count, soft_bounce_days=days)
    account.refresh_from_db()
    assert note(account, 0, 2)[-1] is expected


def test_another_account_counts_for_itself(account: Account) -> None:
    note(account, 0, 4, 8, 12)
    assert note(make_account(), 16) == [False]


@pytest.mark.parametrize(("state", "given_up"), [(MessageState.SENT, False), (MessageState.BOUNCED, True)])
def test_mail_that_arrived_in_between_starts_the_count_anew(
    account: Account, state: MessageState, given_up: bool
) -> None:
    readers = make_list(account)
    make_contact(account, "ann@example.com", lists=[readers])
    fanout.plan_submission(sending.send_now(make_campaign(account, lists=[readers])).pk)
    Message.objects.update(state=state, sent_at=NOW + timedelta(days=6))
    assert note(account, 0, 4, 8, 12, 16)[-1] is given_up
    assert given_up or SoftBounce.objects.get().count == 1
