"""Reports that come in act on the very mail they prove to know, once, and on nothing else."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from campaigns import tokens
from campaigns.inbound.correlate import find_keys
from campaigns.inbound.record import Recorded, Result, record_bounce
from campaigns.inbound.reports import read_report
from campaigns.models import (
    Account,
    Campaign,
    CampaignState,
    Event,
    Lane,
    Message,
    MessageState,
    SoftBounce,
    Submission,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)
from campaigns.outbox.refusals import MOST_OWN_FAULTS
from campaigns.planning import fanout, sending
from campaigns.tokens import UnsubscribeClaim
from tests.factories import make_account, make_campaign, make_contact, make_list
from tests.reports import make_complaint, make_dsn, return_path

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)


@pytest.fixture
def account() -> Account:
    return make_account()


def make_messages(account: Account, count: int = 1, *, sent_at: datetime = NOW - timedelta(hours=1)) -> list[Message]:
    """Messages of one campaign that left an hour ago."""
    readers = make_list(account)
    for _ in range(count):
        make_contact(account, lists=[readers])
    submission = sending.send_now(make_campaign(account, lists=[readers]))
    fanout.plan_submission(submission.pk)
    rows = Message.objects.filter(submission=submission)
    rows.update(state=MessageState.SENT, attempts=1, sent_at=sent_at)
    return list(rows.order_by("pk"))


def take(raw: bytes, *, to: str = "", now: datetime = NOW, account: Account | None = None) -> Recorded:
    return record_bounce(raw, envelope_to=to, now=now, account=account)


def state_of(message: Message) -> tuple[str, str]:
    fresh = Message.objects.get(pk=message.pk)
    return fresh.state, fresh.error_code


def suppressions() -> list[tuple[str, str]]:
    return list(Suppression.objects.values_list("scope", "reason"))


GONE = [(SuppressionScope.EVERYTHING, SuppressionReason.BOUNCE)]


# --- Which mail (DS-05, DS-06) ----------------------------------------------------------------------


def test_a_bounce_at_the_return_path_of_a_mail_ends_it_and_its_address(account: Account) -> None:
    """DS-05: VERP."""
    (message,) = make_messages(account)
    recorded = take(make_dsn(message.recipient), to=return_path(message))
    assert (recorded.result, recorded.needs_eyes) == (Result.RECORDED, False)
    assert state_of(message) == (MessageState.BOUNCED, "bounce.no-mailbox")
    assert suppressions() == GONE
    assert Suppression.objects.get().address_key == message.address_key


@pytest.mark.parametrize("separator", ["", "=", "-"])
def test_a_return_path_may_be_mangled_on_the_way(account: Account, separator: str) -> None:
    """VE-01: another case, another separator."""
    (message,) = make_messages(account)
    mangled = return_path(message).upper().replace("+", separator)
    assert take(make_dsn(message.recipient), to=mangled).result == Result.RECORDED


@pytest.mark.parametrize("header", ["Delivered-To", "X-Original-To", "Envelope-To"])
def test_a_mailbox_knows_the_return_path_from_the_headers(account: Account, header: str) -> None:
    """DS-05."""
    (message,) = make_messages(account)
    raw = f"{header}: {return_path(message)}\r\n".encode() + make_dsn(message.recipient)
    assert take(raw).result == Result.RECORDED


def test_a_notice_that_names_nobody_is_about_whose_return_path_it_came_to(account: Account) -> None:
    """DS-05: 65 of 602 bounces show neither an id nor a recipient."""
    (message,) = make_messages(account)
    raw = b"From: MAILER-DAEMON@x.example\r\nSubject: failure notice\r\n\r\nYour mail could not be delivered: mailbox is full\r\n"
    assert take(raw, to=return_path(message)).result == Result.RECORDED
    assert state_of(message) == (MessageState.BOUNCED, "bounce.mailbox-full")


def test_an_envelope_id_of_ours_counts_with_the_very_recipient(account: Account) -> None:
    """DS-05: ENVID."""
    (message,) = make_messages(account)
    raw = make_dsn(message.recipient, envelope_id=message.public_id.hex)
    assert take(raw).result == Result.RECORDED
    assert suppressions() == GONE


def test_a_message_id_of_ours_counts_with_the_very_recipient(account: Account) -> None:
    """DS-05."""
    (message,) = make_messages(account)
    raw = make_dsn(message.recipient, original=f"Message-ID: <{message.public_id.hex}@mail.example.org>\r\n")
    assert take(raw).result == Result.RECORDED


@pytest.mark.parametrize("by", ["envelope-id", "message-id"])
def test_an_id_of_ours_with_another_recipient_does_nothing(account: Account, by: str) -> None:
    """DS-06, evil input 25."""
    message, other = make_messages(account, 2)
    ident = message.public_id.hex
    original = f"Message-ID: <{ident}@x.example>\r\n" if by == "message-id" else "Subject: x\r\n"
    raw = make_dsn(other.recipient, envelope_id=ident if by == "envelope-id" else "", original=original)
    assert take(raw).result == Result.UNKNOWN
    assert (state_of(message)[0], state_of(other)[0]) == (MessageState.SENT, MessageState.SENT)


def test_our_unsubscribe_link_in_the_returned_mail_names_it(account: Account) -> None:
    """DS-05, FB-01: feedback loops redact the reader, and leave our headers."""
    (message,) = make_messages(account)
    claim = UnsubscribeClaim(account.pk, message.submission_id, message.address_key)
    link = f"List-Unsubscribe: <https://x.example/u/{tokens.unsubscribe_token(claim)}>\r\n"
    assert take(make_dsn("redacted@example.com", original=link)).result == Result.RECORDED


@pytest.mark.parametrize("at", [0, 20, 39])
def test_a_forged_token_does_nothing(account: Account, at: int, caplog: pytest.LogCaptureFixture) -> None:
    """DS-06, evil input 25."""
    (message,) = make_messages(account)
    token = tokens.bounce_token(message.public_id)
    forged = token[:at] + ("b" if token[at] == "a" else "a") + token[at + 1 :]
    with caplog.at_level(logging.DEBUG):
        recorded = take(make_dsn(message.recipient), to=f"bounces+{forged}@mail.example.org")
    assert recorded.result == Result.UNKNOWN
    assert state_of(message)[0] == MessageState.SENT
    assert suppressions() == []
    assert message.recipient not in caplog.text


def test_a_bounce_that_only_names_an_address_does_nothing(account: Account) -> None:
    """DS-06: anybody can write one."""
    (message,) = make_messages(account)
    assert take(make_dsn(message.recipient)).result == Result.UNKNOWN
    assert suppressions() == []


def test_a_token_of_one_mail_does_not_suppress_somebody_else(account: Account) -> None:
    """Evil input 25: also what a forwarded mail that does not arrive looks like."""
    message, other = make_messages(account, 2)
    assert take(make_dsn(other.recipient), to=return_path(message)).result == Result.RECORDED
    assert state_of(message)[0] == MessageState.BOUNCED
    assert state_of(other)[0] == MessageState.SENT
    assert suppressions() == []
    assert SoftBounce.objects.get().address_key == message.address_key


def test_the_mailbox_of_another_account_finds_nothing(account: Account) -> None:
    """Evil input 24."""
    (message,) = make_messages(account)
    raw = make_dsn(message.recipient, to=return_path(message))
    assert take(raw, account=make_account()).result == Result.UNKNOWN
    assert take(raw, account=account).result == Result.RECORDED


# --- How often and how late -------------------------------------------------------------------------


def test_the_same_bounce_again_is_nothing_new(account: Account) -> None:
    """Evil input 24."""
    (message,) = make_messages(account)
    raw = make_dsn(message.recipient, status="5.2.2", diagnostic="552 5.2.2 Mailbox full")
    results = [take(raw, to=return_path(message)).result for _ in range(3)]
    assert results == [Result.RECORDED, Result.NOTHING, Result.NOTHING]
    assert (message.events.count(), SoftBounce.objects.get().count) == (1, 1)


def test_a_bounce_after_a_delivery_still_counts(account: Account) -> None:
    (message,) = make_messages(account)
    Message.objects.update(state=MessageState.DELIVERED)
    take(make_dsn(message.recipient), to=return_path(message))
    assert state_of(message)[0] == MessageState.BOUNCED


def test_a_bounce_of_last_year_is_ignored(account: Account) -> None:
    """Evil input 24."""
    (message,) = make_messages(account, sent_at=NOW - timedelta(days=365))
    assert take(make_dsn(message.recipient), to=return_path(message)).result == Result.NOTHING
    assert suppressions() == []


def test_a_mail_that_is_being_handed_over_asks_to_come_back(account: Account) -> None:
    (message,) = make_messages(account)
    Message.objects.update(state=MessageState.SENDING)
    assert take(make_dsn(message.recipient), to=return_path(message)).result == Result.LATER
    Message.objects.update(state=MessageState.SENT)
    assert take(make_dsn(message.recipient), to=return_path(message)).result == Result.RECORDED


def test_a_suppression_that_was_lifted_is_not_made_again_by_a_replay(account: Account) -> None:
    """Evil input 24."""
    (message,) = make_messages(account)
    raw = make_dsn(message.recipient)
    take(raw, to=return_path(message))
    Suppression.objects.all().delete()
    take(raw, to=return_path(message))
    assert suppressions() == []


# --- What it means ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "diagnostic", "code"),
    [
        ("5.7.1", "550 5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.example.org", "bounce.blocked"),
        ("5.7.26", "550 5.7.26 This mail is unauthenticated", "bounce.authentication"),
        ("5.3.4", "552 5.3.4 Message size exceeds fixed maximum message size", "bounce.too-large"),
    ],
)
def test_what_is_not_the_readers_doing_suppresses_nobody(
    account: Account, status: str, diagnostic: str, code: str
) -> None:
    """MP-08: sender problems are never the recipient's."""
    (message,) = make_messages(account)
    take(make_dsn(message.recipient, status=status, diagnostic=diagnostic), to=return_path(message))
    assert state_of(message) == (MessageState.BOUNCED, code)
    assert (suppressions(), SoftBounce.objects.count()) == ([], 0)


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
def test_only_a_failure_ends_a_mail(account: Account, action: str) -> None:
    """DS-02: whatever the status says."""
    (message,) = make_messages(account)
    take(make_dsn(message.recipient, action=action), to=return_path(message))
    expected = MessageState.DELIVERED if action == "delivered" else MessageState.SENT
    assert state_of(message)[0] == expected
    assert suppressions() == []
    assert list(message.events.values_list("kind", flat=True)) == {
        "delayed": ["deferred"],
        "delivered": ["delivered"],
    }.get(action, [])


def test_mail_that_expired_on_its_way_is_a_soft_bounce(account: Account) -> None:
    """DS-03: failed, with a transient status."""
    (message,) = make_messages(account)
    raw = make_dsn(message.recipient, status="4.1.1", diagnostic="450 4.1.1 User unknown in local recipient table")
    take(raw, to=return_path(message))
    assert state_of(message)[0] == MessageState.BOUNCED
    assert (suppressions(), SoftBounce.objects.count()) == ([], 1)


def test_an_automatic_answer_does_nothing(account: Account) -> None:
    """DS-07."""
    (message,) = make_messages(account)
    raw = b"From: ann@example.com\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nMailbox does not exist\r\n"
    recorded = take(raw, to=return_path(message))
    assert (recorded.result, recorded.needs_eyes) == (Result.NOTHING, False)
    assert (state_of(message)[0], message.events.count()) == (MessageState.SENT, 0)


def test_an_answer_of_a_person_is_left_for_people(account: Account) -> None:
    (message,) = make_messages(account)
    recorded = take(b"From: ann@example.com\r\nSubject: Re: News\r\n\r\nThank you!\r\n", to=return_path(message))
    assert (recorded.result, recorded.needs_eyes) == (Result.NOTHING, True)


def test_of_an_account_under_hipaa_only_the_status_code_counts(account: Account) -> None:
    """The words of a bounce can hold what the mail was about."""
    first, second = make_messages(account, 2)
    Submission.objects.update(lane=Lane.HIPAA)
    take(make_dsn(first.recipient, status="5.0.0", diagnostic="550 no such user"), to=return_path(first))
    take(make_dsn(second.recipient, status="5.1.1", diagnostic="552 mailbox full"), to=return_path(second))
    assert state_of(first) == (MessageState.BOUNCED, "bounce.undefined")
    assert state_of(second) == (MessageState.BOUNCED, "bounce.no-mailbox")


def test_many_refusals_for_our_own_set_up_stop_the_campaign(account: Account) -> None:
    """MP-08."""
    messages = make_messages(account, MOST_OWN_FAULTS)
    for message in messages[:-1]:
        take(make_dsn(message.recipient, status="5.7.26", diagnostic="550 5.7.26 no"), to=return_path(message))
    assert Campaign.objects.get().state == CampaignState.SENDING
    take(make_dsn(messages[-1].recipient, status="5.7.26", diagnostic="550 5.7.26 no"), to=return_path(messages[-1]))
    campaign = Campaign.objects.get()
    assert campaign.state == CampaignState.PAUSED
    assert campaign.stopped_because.startswith("SPF, DKIM or DMARC of the sender's domain failed.")


# --- Complaints (FB-01 to FB-04) --------------------------------------------------------------------


@pytest.mark.parametrize("feedback_type", ["abuse", "fraud"])
def test_a_complaint_ends_marketing_at_once(account: Account, feedback_type: str) -> None:
    """FB-01, FB-02: the reader is redacted, and our return path in the returned mail says who it was."""
    (message,) = make_messages(account)
    assert take(make_complaint(message, feedback_type=feedback_type)).result == Result.RECORDED
    assert suppressions() == [(SuppressionScope.MARKETING, SuppressionReason.COMPLAINT)]
    assert list(message.events.values_list("kind", flat=True)) == ["complained"]


def test_an_opt_out_report_unsubscribes(account: Account) -> None:
    """FB-02."""
    (message,) = make_messages(account)
    take(make_complaint(message, feedback_type="opt-out"))
    assert suppressions() == [(SuppressionScope.MARKETING, SuppressionReason.UNSUBSCRIBED)]
    assert Subscription.objects.get().state == SubscriptionState.UNSUBSCRIBED


@pytest.mark.parametrize("feedback_type", ["not-spam", "auth-failure", "dmarc", "virus", "x-unheard-of"])
def test_reports_about_nobodys_wish_change_nothing(account: Account, feedback_type: str) -> None:
    """FB-02."""
    (message,) = make_messages(account)
    assert take(make_complaint(message, feedback_type=feedback_type)).result == Result.NOTHING
    assert (suppressions(), message.events.count()) == ([], 0)


@pytest.mark.parametrize(("feedback_type", "looks"), [("auth-failure", 1), ("not-spam", 0)])
def test_a_failed_authentication_is_about_the_domain(
    account: Account,
    feedback_type: str,
    looks: int,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """FB-02: domain health."""
    (message,) = make_messages(account)
    with django_capture_on_commit_callbacks() as bells:
        take(make_complaint(message, feedback_type=feedback_type))
    assert len(bells) == looks


def test_several_complaints_about_one_mail_are_one(account: Account) -> None:
    """FB-03."""
    (message,) = make_messages(account)
    results = [take(make_complaint(message, headers=f"X-Number: {number}\r\n")).result for number in range(3)]
    assert results == [Result.RECORDED, Result.NOTHING, Result.NOTHING]
    assert message.events.count() == 1


def test_a_complaint_without_a_report_part_counts_with_an_id_and_the_reader(account: Account) -> None:
    """FB-04: Outlook's form."""
    (message,) = make_messages(account)
    raw = (
        "From: staff@hotmail.example\r\nSubject: complaint about message from 192.0.2.1\r\n"
        'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n'
        f"X-HmXmrOriginalRecipient: {message.recipient}\r\nMessage-ID: <{message.public_id.hex}@x.example>\r\n"
        "From: news@example.org\r\n\r\nHello\r\n--b--\r\n"
    ).encode()
    assert take(raw).result == Result.RECORDED
    assert suppressions() == [(SuppressionScope.MARKETING, SuppressionReason.COMPLAINT)]


def test_a_complaint_that_returns_nothing_names_the_mail_by_its_return_path(account: Account) -> None:
    """FB-01, RFC 5965 §3.2: Original-Mail-From is ours, with our token in it."""
    (message,) = make_messages(account)
    raw = make_complaint(message).partition(b"--b1\r\nContent-Type: message/rfc822")[0]
    mail_from = f"Original-Mail-From: <{return_path(message)}>\r\nVersion: 1\r\n".encode()
    assert take(raw).result == Result.UNKNOWN
    assert take(raw.replace(b"Version: 1\r\n", mail_from)).result == Result.RECORDED
    assert suppressions() == [(SuppressionScope.MARKETING, SuppressionReason.COMPLAINT)]


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("From: 1@reports.spamcop.net\nSubject: [SpamCop (192.0.2.1) id:1]News", "[ Offending message ]\n{returned}"),
        ("From: a@isp.example\nSubject: Spam\nX-XARF: PLAIN\nContent-Type: message/rfc822", "{returned}"),
        ("From: feedbackloop@isp.example\nSubject: News\nContent-Type: message/rfc822", "{returned}"),
        ("From: staff@hotmail.com\nSubject: News\nX-HmXmrOriginalRecipient: {reader}\nReturn-Path: <{path}>", "Hello"),
    ],
)
def test_complaints_of_other_forms_are_complaints(account: Account, head: str, body: str) -> None:
    """FB-04."""
    (message,) = make_messages(account)
    returned = f"Return-Path: <{return_path(message)}>\nReceived: x\nMessage-ID: <1@x.example>\nFrom: news@example.org\n\nHello\n"
    text = f"{head}\n\n{body}".format(returned=returned, reader=message.recipient, path=return_path(message))
    assert take(text.encode()).result == Result.RECORDED
    assert suppressions() == [(SuppressionScope.MARKETING, SuppressionReason.COMPLAINT)]


def test_a_complaint_about_nobodys_mail_does_nothing(account: Account) -> None:
    """DS-06."""
    (message,) = make_messages(account)
    raw = make_complaint(message, reader=message.recipient).replace(
        tokens.bounce_token(message.public_id).encode(), b"x"
    )
    assert take(raw).result == Result.UNKNOWN
    assert suppressions() == []


def test_nothing_personal_is_logged(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    (message,) = make_messages(account)
    with caplog.at_level(logging.DEBUG):
        take(make_dsn(message.recipient), to=return_path(message))
        take(make_complaint(message, feedback_type="other", reader=message.recipient))
        take(b"From: eve@example.net\r\n\r\nhello", to="someone@example.org")
    assert "@" not in caplog.text
    assert Event.objects.count() == 1


def test_values_of_reports_show_nothing(account: Account) -> None:
    (message,) = make_messages(account)
    report = read_report(make_dsn(message.recipient, to=return_path(message)))
    shown = [report, *report.failures, report.headers, *find_keys(report, envelope_to=message.recipient)]
    assert "@" not in repr(shown)
