"""What became of a campaign, counted from the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.models import Count, Sum

from campaigns.models import Campaign, Event, EventKind, Message, MessageState, Submission, SubmissionState
from campaigns.outbox import counts, states


@dataclass(frozen=True, slots=True)
class SendReport:
    """Messages by state. `planned` = `settled` + `waiting` + `lost`; `lost` is 0 unless something is very wrong.

    `reasons` maps the code of each refusal, failure, bounce and deferral to its number of messages.
    """

    planned: int = 0
    queued: int = 0
    held: int = 0
    sending: int = 0
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    refused: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0
    unsubscribed: int = 0
    complained: int = 0
    replied: int = 0
    lost: int = 0
    finished: bool = False
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        return self.queued + self.held + self.sending

    @property
    def settled(self) -> int:
        return self.sent + self.delivered + self.bounced + self.refused + self.failed + self.cancelled + self.expired

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def campaign_report(campaign: Campaign) -> SendReport:
    """The report of a campaign; all zeros before it is sent."""
    return report_submissions(list(campaign.submissions.values_list("pk", flat=True)))


def live_report(campaign: Campaign) -> SendReport:
    """The report for a page that is looked at while things happen: quick for a million recipients too.

    Of a large submission what waits is what has not ended, however far it is.
    """
    rows = list(campaign.submissions.all())
    if not any(counts.is_counted(row) for row in rows):
        return report_submissions([row.pk for row in rows])
    ids = [row.pk for row in rows]
    by_state: Counter[str] = Counter()
    for found in counts.read_counts(ids).values():
        by_state.update(found)
    planned = sum(row.planned for row in rows)
    held = Message.objects.filter(submission_id__in=ids, state=MessageState.HELD).count()
    by_state[MessageState.HELD] = held
    by_state[MessageState.QUEUED] = max(planned - by_state.total(), 0)
    goodbyes = _count_people(ids)
    failures = Message.objects.filter(submission_id__in=ids).exclude(error_code="").values_list("error_code")
    return SendReport(
        planned=planned,
        finished=all(row.state in {SubmissionState.DONE, SubmissionState.CANCELLED} for row in rows),
        unsubscribed=goodbyes[EventKind.UNSUBSCRIBED],
        complained=goodbyes[EventKind.COMPLAINED],
        replied=goodbyes[EventKind.REPLIED],
        reasons=dict(failures.annotate(Count("pk")).order_by("error_code")),
        **{state.value: by_state[state] for state in MessageState},
    )


def _count_people(ids: Sequence[int]) -> Counter[str]:
    """How many people left, called a mail spam, and answered, by the mails of these submissions: by kind of event."""
    kinds = [EventKind.UNSUBSCRIBED, EventKind.COMPLAINED, EventKind.REPLIED]
    rows = Event.objects.filter(message__submission_id__in=ids, kind__in=kinds).order_by()
    return Counter(dict(rows.values_list("kind").annotate(Count("message", distinct=True))))


def report_submissions(ids: Sequence[int]) -> SendReport:
    """The report of some submissions together, in three grouped queries."""
    by_state: dict[str, int] = {}
    reasons: dict[str, int] = {}
    grouped = Message.objects.filter(submission_id__in=ids).values_list("state", "error_code").annotate(Count("pk"))
    for state, code, count in grouped:
        by_state[state] = by_state.get(state, 0) + count
        if code:
            reasons[code] = reasons.get(code, 0) + count
    submissions = Submission.objects.filter(pk__in=ids)
    planned = submissions.aggregate(total=Sum("planned"))["total"] or 0
    open_now = submissions.exclude(state__in=[SubmissionState.DONE, SubmissionState.CANCELLED]).exists()
    # A submission that calls itself finished has lost whoever still waits in it.
    accounted = states.SETTLED if not open_now else frozenset(MessageState)
    lost = planned - sum(by_state.get(state, 0) for state in accounted)
    goodbyes = _count_people(ids)
    return SendReport(
        planned=planned,
        lost=lost,
        finished=bool(ids) and not open_now,
        unsubscribed=goodbyes[EventKind.UNSUBSCRIBED],
        complained=goodbyes[EventKind.COMPLAINED],
        replied=goodbyes[EventKind.REPLIED],
        reasons=dict(sorted(reasons.items())),
        **{state.value: by_state.get(state, 0) for state in MessageState},
    )
