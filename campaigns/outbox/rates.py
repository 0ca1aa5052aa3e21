"""Stopping a campaign whose mail bounces or is called spam too often, before mailbox providers judge its domain (MP-05).

After a person resumed it, only mail that has left since counts: old numbers do not stop it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.models import Door, Event, EventKind, Message, MessageState, Submission, SubmissionState, WebhookKind
from campaigns.outbox import control
from campaigns.webhooks import notices

# Fewer say nothing: the first addresses of a list are often its oldest.
ENOUGH_SETTLED = 100
# Three complaints in a thousand are the limit of the largest provider; in fewer mails one or two would be chance.
ENOUGH_READERS = 1_000
# Complaints come late, and about a domain rather than about one campaign; what is older says little about today.
PERIOD = timedelta(days=7)
WARN_AT_COMPLAINT_PERCENT = 0.1
# Programs are warned before the limit of the account stops a campaign: at 3 % where that is 5 %.
WARN_AT_SHARE_OF_LIMIT = 0.6

_ARRIVED = [MessageState.SENT, MessageState.DELIVERED]


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many; `of` is 0 when there are too few to tell."""

    count: int = 0
    of: int = 0

    @property
    def percent(self) -> float:
        return 100 * self.count / self.of if self.of else 0.0


def check_rates(submission: Submission, *, now: datetime) -> bool:
    """Pause a running campaign (loaded with its account and sender) above its account's limits; whether it was."""
    because = _too_many_bounces(submission, now=now) or _too_many_complaints(submission, now=now)
    if because:
        control.stop_submission(submission, because=because)
    return bool(because)


def check_running(*, now: datetime) -> int:
    """Look at all running campaigns; returns how many were paused."""
    running = Submission.objects.filter(
        door=Door.CAMPAIGN, state__in=[SubmissionState.OPEN, SubmissionState.PLANNING]
    ).select_related("account", "sender__domain")
    return sum(check_rates(submission, now=now) for submission in running)


def warn_of_complaints(submission: Submission, *, now: datetime) -> str:
    """A sentence for the people of a campaign when complaints begin to matter, else empty (MP-05)."""
    share = complaint_share(submission, percent=WARN_AT_COMPLAINT_PERCENT, now=now)
    if share.percent < WARN_AT_COMPLAINT_PERCENT:
        return ""
    return (
        f"{_say_complaints(submission, share)} Above {WARN_AT_COMPLAINT_PERCENT:g} % mailboxes begin to sort mail out."
    )


def bounce_share(submission: Submission, *, percent: float) -> Share:
    """Mails of a submission that did not arrive, of those that ended; none while they cannot be above percent."""
    messages = Message.objects.filter(submission=submission)
    if submission.resumed_at is not None:
        messages = messages.filter(done_at__gt=submission.resumed_at)
    bounced = messages.filter(state=MessageState.BOUNCED).count()
    # The one cheap count answers nearly always.
    if bounced * 100 < percent * ENOUGH_SETTLED:
        return Share()
    settled = bounced + messages.filter(state__in=_ARRIVED).count()
    return Share(bounced, settled) if settled >= ENOUGH_SETTLED else Share()


def complaint_share(submission: Submission, *, percent: float, now: datetime) -> Share:
    """Readers who called mail of the sender's domain spam, of all it was sent to lately; none as long as too few."""
    if submission.sender is None:
        return Share()
    since = max(now - PERIOD, submission.resumed_at or now - PERIOD)
    mails = {"submission__sender__domain": submission.sender.domain_id, "sent_at__gt": since}
    complaints = Event.objects.filter(
        kind=EventKind.COMPLAINED, at__gt=since, **{f"message__{key}": value for key, value in mails.items()}
    )
    complained = complaints.values("message").distinct().count()
    if not complained or complained * 100 < percent * ENOUGH_READERS:
        return Share()
    readers = Message.objects.filter(state__in=_ARRIVED, **mails).count()
    return Share(complained, readers) if readers >= ENOUGH_READERS else Share()


def _too_many_bounces(submission: Submission, *, now: datetime) -> str:
    limit = submission.account.stop_at_bounce_percent
    share = bounce_share(submission, percent=limit * WARN_AT_SHARE_OF_LIMIT)
    if share.percent > limit * WARN_AT_SHARE_OF_LIMIT:
        _tell_rate(submission, share, limit=limit, now=now)
    if share.percent <= limit:
        return ""
    return (
        f"{share.percent:.1f} % of {share.of:,} mails came back; this account stops at {limit:g} %."
        " Look at where these addresses come from before you resume."
    )


def _tell_rate(submission: Submission, share: Share, *, limit: float, now: datetime) -> None:
    if submission.sender is None:
        return
    is_blocked = share.percent > limit
    notices.note_bounce_rate(
        submission.account_id,
        kind=WebhookKind.BOUNCE_RATE_BLOCKED if is_blocked else WebhookKind.BOUNCE_RATE_WARNING,
        submission_id=submission.pk,
        domain=submission.sender.domain.name,
        threshold=limit if is_blocked else limit * WARN_AT_SHARE_OF_LIMIT,
        rate=share.percent,
        now=now,
    )


def _too_many_complaints(submission: Submission, *, now: datetime) -> str:
    limit = submission.account.stop_at_complaint_percent
    share = complaint_share(submission, percent=limit, now=now)
    # At the limit, not above it: a domain must never get there.
    if not share.of or share.percent < limit:
        return ""
    return f"{_say_complaints(submission, share)} This account stops at {limit:g} %."


def _say_complaints(submission: Submission, share: Share) -> str:
    assert submission.sender is not None
    domain = submission.sender.domain.name
    return f"{share.percent:.2f} % of {share.of:,} readers of mail from {domain} called it spam lately."
