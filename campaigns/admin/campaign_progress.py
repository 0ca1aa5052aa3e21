"""How far a campaign is: figures for the bar, the pace, and one sentence for those who listen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from campaigns.admin.campaign_figures import Figure, read_figures
from campaigns.admin.campaign_waiting import explain_slowing, explain_wait
from campaigns.admin.campaign_words import Reason, explain_reasons, people
from campaigns.models import Campaign, CampaignState, Submission, SubmissionState
from campaigns.outbox.reports import SendReport, live_report

_BAR = 1000
_SAMPLE_SECONDS = 3600
_OFTEN, _SELDOM = 1_500, 15_000


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of the stacked bar, in thousandths; `tone` is a chart colour of the theme."""

    label: str
    count: int
    tone: str
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class Progress:
    """What the progress card shows; `settled` and `at` come back with the next question, for the pace."""

    report: SendReport
    segments: tuple[Segment, ...]
    percent: int
    headline: str
    pace: str
    spoken: str
    state: str
    settled: int
    at: float
    reasons: tuple[Reason, ...]
    figures: tuple[Figure, ...] = ()
    waiting: str = ""
    slowed: str = ""
    # Milliseconds until the next look, 0 for none: readers open and click long after the last mail has left.
    every: int = 0

    @property
    def is_live(self) -> bool:
        return self.state == CampaignState.SENDING


@dataclass(frozen=True, slots=True)
class Sample:
    """An earlier look: how many were settled, and when (seconds since 1970)."""

    settled: int
    at: float


def read_sample(settled: str, at: str, *, now: datetime) -> Sample | None:
    """The sample in a query string; None when it is not one of the last hour."""
    try:
        sample = Sample(int(settled), float(at))
    except ValueError:
        return None
    # Written so that NaN fails too.
    return sample if 0 <= now.timestamp() - sample.at <= _SAMPLE_SECONDS and sample.settled >= 0 else None


def measure_progress(campaign: Campaign, *, now: datetime, earlier: Sample | None = None) -> Progress:
    """The progress of a campaign that has a submission; the pace is measured from the earlier look or from its start."""
    report = live_report(campaign)
    submission = campaign.submissions.select_related("account", "sender__domain", "transport").order_by("pk").first()
    percent = report.settled * 100 // report.planned if report.planned else 0
    waiting = explain_wait(campaign, submission, report, now=now)
    moves = campaign.state == CampaignState.SENDING and not waiting
    return Progress(
        report=report,
        segments=_stack(report),
        percent=percent,
        headline=_headline(campaign, report, submission),
        pace=_pace(report, submission, earlier=earlier, now=now) if moves else "",
        # Spoken in steps of ten, so that a screen reader is not drowned in numbers.
        spoken=f"{CampaignState(campaign.state).label}, {percent // 10 * 10} percent done",
        state=campaign.state,
        settled=report.settled,
        at=now.timestamp(),
        reasons=tuple(explain_reasons(report.reasons)),
        figures=read_figures(campaign, submission, report=report),
        waiting=waiting,
        slowed=explain_slowing(campaign, submission, report, now=now),
        every=_every(submission, now=now),
    )


def _every(submission: Submission | None, *, now: datetime) -> int:
    if submission is None:
        return 0
    quiet = now - (submission.finished_at or now)
    return _OFTEN if quiet < timedelta(days=1) else _SELDOM if quiet < timedelta(days=30) else 0


def _stack(report: SendReport) -> tuple[Segment, ...]:
    parts = (
        ("Sent", report.sent + report.delivered, "c1"),
        ("Refused", report.refused, "c2"),
        ("Not delivered", report.bounced + report.failed + report.expired, "c4"),
        ("Waiting", report.waiting, "c3"),
        ("Cancelled", report.cancelled, "c3"),
    )
    total = sum(count for _, count, _ in parts) or 1
    segments, start = [], 0.0
    for label, count, tone in parts:
        width = count * _BAR / total
        segments.append(Segment(label, count, tone, round(start, 2), round(width, 2)))
        start += width
    return tuple(segments)


def _headline(campaign: Campaign, report: SendReport, submission: Submission | None) -> str:
    if submission is None:
        return "Cancelled before anything was sent"
    if submission.state == SubmissionState.PLANNING and campaign.state == CampaignState.SENDING:
        return f"Preparing the mails: {people(report.planned)} so far"
    arrived = report.sent + report.delivered
    if campaign.state == CampaignState.PAUSED:
        return f"Paused: {arrived:,} of {people(report.planned)} have it, {report.waiting:,} wait"
    if campaign.state == CampaignState.CANCELLED:
        return f"Cancelled: {arrived:,} of {people(report.planned)} got it before"
    said = f"{arrived:,} of {people(report.planned)}"
    return f"Sent to {said}" if campaign.state == CampaignState.SENT else said


def _pace(report: SendReport, submission: Submission | None, *, earlier: Sample | None, now: datetime) -> str:
    if submission is None or not report.waiting:
        return ""
    since = earlier or Sample(0, max(submission.created_at, submission.send_at).timestamp())
    seconds = now.timestamp() - since.at
    done = report.settled - since.settled
    if seconds < 1 or done <= 0:
        return ""
    rate = done / seconds
    return f"{_say_rate(rate)}, {_say_left(timedelta(seconds=report.waiting / rate))}"


def _say_rate(rate: float) -> str:
    return f"{rate:,.0f} mails a second" if rate >= 2 else f"{rate * 60:,.0f} mails a minute"


def _say_left(left: timedelta) -> str:
    seconds = int(left.total_seconds())
    if seconds < 60:
        return "less than a minute left"
    minutes = -(-seconds // 60)
    if minutes < 120:
        return f"about {minutes} {'minute' if minutes == 1 else 'minutes'} left"
    return f"about {-(-minutes // 60)} hours left"
