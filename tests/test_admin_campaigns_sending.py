"""Sending a campaign from the screens: asking first, once, and watching it go."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import CampaignState, Message, MessageState, Submission
from tests.factories import (
    make_contact,
)
from tests.office import VIEWS, Office, make_run, squeeze

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return Office()


# --- Sending --------------------------------------------------------------------------------------


def test_the_confirm_page_names_the_number_of_people(office: Office) -> None:
    assert "Send to 3 people" in office.text("send")


def test_asking_changes_nothing(office: Office) -> None:
    for view in VIEWS:
        office.get(view)
    assert office.state() == CampaignState.DRAFT
    assert not Submission.objects.exists()


def test_confirming_sends(office: Office) -> None:
    assert "on its way to 3 people" in squeeze(office.confirm("send"))
    assert Submission.objects.filter(campaign=office.campaign).count() == 1


def test_a_double_submit_sends_once(office: Office) -> None:
    found = re.search(r'name="seen" value="([^"]*)"', office.get("send").content.decode())
    assert found
    office.post("send", seen=found[1])
    again = office.post("send", seen=found[1])
    assert "Nothing to do" in squeeze(again)
    assert Submission.objects.filter(campaign=office.campaign).count() == 1


def test_a_confirmation_of_other_people_is_asked_again(office: Office) -> None:
    found = re.search(r'name="seen" value="([^"]*)"', office.get("send").content.decode())
    assert found
    make_contact(office.account, lists=[office.news])
    page = office.post("send", seen=found[1])
    assert page.status_code == 409
    assert "Something changed since you looked" in squeeze(page)
    assert "Send to 4 people" in squeeze(page)
    assert office.state() == CampaignState.DRAFT


def test_a_post_without_having_looked_is_asked_first(office: Office) -> None:
    assert "Send to 3 people" in squeeze(office.post("send"))
    assert office.state() == CampaignState.DRAFT


def test_a_forged_form_of_another_site_is_refused(office: Office) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(office.user)
    for view in ("send", "schedule", "pause", "resume", "cancel", "test", "edit"):
        assert strict.post(office.url(view), {"seen": ""}).status_code == 403
    assert office.state() == CampaignState.DRAFT


def test_a_time_is_shown_here_and_in_utc_before_it_is_confirmed(office: Office) -> None:
    text = squeeze(office.post("schedule", at="2037-01-15T09:30"))
    assert "Thursday, 15 January 2037, 09:30" in text
    assert "Thursday, 15 January 2037, 07:30" in text
    assert "Schedule for 3 people" in text
    assert office.state() == CampaignState.DRAFT


def test_a_confirmed_time_is_kept(office: Office) -> None:
    office.confirm("schedule", at="2037-01-15T09:30")
    office.campaign.refresh_from_db()
    assert office.campaign.state == CampaignState.SCHEDULED
    assert office.campaign.send_at is not None
    assert office.campaign.send_at.isoformat() == "2037-01-15T07:30:00+00:00"
    assert "Goes out on Thursday, 15 January 2037, 09:30" in office.text("page")


def test_a_time_the_clocks_skip_is_explained_before_it_is_confirmed_evil_20(office: Office) -> None:
    text = squeeze(office.post("schedule", at="2037-03-29T03:30"))
    assert "does not exist on this day" in text
    assert "04:30" in text


@pytest.mark.parametrize(
    "at", ["", "soon", "2037-13-45T99:00", "0001-01-01T00:00", "9999-12-31T23:59", "2020-01-01T10:00"]
)
def test_a_wrong_or_past_time_is_explained(office: Office, at: str) -> None:
    page = office.post("schedule", at=at)
    assert page.status_code == 200
    assert "Date and time" in squeeze(page)
    assert office.state() == CampaignState.DRAFT


def test_a_scheduled_campaign_can_be_moved_sent_or_cancelled(office: Office) -> None:
    office.confirm("schedule", at="2037-01-15T09:30")
    office.confirm("schedule", at="2037-01-16T09:30")
    office.campaign.refresh_from_db()
    assert office.campaign.send_at is not None
    assert office.campaign.send_at.day == 16
    assert "Cancel for 3 people" in office.text("cancel")
    office.confirm("cancel")
    assert office.state() == CampaignState.CANCELLED


def test_a_scheduled_campaign_can_become_a_draft_again(office: Office) -> None:
    office.confirm("schedule", at="2037-01-15T09:30")
    office.confirm("unschedule")
    assert office.state() == CampaignState.DRAFT
    office.campaign.refresh_from_db()
    assert office.campaign.send_at is None


def test_pause_resume_and_cancel_name_those_who_wait(office: Office) -> None:
    make_run(office, state=CampaignState.SENDING, sent=2, queued=5)
    assert "Pause for 5 people" in office.text("pause")
    office.confirm("pause")
    assert office.state() == CampaignState.PAUSED
    assert "Paused: 2 of 7 people have it, 5 wait" in office.text("page")
    assert "Send to 5 people" in office.text("resume")
    assert "Cancel for 5 people" in office.text("cancel")
    office.confirm("cancel")
    assert office.state() == CampaignState.CANCELLED
    assert Message.objects.filter(state=MessageState.CANCELLED).count() == 5


def test_a_step_that_does_not_fit_the_state_does_nothing(office: Office) -> None:
    for view in ("pause", "resume", "cancel"):
        assert "Nothing to do: this campaign is draft" in squeeze(office.post(view, seen=""))
    assert office.state() == CampaignState.DRAFT


# --- Progress and report --------------------------------------------------------------------------


def test_progress_says_how_far_how_fast_and_how_long(office: Office) -> None:
    make_run(office, state=CampaignState.SENDING, sent=6, refused=1, queued=3)
    now = timezone.now().timestamp()
    page = office.client.get(office.url("progress"), {"settled": "3", "at": str(now - 2)})
    text = squeeze(page)
    assert "6 of 10 people" in text
    assert "2 mails a second" in text or "mails a minute" in text
    assert "less than a minute left" in text
    assert "no-store" in page.headers["Cache-Control"]


@pytest.mark.parametrize(
    "query", ["?settled=x&at=y", "?settled=9&at=nan", "?settled=1&at=inf", "?settled=-5&at=-1e308", "?at=99999999999"]
)
def test_an_odd_question_for_progress_is_answered(office: Office, query: str) -> None:
    make_run(office, state=CampaignState.SENDING, sent=1, queued=1)
    assert office.client.get(office.url("progress") + query).status_code == 200


def test_progress_of_a_draft_is_answered(office: Office) -> None:
    assert office.get("progress").status_code == 200


def test_the_report_tells_reasons_in_words_with_counts(office: Office) -> None:
    make_run(office, sent=4, refused=2, failed=1)
    page = office.text("page")
    assert "Unsubscribed from the list before the mail left 2" in page
    assert "The address does not exist 1" in page
    assert "recipient.list-unsubscribed" not in office.get("page").content.decode()


def test_the_sandbox_mailbox_is_one_link_away(office: Office) -> None:
    make_run(office, sent=1)
    assert reverse("admin:campaigns_sandboxmail_changelist") in office.get("page").content.decode()
