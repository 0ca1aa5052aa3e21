"""What happened with one person, on their page: every mail, list and suppression, and what stopped mail to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from campaigns.audiences import suppression
from campaigns.audiences.consent import subscribe
from campaigns.inbound import kept_reports
from campaigns.inbound.record import record_bounce
from campaigns.models import (
    Account,
    BaaStatus,
    Contact,
    Door,
    Event,
    EventKind,
    KeptReport,
    Message,
    MessageState,
    Purpose,
    Submission,
    Suppression,
)
from campaigns.tracking import person_story
from campaigns.tracking.person_story import Kind, tell_person
from tests.factories import make_account, make_contact, make_list, make_user
from tests.reports import make_dsn, return_path

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture
def account(db: None) -> Account:
    return make_account()


@pytest.fixture
def person(account: Account) -> Contact:
    return make_contact(account, "ada@example.com")


def add_mail(person: Contact, *events: tuple[EventKind, datetime, str]) -> Message:
    submission = Submission.objects.create(
        account=person.account, door=Door.NOTICE, purpose=Purpose.TRANSACTIONAL,
        transport=person.account.transports.get(), send_at=NOW, valid_until=NOW,
    )  # fmt: skip
    message = Message.objects.create(
        submission=submission, contact=person, recipient=person.email, recipient_domain=person.domain,
        address_key=person.address_key, next_attempt_at=NOW,
    )  # fmt: skip
    Event.objects.bulk_create(Event(message=message, kind=kind, at=at, code=code) for kind, at, code in events)
    return message


def test_the_page_says_what_happened_and_why_mail_stopped(client: Client, account: Account, person: Contact) -> None:
    """§2.2: the bounce behind the suppression is marked, its meaning in plain words."""
    subscribe(person, list=make_list(account, name="News"), now=NOW, source="spring.csv")
    add_mail(person, (EventKind.SENT, NOW, ""), (EventKind.OPENED, NOW + timedelta(hours=1), ""))
    add_mail(person, (EventKind.BOUNCED, NOW + timedelta(days=1), "bounce.no-mailbox"))
    suppression.suppress(account, address_key=person.address_key, scope="everything", reason="bounce")
    Suppression.objects.update(created_at=NOW + timedelta(days=1, seconds=1))
    suppression.lift(Suppression.objects.get(), note="New mailbox, same name", by=None)
    client.force_login(make_user(account))
    page = client.get(f"/admin/campaigns/contact/{person.public_id}/story/").content.decode()
    for words in ("Opened", "This mailbox does not exist", "This is why mail stopped", "spring.csv", "No mail at all from now on",
                  "May be written to again", "New mailbox, same name"):  # fmt: skip
        assert words in page
    assert page.count("This is why mail stopped") == 1


def test_pages_follow_each_other_without_a_gap_or_a_repeat(
    account: Account, person: Contact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person_story, "PAGE", 4)
    for number in range(5):
        # Two of each moment: they stay together.
        add_mail(person, *[(EventKind.SENT, NOW + timedelta(days=number), "")] * 2)
    seen, before = [], None
    while True:
        page = tell_person(person, before=before)
        seen += page.lines
        if page.before is None:
            break
        before = page.before
    assert len(seen) == 11
    assert [line.at for line in seen] == sorted((line.at for line in seen), reverse=True)
    assert sum(line.kind == Kind.ADDED for line in seen) == 1


def test_a_long_story_asks_no_more_than_a_short_one(
    person: Contact, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        at = NOW + timedelta(hours=number)
        add_mail(person, (EventKind.SENT, at, ""), (EventKind.CLICKED, at + timedelta(minutes=1), ""))
    with django_assert_max_num_queries(8):
        assert len(tell_person(person).lines) == person_story.PAGE


# --- What came back, word for word -----------------------------------------------------------------------------------


def bounce(person: Contact) -> Message:
    """A mail to the person that left and came back, by the clock: keys end by it."""
    now = timezone.now()
    message = add_mail(person)
    Message.objects.filter(pk=message.pk).update(state=MessageState.SENT, sent_at=now - timedelta(hours=1))
    raw = make_dsn(person.email).replace(b"Subject:", b"X-Evil: <script>alert(1)</script>\r\nSubject:", 1)
    record_bounce(raw, envelope_to=return_path(message), now=now)
    return message


def test_a_report_can_be_read_as_text_and_shows_no_mail_it_returns(client: Client, person: Contact) -> None:
    bounce(person)
    client.force_login(make_user(person.account))
    report = KeptReport.objects.get()
    url = f"/admin/campaigns/contact/{person.public_id}/story/{report.public_id}/"
    assert url in client.get(f"/admin/campaigns/contact/{person.public_id}/story/").content.decode()
    page = client.get(url).content.decode()
    assert "5.1.1" in page
    assert "<script>alert" not in page
    assert b"5.1.1" not in bytes(report.raw_sealed)
    stranger = Client()
    stranger.force_login(make_user(make_account()))
    assert stranger.get(url).status_code == 404
    other = make_contact(person.account)
    assert client.get(f"/admin/campaigns/contact/{other.public_id}/story/{report.public_id}/").status_code == 404


def test_reports_go_after_their_days_and_none_is_kept_where_nobody_wants_them(person: Contact, settings: Any) -> None:
    bounce(person)
    assert kept_reports.forget_old(now=timezone.now() + timedelta(days=13)) == 0
    assert kept_reports.forget_old(now=timezone.now() + timedelta(days=15)) == 1
    settings.REPORTS_KEPT_DAYS = 0
    bounce(person)
    assert not KeptReport.objects.exists()


def test_of_accounts_under_hipaa_no_report_is_kept(person: Contact) -> None:
    """hipaa.md R1: only the status code counts."""
    Account.objects.update(baa_status=BaaStatus.ACTIVE)
    assert bounce(person).events.get().kind == EventKind.BOUNCED
    assert not KeptReport.objects.exists()


def test_a_stranger_reads_nobody_s_story(client: Client, person: Contact) -> None:
    client.force_login(make_user(make_account()))
    assert client.get(f"/admin/campaigns/contact/{person.public_id}/story/").status_code == 404
