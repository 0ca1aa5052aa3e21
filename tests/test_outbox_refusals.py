"""What a refusal at hand-over asks of us beside the one mail it refuses: the actions of standards.md §2.2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns.delivery.base import Outcome, Receipt
from campaigns.models import (
    Account,
    BaaStatus,
    Campaign,
    CampaignState,
    ContactList,
    Message,
    MessageState,
    SlowDomain,
    SoftBounce,
    Submission,
    Suppression,
    SuppressionReason,
    SuppressionScope,
    Transport,
)
from campaigns.outbox import slowing, throttle
from campaigns.outbox.claim import Claimed
from campaigns.outbox.dispatch import dispatch_slice
from campaigns.outbox.refusals import MOST_OWN_FAULTS, read_refusal
from campaigns.outbox.transports import seal_config
from campaigns.planning import fanout, sending
from campaigns.replies.meaning import Reason
from tests.factories import make_account, make_campaign, make_contact, make_list, make_user
from tests.smtp_server import RCPT_REPLIES, ScriptedServer

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
# (what the recipient's server says, what becomes of the mail, what is done about the address)
TABLE = {
    "hard": ("550 5.1.1 No such user here", MessageState.BOUNCED, "suppressed"),
    "hard-by-words": ("550 Requested action not taken: user unknown", MessageState.BOUNCED, "suppressed"),
    "full": ("552 5.2.2 Mailbox full", MessageState.BOUNCED, "counted"),
    "full-for-now": ("452 4.2.2 Mailbox full", MessageState.QUEUED, ""),
    "block": ("554 5.7.1 Message rejected as spam by content filtering", MessageState.BOUNCED, ""),
    "blocklist": ("550 5.7.1 Service unavailable; client host blocked using zen.spamhaus.org", MessageState.BOUNCED, ""),
    "sender": ("550 5.7.26 This mail has been blocked because the sender is unauthenticated", MessageState.BOUNCED, ""),
    "throttle": ("421-4.7.28 Our system has detected an unusual rate of mail", MessageState.QUEUED, ""),
    "content": ("552 5.3.4 Message size exceeds fixed limit", MessageState.BOUNCED, ""),
    "greylisted": ("451 4.7.1 Greylisting in action, please come back later", MessageState.QUEUED, ""),
    "never-heard": ("550 Computer says no", MessageState.BOUNCED, "counted"),
}  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A mail server that answers RCPT as the table says, by the local part."""
    for name, (reply, *_) in TABLE.items():
        monkeypatch.setitem(RCPT_REPLIES, name, reply.replace("421-", "450 "))
    server = ScriptedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def account(server: ScriptedServer) -> Account:
    account = make_account()
    account.transports.all().delete()
    relay = Transport(account=account, name="Relay", kind="smtp", is_default=True)
    config = {"host": "127.0.0.1", "port": server.port, "tls": "none", "connections": 1}
    relay.config_sealed = seal_config(relay, config=config)
    relay.save()
    return account


@pytest.fixture
def readers(account: Account) -> ContactList:
    return make_list(account)


def send(campaign: Campaign) -> Submission:
    submission = sending.send_now(campaign)
    fanout.plan_submission(submission.pk)
    dispatch_slice(submission.pk)
    return submission


def test_each_class_of_refusal_is_acted_on_as_the_table_says(account: Account, readers: ContactList) -> None:
    """§2.2, DS-03: the words decide where the code is silent, and nothing that may pass suppresses anybody."""
    for name in TABLE:
        make_contact(account, f"{name}@{name}.example", lists=[readers])
    send(make_campaign(account, lists=[readers]))
    rows = {row.recipient.partition("@")[0]: row for row in Message.objects.all()}
    suppressed = set(Suppression.objects.values_list("address_key", flat=True))
    counted = set(SoftBounce.objects.values_list("address_key", flat=True))
    found = {
        name: (
            row.state,
            "suppressed" if row.address_key in suppressed else "counted" if row.address_key in counted else "",
        )
        for name, row in rows.items()
    }
    assert found == {name: (state, action) for name, (_, state, action) in TABLE.items()}
    assert set(Suppression.objects.values_list("scope", "reason")) == {
        (SuppressionScope.EVERYTHING, SuppressionReason.BOUNCE)
    }
    assert list(SlowDomain.objects.values_list("domain", flat=True)) == ["throttle.example"]


def test_refusals_for_our_own_set_up_stop_the_campaign(account: Account, readers: ContactList) -> None:
    for number in range(MOST_OWN_FAULTS):
        make_contact(account, f"sender+{number}@example.org", lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    send(campaign)
    campaign.refresh_from_db()
    assert campaign.state == CampaignState.PAUSED
    assert "SPF, DKIM or DMARC" in campaign.stopped_because


def test_of_mail_under_hipaa_only_the_code_counts() -> None:
    """The words of a server about a patient's mailbox are not even taken for their meaning."""
    receipt = Receipt(1, Outcome.REJECTED, "smtp.550", Reason.NO_MAILBOX)
    message = Claimed(1, None, None, "a@example.org", "example.org", "key", 1, None, None)  # type: ignore[arg-type]
    ordinary = Submission(account=Account(), pk=1)
    read = {
        status: read_refusal(receipt, message=message, submission=Submission(account=Account(baa_status=status)),
                             state=MessageState.BOUNCED)
        for status in (BaaStatus.NONE, BaaStatus.ACTIVE)
    }  # fmt: skip
    assert [entry.reason for entry in read.values() if entry] == [Reason.NO_MAILBOX, Reason.UNDEFINED]
    nothing = replace(receipt, reason=None)
    assert read_refusal(nothing, message=message, submission=ordinary, state=MessageState.BOUNCED) is None


# --- Destinations that ask for less ----------------------------------------------------------------------------------


def test_a_destination_that_asks_for_less_gets_the_rest_later_and_others_get_theirs(
    account: Account, readers: ContactList, server: ScriptedServer, client: Client
) -> None:
    """§2.2 throttle: the campaign says why."""
    make_contact(account, "throttle@busy.example", lists=[readers])
    campaign = make_campaign(account, lists=[readers])
    submission = send(campaign)
    for name in ("a@busy.example", "b@busy.example", "c@free.example"):
        contact = make_contact(account, name, lists=[readers])
        Message.objects.create(
            submission=submission, recipient=name, recipient_domain=contact.domain, address_key=contact.address_key,
            contact=contact, next_attempt_at=timezone.now(),
        )  # fmt: skip
    Message.objects.filter(state=MessageState.QUEUED, recipient="throttle@busy.example").delete()
    dispatch_slice(submission.pk, limit=2)
    assert [to for to, _ in server.mails] == ["c@free.example"]
    waiting = Message.objects.filter(recipient_domain="busy.example", attempts=0, state=MessageState.QUEUED)
    moments = sorted(waiting.values_list("next_attempt_at", flat=True))
    slow = SlowDomain.objects.get()
    assert slow.paused_until < moments[0] < moments[1] <= slow.paused_until + timedelta(seconds=3)
    client.force_login(make_user(account))
    page = client.get(f"/admin/campaigns/campaign/{campaign.public_id}/progress/").content.decode()
    assert "Too much mail at once for some: busy.example gets the next at" in page


def slow(transport: Transport, *, at: datetime) -> SlowDomain:
    slowing.slow_down(transport.pk, ["busy.example"], now=at)
    return SlowDomain.objects.get()


def test_more_warnings_halve_the_rate_and_double_the_pause(account: Account) -> None:
    relay = account.transports.get()
    first = slow(relay, at=NOW)
    assert (first.per_second, first.paused_until) == (slowing.FIRST_RATE, NOW + slowing.FIRST_PAUSE)
    # What was on its way at the first warning is no second one.
    assert slow(relay, at=NOW + timedelta(seconds=10)).per_second == slowing.FIRST_RATE
    later = NOW + timedelta(seconds=70)
    second = slow(relay, at=later)
    assert (second.per_second, second.paused_until) == (slowing.FIRST_RATE / 2, later + 2 * slowing.FIRST_PAUSE)
    for number in range(2, 30):
        last = slow(relay, at=later + timedelta(minutes=number))
    assert last.per_second == slowing.SLOWEST
    assert last.paused_until - last.since == slowing.LONGEST_PAUSE


def test_without_warnings_the_rate_doubles_until_nobody_would_notice_it(account: Account) -> None:
    row = slow(account.transports.get(), at=NOW)
    rates = [slowing.rate_at(row, now=row.paused_until + timedelta(minutes=5 * step)) for step in range(6)]
    assert rates == [1, 2, 4, 8, 16, None]
    assert slowing.list_slowed(row.transport_id, now=row.paused_until + timedelta(minutes=25)) == {}
    slowing.forget_recovered(now=NOW + timedelta(days=1))
    assert not SlowDomain.objects.exists()


def test_every_worker_keeps_to_the_same_slow_rate(account: Account) -> None:
    row = slow(account.transports.get(), at=NOW)
    after = row.paused_until + timedelta(seconds=1)
    workers: list[Any] = [
        throttle.Limits(shared={}, cap=None, by_domain={}, slowdowns=slowing.Slowdowns(row.transport_id)) for _ in "ab"
    ]
    moments = [worker.later(["busy.example", "free.example"], now=after) for worker in workers]
    assert moments == [[None, None], [after + timedelta(seconds=1), None]]
