"""How fast and when a campaign sends, from its draft to its submission, and what is said about it before."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from campaigns.domains import warmup
from campaigns.errors import CampaignError
from campaigns.models import Account, Campaign, CampaignState, Message, MessageState, WindowZone
from campaigns.outbox.recovery import UNCERTAIN
from campaigns.planning import compose, fanout, sending
from campaigns.planning.pace import Pace, check_window, estimate, note_pace
from campaigns.planning.preflight import campaign_transport, check_campaign
from tests.factories import make_account, make_campaign, make_contact, make_domain, make_list, make_sender

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
HOURS: dict[str, Any] = {"window_start": time(9), "window_end": time(17)}


@pytest.fixture
def account() -> Account:
    return make_account()


def codes(campaign: Campaign, *, people: int, now: datetime = NOW) -> list[str]:
    notes = note_pace(campaign, transport=campaign_transport(campaign), people=people, now=now)
    return [note.code for note in notes]


def lasts(campaign: Campaign, *, people: int) -> Any:
    return estimate(campaign, transport=campaign_transport(campaign), people=people)


def test_a_started_campaign_hands_its_pace_to_its_submission(account: Account) -> None:
    readers = make_list(account)
    make_contact(account, lists=[readers])
    pace = Pace(5_000, time(22), time(6, 30), WindowZone.RECIPIENT, hold_uncertain=True)
    draft = make_campaign(account, lists=[readers])
    assert draft.content is not None
    assert draft.sender is not None
    campaign = compose.create_campaign(
        account, name="News", content=draft.content, sender=draft.sender, lists=[readers], pace=pace
    )
    submission = sending.send_now(campaign)
    submission.refresh_from_db()
    assert submission.options == {
        "lists": [readers.pk],
        "excluded_lists": [],
        "max_per_hour": 5_000,
        "window": {"start": "22:00", "end": "06:30", "zone": "recipient"},
        "hold_uncertain": True,
        "tracking": {"level": None, "opens": True, "clicks": True, "pixel": "top", "utm": []},
    }


def test_a_change_without_a_pace_keeps_the_one_it_had(account: Account) -> None:
    campaign = make_campaign(account, max_per_hour=70)
    assert campaign.content is not None
    assert campaign.sender is not None
    parts: dict[str, Any] = {
        "name": "Other", "content": campaign.content, "sender": campaign.sender, "lists": [], "excluded_lists": [],
        "purpose": campaign.purpose, "transport": None,
    }  # fmt: skip
    compose.change_campaign(campaign, **parts)
    assert campaign.max_per_hour == 70
    compose.change_campaign(campaign, **parts, pace=Pace())
    assert campaign.max_per_hour is None


def test_a_pace_somebody_changes_while_the_campaign_starts_stops_the_start(account: Account) -> None:
    readers = make_list(account)
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    Campaign.objects.filter(pk=campaign.pk).update(max_per_hour=1)
    with pytest.raises(sending.WrongState):
        sending.send_now(campaign)


@pytest.mark.parametrize(
    "hours",
    [
        {"window_start": time(9), "window_end": time(9)},
        {"window_start": time(9)},
        {"window_end": time(17)},
    ],
)
def test_hours_without_length_stop_the_campaign(account: Account, hours: dict[str, Any]) -> None:
    readers = make_list(account)
    make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers], **hours)
    assert [finding.code for finding in check_campaign(campaign).findings] == ["campaign.window-empty"]


def test_hours_over_midnight_are_fine(account: Account) -> None:
    assert check_window(make_campaign(account, window_start=time(22), window_end=time(6))) == []


# --- How long it takes -------------------------------------------------------------------------------------------------


def test_without_limits_nobody_knows_how_long_it_takes(account: Account) -> None:
    assert lasts(make_campaign(account), people=50_000) is None


def test_a_limited_campaign_takes_its_number_of_people_by_its_rate(account: Account) -> None:
    found = lasts(make_campaign(account, max_per_hour=5_000), people=48_000)
    assert (found.per_hour, found.lasts, found.days) == (5_000, timedelta(hours=9, minutes=36), 1)


def test_the_narrowest_limit_counts(account: Account) -> None:
    Account.objects.filter(pk=account.pk).update(max_per_second=1)
    account.refresh_from_db()
    assert lasts(make_campaign(account, max_per_hour=5_000), people=100).per_hour == 3_600
    slow = make_sender(account, domain=make_domain(account, max_per_second=0.5))
    assert lasts(make_campaign(account, sender=slow, max_per_hour=5_000), people=100).per_hour == 1_800


def test_hours_spread_a_campaign_over_days(account: Account) -> None:
    found = lasts(make_campaign(account, max_per_hour=1_000, **HOURS), people=20_000)
    assert (found.lasts, found.days, found.is_in_time) == (timedelta(hours=20), 3, True)


def test_a_campaign_too_slow_for_its_people_is_noted_and_not_stopped(account: Account) -> None:
    readers = make_list(account)
    for _ in range(3):
        make_contact(account, lists=[readers])
    assert codes(make_campaign(account, max_per_hour=1_000), people=48_000) == []
    assert codes(make_campaign(account, max_per_hour=1_000), people=48_001) == ["campaign.too-slow"]
    assert check_campaign(make_campaign(account, lists=[readers], max_per_hour=1)).ready


def test_hours_give_a_slow_campaign_more_days(account: Account) -> None:
    assert codes(make_campaign(account, max_per_hour=1_000, **HOURS), people=48_000) == []


def test_a_few_minutes_a_day_are_noted_as_too_slow(account: Account) -> None:
    narrow: dict[str, Any] = {"window_start": time(9), "window_end": time(9, 10)}
    assert codes(make_campaign(account, max_per_hour=1_000, **narrow), people=5_000) == ["campaign.too-slow"]


# --- Warm-up -----------------------------------------------------------------------------------------------------------


def test_a_new_domain_says_how_many_leave_today(account: Account) -> None:
    first, second = (warmup.daily_cap(date(2027, 3, 1), today=date(2027, 3, day)) or 0 for day in (1, 2))
    sender = make_sender(account, domain=make_domain(account, warmup_started_on=date(2027, 3, 1)))
    campaign = make_campaign(account, sender=sender)
    assert codes(campaign, people=first) == []
    assert codes(campaign, people=first + second) == ["campaign.warm-up"]
    assert codes(campaign, people=first + second + 1) == ["campaign.warm-up-too-slow"]


def test_a_warm_domain_is_not_spoken_of(account: Account) -> None:
    sender = make_sender(account, domain=make_domain(account, warmup_started_on=date(2020, 1, 1)))
    assert codes(make_campaign(account, sender=sender), people=1_000_000) == []


# --- Mail in doubt -----------------------------------------------------------------------------------------------------


def start_with_doubt(account: Account) -> Campaign:
    readers = make_list(account)
    for _ in range(3):
        make_contact(account, lists=[readers])
    campaign = make_campaign(account, lists=[readers], hold_uncertain=True)
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    ids = list(submission.messages.values_list("pk", flat=True))
    Message.objects.filter(pk__in=ids[:2]).update(state=MessageState.SENT)
    Message.objects.filter(pk__in=ids[2:]).update(state=MessageState.HELD, error_code=UNCERTAIN)
    return campaign


def test_a_campaign_ends_when_the_last_doubt_is_given_up(account: Account) -> None:
    campaign = start_with_doubt(account)
    sending.give_up_held(campaign)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.SENT


def test_mail_in_doubt_is_queued_again_when_somebody_says_so(account: Account) -> None:
    campaign = start_with_doubt(account)
    sending.release_held(campaign)
    assert Message.objects.filter(state=MessageState.QUEUED).count() == 1


@pytest.mark.parametrize("answer", [sending.release_held, sending.give_up_held])
def test_only_the_first_answer_counts(account: Account, answer: Any) -> None:
    campaign = start_with_doubt(account)
    sending.give_up_held(campaign)
    with pytest.raises(CampaignError):
        answer(campaign)
