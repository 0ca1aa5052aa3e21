"""Why nothing of a running campaign leaves right now, in a sentence."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from campaigns.models import Campaign, CampaignState, Submission, SubmissionState
from campaigns.outbox import breaker, due
from campaigns.outbox.reports import SendReport
from campaigns.outbox.slowing import Slowdown, list_slowed

# Shorter pauses are the rhythm of a campaign that is under way.
_WORTH_SAYING = timedelta(seconds=30)
_NAMED = 5


def explain_wait(campaign: Campaign, submission: Submission | None, report: SendReport, *, now: datetime) -> str:
    """The reason and when it goes on; empty while mail is leaving, and when there is nothing to wait for."""
    if submission is None or campaign.state != CampaignState.SENDING or submission.state != SubmissionState.OPEN:
        return ""
    zone = campaign.account.time_zone
    transport = submission.transport
    if breaker.is_open(transport, now) and transport.broken_until is not None:
        return f"Waiting: {_sentence(transport.broken_because)} Next try {say_when(transport.broken_until, zone, now)}."
    if submission.waits_until is not None and submission.waits_until > now:
        return (
            f"Waiting: {_sentence(submission.waits_because)} It goes on {say_when(submission.waits_until, zone, now)}."
        )
    if report.sending or not report.queued:
        return ""
    following = due.next_due(submission.pk)
    if following is None or following < now + _WORTH_SAYING:
        return ""
    return f"Everybody whose turn it was has had it. The next mail leaves {say_when(following, zone, now)}."


def explain_slowing(campaign: Campaign, submission: Submission | None, report: SendReport, *, now: datetime) -> str:
    """Which destinations get their mail slowly because they asked for it; empty when none does, or nothing waits."""
    if submission is None or campaign.state != CampaignState.SENDING or not report.waiting:
        return ""
    slowed = list_slowed(submission.transport_id, now=now)
    said = [_say_slowdown(domain, entry, campaign.account.time_zone, now) for domain, entry in slowed.items()]
    if not said:
        return ""
    more = f" And {len(said) - _NAMED} more." if len(said) > _NAMED else ""
    return f"Too much mail at once for some: {'; '.join(said[:_NAMED])}.{more} Everybody else gets theirs as ever."


def _say_slowdown(domain: str, slowdown: Slowdown, zone: str, now: datetime) -> str:
    if slowdown.paused_until > now:
        return f"{domain} gets the next {say_when(slowdown.paused_until, zone, now)}"
    return f"{domain} gets {slowdown.rate.per_second * 60:,.0f} a minute"


def say_when(at: datetime, zone: str, now: datetime) -> str:
    """`at 14:05`, `tomorrow at 09:00` or `on 3 March at 09:00`, by a clock people know."""
    there, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    if there.date() == today:
        return f"at {there:%H:%M}"
    if there.date() == today + timedelta(days=1):
        return f"tomorrow at {there:%H:%M}"
    return f"on {there:%-d %B} at {there:%H:%M}"


def _sentence(text: str) -> str:
    said = text.strip() or "It is not the time to send."
    return said if said.endswith((".", "!", "?")) else f"{said}."
