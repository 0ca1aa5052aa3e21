"""A campaign that waits for a limit or an hour goes on when somebody changes it, whichever page that is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import Account, Domain, Submission, Transport
from campaigns.outbox import due
from tests.office import Office, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def waiting(office: Office) -> Submission:
    submission = make_run(office, state="sending", queued=2)
    due.postpone_submission(submission.pk, until=timezone.now() + timedelta(hours=5), because="Limit.")
    return submission


def is_waiting(submission: Submission) -> bool:
    submission.refresh_from_db()
    return submission.waits_until is not None


def test_the_end_of_a_warm_up_wakes_what_waits_for_tomorrow(office: Office, waiting: Submission) -> None:
    domain = Domain.objects.get(account=office.account)
    given = {"return_path": "", "max_per_second": "", "warmup_started_on": ""}
    office.client.post(f"/admin/campaigns/domain/{domain.public_id}/change/", given)
    assert not is_waiting(waiting)


def test_another_speed_of_a_way_to_send_wakes_what_waits_for_it(office: Office, waiting: Submission) -> None:
    way = office.account.transports.get()
    office.client.post(f"/admin/campaigns/transport/{way.public_id}/change/", {"name": way.name, "max_per_second": "9"})
    assert not is_waiting(waiting)


def test_another_clock_of_the_account_wakes_what_waits_for_its_hours(office: Office, waiting: Submission) -> None:
    account = office.account
    given = {
        "name": account.name, "postal_address": account.postal_address, "time_zone": "Asia/Tokyo", "language": "en",
        "max_per_second": "", "stop_at_bounce_percent": "5", "stop_at_complaint_percent": "0.3",
        "soft_bounces_to_stop": "5", "soft_bounce_days": "15",
        "domain_limits-TOTAL_FORMS": 0, "domain_limits-INITIAL_FORMS": 0,
    }  # fmt: skip
    office.client.post(f"/admin/campaigns/account/{account.public_id}/change/", given)
    assert Account.objects.get(pk=account.pk).time_zone == "Asia/Tokyo"
    assert not is_waiting(waiting)


def test_a_strangers_pages_wake_nobody_of_ours(waiting: Submission) -> None:
    stranger = Office()
    way = stranger.account.transports.get()
    stranger.client.post(f"/admin/campaigns/transport/{way.public_id}/change/", {"name": way.name})
    assert is_waiting(waiting)


def test_the_form_of_a_way_to_send_leaves_alone_what_workers_note_meanwhile(office: Office) -> None:
    way = office.account.transports.get()
    with CaptureQueriesContext(connection) as asked:
        office.client.post(f"/admin/campaigns/transport/{way.public_id}/change/", {"name": "Renamed"})
    changes = [query["sql"] for query in asked if query["sql"].startswith('UPDATE "campaigns_transport"')]
    assert Transport.objects.get(pk=way.pk).name == "Renamed"
    assert changes
    assert not any("broken_until" in sql or "is_default" in sql for sql in changes)
