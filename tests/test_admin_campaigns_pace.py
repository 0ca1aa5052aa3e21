"""Speed and hours on the campaign screens: choosing them, what they mean, and why nothing leaves right now."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from campaigns.models import Campaign, CampaignState, Event, EventKind, Message, MessageState, Role, WindowZone
from campaigns.outbox import breaker, due
from campaigns.outbox.recovery import UNCERTAIN
from tests.office import Office, make_run, squeeze

pytestmark = pytest.mark.django_db
# Ten in the morning in Vilnius.
MORNING = datetime(2027, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
def office() -> Office:
    return Office()


def fresh(office: Office) -> Campaign:
    return Campaign.objects.get(pk=office.campaign.pk)


def change(office: Office, **fields: Any) -> None:
    Campaign.objects.filter(pk=office.campaign.pk).update(**fields)


# --- Choosing ----------------------------------------------------------------------------------------------------------


def test_speed_and_hours_are_chosen_with_the_draft(office: Office) -> None:
    office.post(
        "edit",
        **office.form(
            max_per_hour="5000", window_start="09:00", window_end="17:30", window_zone="recipient", hold_uncertain="on"
        ),
    )
    campaign = fresh(office)
    assert (campaign.max_per_hour, campaign.window_start, campaign.window_end) == (5_000, time(9), time(17, 30))
    assert (campaign.window_zone, campaign.hold_uncertain) == (WindowZone.RECIPIENT, True)


def test_they_may_all_stay_empty(office: Office) -> None:
    office.post("edit", **office.form())
    campaign = fresh(office)
    assert (campaign.name, campaign.max_per_hour, campaign.window_start, campaign.hold_uncertain) == (
        "Summer", None, None, False,
    )  # fmt: skip


def test_what_was_chosen_can_be_taken_away(office: Office) -> None:
    change(office, max_per_hour=70, window_start=time(9), window_end=time(17), hold_uncertain=True)
    office.post("edit", **office.form())
    campaign = fresh(office)
    assert (campaign.max_per_hour, campaign.window_start, campaign.hold_uncertain) == (None, None, False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"window_start": "09:00", "window_end": "09:00"}, "This is the same time"),
        ({"window_start": "09:00"}, "Give both times, or none."),
        ({"window_end": "17:00"}, "Give both times, or none."),
        ({"window_start": "25:00", "window_end": "17:00"}, "Enter a valid time"),
        ({"max_per_hour": "0"}, "greater than or equal to 1"),
        ({"max_per_hour": "fast"}, "Enter a whole number"),
        ({"window_zone": "moon"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_said_beside_its_field(office: Office, fields: dict[str, str], words: str) -> None:
    page = office.post("edit", **office.form(**fields))
    assert words in squeeze(page)
    assert '<details class="card" open>' in page.content.decode()
    assert fresh(office).name == "Spring seeds"


def test_the_part_stays_closed_until_somebody_chose_something(office: Office) -> None:
    assert '<details class="card">' in office.get("edit").content.decode()
    change(office, max_per_hour=70)
    assert '<details class="card" open>' in office.get("edit").content.decode()


def test_the_page_says_what_was_chosen(office: Office) -> None:
    assert "Speed" not in office.text("page")
    change(
        office,
        max_per_hour=5_000,
        window_start=time(9),
        window_end=time(17),
        window_zone="recipient",
        hold_uncertain=True,
    )
    text = office.text("page")
    assert "At most 5,000 an hour" in text
    assert "09:00 to 17:00" in text
    assert "Europe/Vilnius for people whose time zone we do not know" in text  # evil input 21: seen before it is sent
    assert "We ask you before a mail is repeated" in text


def test_hours_that_are_half_given_lead_to_their_field(office: Office) -> None:
    change(office, window_start=time(9))
    assert f"{office.url('edit')}#id_window_start" in office.get("page").content.decode()


# --- Confirming --------------------------------------------------------------------------------------------------------


def test_the_confirm_page_says_how_long_it_takes(office: Office) -> None:
    change(office, max_per_hour=1)
    assert "At 1 an hour this takes about 3 hours." in office.text("send")
    change(office, max_per_hour=100)
    assert "At 100 an hour this takes about 2 minutes." in office.text("send")
    change(office, max_per_hour=None)
    assert "an hour this takes" not in office.text("send")


def test_the_confirm_page_says_over_how_many_days(office: Office) -> None:
    change(office, max_per_hour=1, window_start=time(9), window_end=time(11))
    assert "Within the hours you chose it goes out over 2 days." in office.text("send")


def test_a_campaign_that_cannot_reach_everybody_in_time_says_so_and_can_be_sent(office: Office) -> None:
    change(office, max_per_hour=1, window_start=time(9), window_end=time(9, 1))
    text = office.text("send")
    assert "cannot reach everybody in time" in text
    assert "Send to 3 people" in text


def test_another_speed_is_asked_again(office: Office) -> None:
    change(office, max_per_hour=100)
    asked = office.get("send").content.decode()
    change(office, max_per_hour=1)
    page = office.post("send", seen=asked.split('name="seen" value="')[1].split('"')[0])
    assert page.status_code == 409
    assert office.state() == CampaignState.DRAFT


# --- Why nothing leaves right now --------------------------------------------------------------------------------------


def text_of_progress(office: Office) -> str:
    return office.text("progress")


def test_a_campaign_under_way_explains_nothing(office: Office) -> None:
    make_run(office, state=CampaignState.SENDING, sent=5, queued=5)
    assert "Waiting:" not in text_of_progress(office)


@time_machine.travel(MORNING, tick=False)
def test_closed_hours_are_explained_with_the_time_they_open() -> None:
    office = Office()
    submission = make_run(office, state=CampaignState.SENDING, sent=5, queued=5)
    due.postpone_submission(
        submission.pk, until=MORNING + timedelta(hours=23), because="It is outside the hours you chose for sending."
    )
    expected = "Waiting: It is outside the hours you chose for sending. It goes on tomorrow at 09:00."
    assert expected in text_of_progress(office)
    assert expected in office.text("page")
    assert "left" not in text_of_progress(office)  # no guess how long the rest takes


@time_machine.travel(MORNING, tick=False)
def test_a_broken_way_out_is_explained_with_the_next_try() -> None:
    office = Office()
    make_run(office, state=CampaignState.SENDING, sent=5, queued=5)
    relay = office.account.transports.get()
    breaker.note_broken(relay, now=MORNING + timedelta(minutes=4), because="The relay does not answer.")
    assert "Waiting: The relay does not answer. Next try at 10:05." in text_of_progress(office)


@time_machine.travel(MORNING, tick=False)
def test_people_who_are_all_to_be_tried_later_are_explained() -> None:
    office = Office()
    make_run(office, state=CampaignState.SENDING, sent=5, queued=5)
    Message.objects.update(next_attempt_at=MORNING + timedelta(days=3))
    assert "The next mail leaves on 4 March at 10:00." in text_of_progress(office)


@time_machine.travel(MORNING, tick=False)
def test_what_it_waited_for_yesterday_is_not_told_today() -> None:
    office = Office()
    submission = make_run(office, state=CampaignState.SENDING, sent=5, queued=5)
    due.postpone_submission(submission.pk, until=MORNING - timedelta(seconds=1), because="Night.")
    assert "Night." not in text_of_progress(office)


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.SENT, CampaignState.CANCELLED])
def test_a_campaign_that_does_not_run_waits_for_nothing(office: Office, state: CampaignState) -> None:
    submission = make_run(office, state=state, sent=5, queued=5)
    due.postpone_submission(submission.pk, until=timezone.now() + timedelta(hours=1), because="Night.")
    assert "Waiting:" not in text_of_progress(office)


def test_complaints_are_warned_of_on_the_page(office: Office) -> None:
    """MP-05."""
    submission = make_run(office, state=CampaignState.SENDING, sent=1_000, queued=1)
    type(submission).objects.filter(pk=submission.pk).update(sender=office.campaign.sender)
    Message.objects.filter(state=MessageState.SENT).update(sent_at=timezone.now())
    message = Message.objects.filter(state=MessageState.SENT).first()
    assert message is not None
    Event.objects.create(message=message, kind=EventKind.COMPLAINED, at=timezone.now())
    assert "0.10 % of 1,000 readers" in office.text("page")


# --- Mail in doubt -----------------------------------------------------------------------------------------------------


def make_doubt(office: Office, count: int = 3) -> None:
    make_run(office, state=CampaignState.SENDING, sent=5, held=count)
    Message.objects.filter(state=MessageState.HELD).update(error_code=UNCERTAIN)


def test_the_page_asks_what_to_do_with_mail_in_doubt(office: Office) -> None:
    make_doubt(office)
    text = office.text("page")
    assert "3 people may or may not have it" in text
    assert "Send it again…" in text
    assert "Leave it as it is…" in text


def test_without_doubt_nobody_is_asked(office: Office) -> None:
    make_run(office, state=CampaignState.SENDING, sent=5, queued=1)
    assert "may or may not have it" not in office.text("page")


def test_one_confirmation_sends_it_again(office: Office) -> None:
    make_doubt(office)
    assert "Send again to 3 people" in office.text("repeat")
    assert Message.objects.filter(state=MessageState.HELD).count() == 3
    assert "The mail goes out again." in squeeze(office.confirm("repeat"))
    assert not Message.objects.filter(state=MessageState.HELD).exists()


def test_one_confirmation_leaves_it_and_the_campaign_ends(office: Office) -> None:
    make_doubt(office)
    assert "It stays as it is." in squeeze(office.confirm("leave"))
    assert Message.objects.filter(state=MessageState.CANCELLED).count() == 3
    assert office.state() == CampaignState.SENT
    assert "the connection broke before the answer came" in office.text("page")


def test_an_answer_to_what_is_settled_says_so(office: Office) -> None:
    make_run(office, state=CampaignState.SENDING, sent=5, queued=1)
    assert "Nobody is waiting for this answer any more." in squeeze(office.confirm("repeat"))


def test_a_viewer_sees_the_doubt_and_does_not_decide() -> None:
    office = Office(role=Role.VIEWER)
    make_doubt(office)
    text = office.text("page")
    assert "3 people may or may not have it" in text
    assert "Send it again…" not in text
    for view in ("repeat", "leave"):
        assert office.post(view, seen="").status_code == 403
    assert Message.objects.filter(state=MessageState.HELD).count() == 3
