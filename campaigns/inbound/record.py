"""A bounce or complaint that came to us, written into the ledger once: the one way in for doors and mailboxes.

Nothing here believes a report: only an unforgeable token of ours, or an id of ours together with the very recipient, says
which mail it is about, and everything else is counted and forgotten (DS-06).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db import transaction

from campaigns import addresses, tokens
from campaigns.audiences import soft_bounces
from campaigns.domains.upkeep import ask_for_look
from campaigns.errors import AddressError
from campaigns.inbound import correlate, kept_reports, notices
from campaigns.inbound.bounces import Failure, Outcome
from campaigns.inbound.correlate import Key
from campaigns.inbound.reports import Kind, Report, read_report
from campaigns.models import Account, BaaStatus, Event, EventKind, Lane, Message, MessageState
from campaigns.outbox import control, delivery_news
from campaigns.outbox.refusals import MOST_OWN_FAULTS
from campaigns.replies.classify import Verdict, classify_reply
from campaigns.replies.meaning import Class, Reason
from campaigns.tokens import UnsubscribeClaim
from campaigns.tracking import record as tracking
from campaigns.tracking.unsubscribe import unsubscribe

log = logging.getLogger(__name__)

# Tokens are valid for ever; news are not (evil input 24).
TOO_OLD = timedelta(days=90)
AREA = "bounce"
_COMPLAINTS = {"abuse": EventKind.COMPLAINED, "fraud": EventKind.COMPLAINED, "opt-out": EventKind.UNSUBSCRIBED}
_SOFT = {Class.SOFT, Class.UNKNOWN}


class Result(StrEnum):
    RECORDED = "recorded"  # an event was written
    NOTHING = "nothing"  # about a mail of ours, and nothing new or nothing to do
    UNKNOWN = "unknown"  # about no mail of ours, as far as anybody can prove
    LATER = "later"  # the mail is being handed over at this moment: give it again in some minutes


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a report. `needs_eyes`: nobody could tell what it says, and a person may want to look."""

    result: Result
    kind: Kind
    reason: Reason | None = None
    needs_eyes: bool = False


def record_bounce(
    raw: bytes, *, envelope_to: str, now: datetime, account: Account | None = None, mail_from: str | None = None
) -> Recorded:
    """Take in a mail that may be a bounce, a complaint or an automatic answer; never raises for what is in it.

    `envelope_to` is the recipient of its envelope, empty when unknown; `mail_from` its sender, None when unknown. With an
    account only its mails are found. Safe to call again with the same mail. What was recorded is kept sealed for some days; of mail under HIPAA nothing is.
    """
    report = read_report(raw, mail_from=mail_from)
    found = _find_message(report, envelope_to=envelope_to, account=account)
    if found is None:
        log.info("A report of kind %s is about no mail of ours.", report.kind)
        return Recorded(Result.UNKNOWN, report.kind, needs_eyes=report.kind == Kind.OTHER)
    message, matches = found
    if report.kind == Kind.OTHER and correlate.asks_to_leave(report, envelope_to=envelope_to):
        return _leave(message, now=now)
    if now - (message.sent_at or message.submission.created_at) > TOO_OLD:
        return Recorded(Result.NOTHING, report.kind)
    recorded = _record(report, message, matches=matches, now=now)
    if recorded.result == Result.RECORDED and not _is_under_hipaa(message):
        kept_reports.keep_report(raw, message=message, kind=str(report.kind), now=now)
    return recorded


# --- Which mail -------------------------------------------------------------------------------------


def _find_message(report: Report, *, envelope_to: str, account: Account | None) -> tuple[Message, bool] | None:
    """The message a report proves to know, and whether it names the message's own recipient."""
    told = correlate.told_addresses(report)
    returned = [*told, report.original.get("to"), report.original.get("x-original-to")]
    for key in correlate.find_keys(report, envelope_to=envelope_to):
        message = _look_up(key, account=account)
        if message is None:
            continue
        matches = not told or _is_for(message, told)
        if key.proves or _is_for(message, returned):
            return message, matches
    return None


def _look_up(key: Key, *, account: Account | None) -> Message | None:
    rows = Message.objects.select_related("submission__account", "submission__transport")
    if key.claim is not None:
        rows = rows.filter(
            submission=key.claim.submission_id,
            submission__account=key.claim.account_id,
            address_key=key.claim.address_key,
        )
    elif key.message_id is not None:
        rows = rows.filter(public_id=key.message_id)
    else:
        return None
    return (rows if account is None else rows.filter(submission__account=account)).first()


def _is_for(message: Message, told: list[str]) -> bool:
    account = message.submission.account.public_id
    for text in told:
        for address in notices.find_addresses(text):
            try:
                parsed = addresses.parse(address)
            except AddressError:
                continue
            if tokens.address_key(parsed, account=account) == message.address_key:
                return True
    return False


def _choose_failure(report: Report, message: Message) -> Failure | None:
    """What the report says about this message's recipient: of several the named one, else the worst."""
    ours = [failure for failure in report.failures if _is_for(message, [*failure.addresses, failure.address])]
    ranked = sorted(ours or report.failures, key=lambda failure: failure.outcome != Outcome.FAILED)
    return ranked[0] if ranked else None


def _record(report: Report, message: Message, *, matches: bool, now: datetime) -> Recorded:
    if report.kind == Kind.COMPLAINT:
        return _record_complaint(report, message, now=now)
    failure = _choose_failure(report, message)
    if failure is None:
        return Recorded(Result.NOTHING, report.kind, needs_eyes=report.kind in {Kind.OTHER, Kind.BOUNCE})
    return _record_failure(failure, report, message, matches=matches, now=now)


# --- What it means ----------------------------------------------------------------------------------


def _record_complaint(report: Report, message: Message, *, now: datetime) -> Recorded:
    kind = _COMPLAINTS.get(report.feedback_type)
    if kind is None:
        # `not-spam`, `auth-failure`, and types nobody has registered yet: about nobody's wish (FB-02).
        domain = message.submission.sending_domain
        if report.feedback_type == "auth-failure" and domain is not None:
            ask_for_look(domain)
        log.info(
            "A feedback report of type %s was taken.", report.feedback_type if report.feedback_type.isalpha() else "?"
        )
        return Recorded(Result.NOTHING, report.kind)
    return Recorded(_tell([tracking.Report(message.public_id, kind)], message, now=now), report.kind)


def _leave(message: Message, *, now: datetime) -> Recorded:
    """The reader of this mail wants no more of what it was sent to, however old it is (UN-07, UN-10)."""
    claim = UnsubscribeClaim(message.submission.account_id, message.submission_id, message.address_key)
    unsubscribe(tokens.unsubscribe_token(claim), all_marketing=False, now=now)
    return Recorded(Result.RECORDED, Kind.COMPLAINT)


def _record_failure(failure: Failure, report: Report, message: Message, *, matches: bool, now: datetime) -> Recorded:
    verdict = _verdict_for(message, failure)
    code = f"{AREA}.{verdict.reason}"
    if failure.outcome == Outcome.FAILED:
        # Dead is who was named; of somebody else this mail was passed on to, our reader knows nothing.
        is_dead = verdict.bounce_class == Class.HARD and matches
        news = tracking.Report(message.public_id, EventKind.BOUNCED, code=code, is_dead=is_dead)
        result = _tell([news], message, now=now, is_soft=verdict.bounce_class in _SOFT or (not is_dead and not matches))
        if result == Result.RECORDED and verdict.bounce_class == Class.SENDER:
            _stop_for_own_faults(message, verdict)
        return Recorded(result, report.kind, verdict.reason, needs_eyes=verdict.bounce_class == Class.UNKNOWN)
    if failure.outcome == Outcome.DELAYED:
        news = tracking.Report(message.public_id, EventKind.DEFERRED, code=code, key=f"dsn {failure.status}")
        return Recorded(_tell([news], message, now=now), report.kind, verdict.reason)
    if failure.outcome == Outcome.DELIVERED:
        return Recorded(_tell([tracking.Report(message.public_id, EventKind.DELIVERED)], message, now=now), report.kind)
    # Relayed and expanded: it went on to where nobody reports from (RFC 3461 §6.1).
    return Recorded(Result.NOTHING, report.kind)


def _verdict_for(message: Message, failure: Failure) -> Verdict:
    """Of mail under HIPAA only the status code counts; not even the words' meaning is kept."""
    return classify_reply(0, failure.status, "") if _is_under_hipaa(message) else failure.verdict


def _is_under_hipaa(message: Message) -> bool:
    submission = message.submission
    return submission.lane == Lane.HIPAA or submission.account.baa_status != BaaStatus.NONE


def _tell(news: list[tracking.Report], message: Message, *, now: datetime, is_soft: bool = False) -> Result:
    """Write news down; whether they were new."""
    transport = message.submission.transport
    with transaction.atomic():
        # The message's row is the lock: the same bounce twice at once counts once.
        _, is_free = delivery_news.lock_messages([message.public_id], transport_id=transport.pk)
        if not is_free:
            return Result.LATER
        ids = [report.news_id for report in news]
        before = Event.objects.filter(news_id__in=ids).count()
        tracking.record_reports(news, transport=transport, now=now)
        if Event.objects.filter(news_id__in=ids).count() == before:
            return Result.NOTHING
        if is_soft:
            soft_bounces.note_soft_bounce(message.submission.account, address_key=message.address_key, now=now)
    return Result.RECORDED


def _stop_for_own_faults(message: Message, verdict: Verdict) -> None:
    """Stop the campaign when many of its mails are refused for the same fault of ours; it would only get worse."""
    same = Message.objects.filter(
        submission=message.submission_id, state=MessageState.BOUNCED, error_code=f"{AREA}.{verdict.reason}"
    )
    resumed_at = message.submission.resumed_at
    if resumed_at is not None:
        # A person has seen to it: only mail that has left since counts.
        same = same.filter(sent_at__gt=resumed_at)
    if same[:MOST_OWN_FAULTS].count() >= MOST_OWN_FAULTS:
        control.stop_submission(message.submission, because=f"{verdict.text} {MOST_OWN_FAULTS} mails came back for it.")
