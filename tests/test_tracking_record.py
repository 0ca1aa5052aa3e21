"""What providers tell about mails: once, about their own mails only, and never backwards."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.audiences import suppression
from campaigns.models import (
    Account,
    Event,
    EventKind,
    Message,
    MessageState,
    Purpose,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    SuppressionScope,
    TrackingLevel,
    Transport,
)
from campaigns.outbox.states import STEPS
from campaigns.planning import fanout, sending
from campaigns.tracking.record import Report, record_reports
from tests.factories import make_account, make_campaign, make_contact, make_list

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    # Its readers may be known by what they open.
    return make_account(tracking=TrackingLevel.INDIVIDUAL, tracking_needs_consent=False)


@pytest.fixture
def transport(account: Account) -> Transport:
    return account.transports.get()


def make_messages(account: Account, count: int = 1, *, state: MessageState = MessageState.SENT) -> list[Message]:
    """Messages of one campaign that left, or are in another state."""
    readers = make_list(account)
    for _ in range(count):
        make_contact(account, lists=[readers])
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(submission.pk)
    Message.objects.filter(submission=submission).update(state=state, attempts=1)
    return list(Message.objects.filter(submission=submission).order_by("pk"))


def tell(transport: Transport, *reports: Report) -> bool:
    return record_reports(reports, transport=transport, now=NOW)


def kinds(message: Message) -> list[str]:
    return list(message.events.order_by("pk").values_list("kind", flat=True))


def state_of(message: Message) -> str:
    return Message.objects.get(pk=message.pk).state


def test_a_delivered_mail_is_delivered_at_the_time_told(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    at = NOW - timedelta(seconds=5)
    assert tell(transport, Report(message.public_id, EventKind.DELIVERED, at))
    assert state_of(message) == MessageState.DELIVERED
    assert [(event.kind, event.at) for event in message.events.all()] == [("delivered", at)]


def test_the_same_news_twice_is_one_event(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    news = Report(message.public_id, EventKind.CLICKED, NOW, key="8d2f")
    tell(transport, news, news)
    tell(transport, news)
    assert kinds(message) == ["clicked"]


def test_two_clicks_are_two_events(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, *(Report(message.public_id, EventKind.CLICKED, NOW, key=key) for key in ("1", "2")))
    assert kinds(message) == ["clicked", "clicked"]


def test_a_bounce_gives_its_reason_to_the_message(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6012", is_dead=True))
    message.refresh_from_db()
    assert (message.state, message.error_code) == (MessageState.BOUNCED, "infobip.6012")


def test_a_dead_mailbox_is_never_written_to_again(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6012", is_dead=True))
    (entry,) = Suppression.objects.all()
    assert (entry.account, entry.address_key) == (account, message.address_key)
    assert (entry.scope, entry.reason) == (SuppressionScope.EVERYTHING, SuppressionReason.BOUNCE)


def test_a_full_mailbox_is_written_to_again_next_time(account: Account, transport: Transport) -> None:
    """Permanent is not dead: the mail ends, the person stays."""
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6010"))
    assert state_of(message) == MessageState.BOUNCED
    assert not Suppression.objects.exists()


def test_a_delay_is_told_and_changes_nothing(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.DEFERRED, NOW, "infobip.6007", key="1"))
    assert (state_of(message), kinds(message)) == (MessageState.SENT, ["deferred"])


def test_a_complaint_stops_marketing_and_not_receipts(account: Account, transport: Transport) -> None:
    """FB-02."""
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.COMPLAINED, NOW))
    (entry,) = Suppression.objects.all()
    assert (entry.scope, entry.reason) == (SuppressionScope.MARKETING, SuppressionReason.COMPLAINT)
    assert entry.scope not in suppression.scopes_for(Purpose.TRANSACTIONAL)


def test_several_complaints_about_one_mail_count_once(account: Account, transport: Transport) -> None:
    """FB-03."""
    (message,) = make_messages(account)
    for hour in range(3):
        tell(transport, Report(message.public_id, EventKind.COMPLAINED, NOW - timedelta(hours=hour)))
    assert kinds(message) == ["complained"]


def test_an_unsubscribe_at_the_provider_is_one_with_us(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.UNSUBSCRIBED, NOW))
    (entry,) = Suppression.objects.all()
    assert (entry.scope, entry.reason) == (SuppressionScope.MARKETING, SuppressionReason.UNSUBSCRIBED)
    assert not Subscription.objects.filter(state=SubscriptionState.SUBSCRIBED).exists()


def test_who_left_by_our_link_is_not_counted_again(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    Event.objects.create(message=message, kind=EventKind.UNSUBSCRIBED, at=NOW)
    tell(transport, Report(message.public_id, EventKind.UNSUBSCRIBED, NOW))
    assert kinds(message) == ["unsubscribed"]


def test_news_told_again_do_not_bring_back_a_suppression_somebody_lifted(
    account: Account, transport: Transport
) -> None:
    (message,) = make_messages(account)
    news = Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6012", is_dead=True)
    tell(transport, news)
    suppression.lift(Suppression.objects.get(), note="Asked by phone", by=None)
    tell(transport, news)
    assert not Suppression.objects.exists()


def test_a_stranger_changes_nothing(account: Account) -> None:
    (message,) = make_messages(account)
    theirs = make_account().transports.get()
    assert tell(theirs, Report(message.public_id, EventKind.BOUNCED, NOW, is_dead=True))
    assert (state_of(message), kinds(message), Suppression.objects.count()) == (MessageState.SENT, [], 0)


def test_another_way_out_of_the_same_account_changes_nothing(account: Account) -> None:
    (message,) = make_messages(account)
    other = Transport.objects.create(account=account, name="Other", kind="sandbox")
    assert tell(other, Report(message.public_id, EventKind.DELIVERED, NOW))
    assert state_of(message) == MessageState.SENT


def test_news_about_nobody_are_no_news(transport: Transport) -> None:
    assert tell(transport, Report(uuid.uuid4(), EventKind.DELIVERED, NOW))
    assert not Event.objects.exists()


def test_delivered_told_after_the_bounce_leaves_it_bounced(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6011"))
    tell(transport, Report(message.public_id, EventKind.DELIVERED, NOW - timedelta(minutes=5)))
    message.refresh_from_db()
    assert (message.state, message.error_code) == (MessageState.BOUNCED, "infobip.6011")


def test_a_late_bounce_takes_the_delivery_back(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.DELIVERED, NOW))
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6012"))
    assert state_of(message) == MessageState.BOUNCED


def test_a_mail_refused_at_hand_over_bounces_once(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account, state=MessageState.BOUNCED)
    Event.objects.create(message=message, kind=EventKind.BOUNCED, at=NOW, code="infobip.90")
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6006", is_dead=True))
    assert kinds(message) == ["bounced"]


def test_a_message_on_the_wire_is_told_about_later(account: Account, transport: Transport) -> None:
    """Its hand-over is not recorded yet: the provider is asked to come back."""
    message, other = make_messages(account, 2)
    Message.objects.filter(pk=message.pk).update(state=MessageState.SENDING)
    news = [Report(entry.public_id, EventKind.DELIVERED, NOW) for entry in (message, other)]
    assert not tell(transport, *news)
    assert (state_of(message), state_of(other)) == (MessageState.SENDING, MessageState.DELIVERED)
    Message.objects.filter(pk=message.pk).update(state=MessageState.SENT)
    assert tell(transport, *news)
    assert (state_of(message), kinds(message), kinds(other)) == (MessageState.DELIVERED, ["delivered"], ["delivered"])


@pytest.mark.parametrize("state", [MessageState.QUEUED, MessageState.HELD])
def test_news_of_a_mail_whose_answer_got_lost_settle_the_doubt(
    account: Account, transport: Transport, state: MessageState
) -> None:
    """SM-06: it was accepted after all, so it is not sent again."""
    (message,) = make_messages(account, state=state)
    Message.objects.update(error_code="infobip.outcome-unknown")
    tell(transport, Report(message.public_id, EventKind.DELIVERED, NOW))
    message.refresh_from_db()
    assert (message.state, message.error_code, message.sent_at) == (MessageState.DELIVERED, "", NOW)
    assert sorted(kinds(message)) == ["delivered", "sent"]


def test_a_bounce_of_an_attempt_that_was_deferred_leaves_the_next_attempt_alone(
    account: Account, transport: Transport
) -> None:
    (message,) = make_messages(account, state=MessageState.QUEUED)
    Message.objects.update(error_code="infobip.20")
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.20"))
    assert (state_of(message), kinds(message)) == (MessageState.QUEUED, [])


@pytest.mark.parametrize("code", ["infobip.outcome-unknown", "message.uncertain"])
def test_a_bounce_of_an_attempt_in_doubt_settles_it(account: Account, transport: Transport, code: str) -> None:
    (message,) = make_messages(account, state=MessageState.QUEUED)
    Message.objects.update(error_code=code)
    tell(transport, Report(message.public_id, EventKind.BOUNCED, NOW, "infobip.6012"))
    assert (state_of(message), sorted(kinds(message))) == (MessageState.BOUNCED, ["bounced", "sent"])


def test_a_clock_that_runs_ahead_writes_no_future(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    tell(transport, Report(message.public_id, EventKind.OPENED, NOW + timedelta(days=400)))
    assert message.events.get().at == NOW


def test_a_thousand_reports_take_few_queries(account: Account, transport: Transport) -> None:
    messages = make_messages(account, 1_000)
    with CaptureQueriesContext(connection) as queries:
        tell(transport, *(Report(message.public_id, EventKind.DELIVERED, NOW) for message in messages))
    assert Message.objects.filter(state=MessageState.DELIVERED).count() == 1_000
    assert len(queries) < 25


@hypothesis_settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    order=st.lists(
        st.sampled_from([EventKind.DELIVERED, EventKind.BOUNCED, EventKind.DEFERRED, EventKind.COMPLAINED]), max_size=6
    )
)
def test_news_in_any_order_only_move_forward(order: list[EventKind], account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    state = MessageState.SENT
    for kind in order:
        tell(transport, Report(message.public_id, kind, NOW, key="x" if kind == EventKind.DEFERRED else ""))
        after = MessageState(state_of(message))
        assert after == state or after in STEPS[state]
        state = after
    assert (state == MessageState.BOUNCED) == (EventKind.BOUNCED in order)


@pytest.mark.django_db(transaction=True)
def test_the_same_news_told_twice_at_once_are_one_event(account: Account, transport: Transport) -> None:
    (message,) = make_messages(account)
    news = Report(message.public_id, EventKind.DELIVERED, NOW)

    def run(act: Callable[[], object]) -> None:
        try:
            act()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(lambda: tell(transport, news),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tell(transport, news)
    assert (state_of(message), kinds(message).count("delivered")) == (MessageState.DELIVERED, 1)
