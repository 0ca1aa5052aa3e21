"""What happened with one person, on their page: every mail, list and suppression, and what stopped mail to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from campaigns.audiences import suppression
from campaigns.audiences.consent import subscribe
from campaigns.models import Account, Contact, Door, Event, EventKind, Message, Purpose, Submission, Suppression
from campaigns.tracking import person_story
from campaigns.tracking.person_story import Kind, tell_person
from tests.factories import make_account, make_contact, make_list, make_user

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
    with django_assert_max_num_queries(7):
        assert len(tell_person(person).lines) == person_story.PAGE


def test_a_stranger_reads_nobody_s_story(client: Client, person: Contact) -> None:
    client.force_login(make_user(make_account()))
    assert client.get(f"/admin/campaigns/contact/{person.public_id}/story/").status_code == 404
