"""Many campaigns at a glance: figures for a list, in two queries for the whole page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count

from campaigns.models import Message, MessageState, Submission, SubmissionState
from campaigns.outbox import counts, states

_ARRIVED = {MessageState.SENT, MessageState.DELIVERED}
# The figures of a finished submission hardly move; a running one is looked at again soon.
_FINISHED_SECONDS = 600
_RUNNING_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Overview:
    """`planned` people = `sent` + `waiting` + `not_sent` once planning is complete."""

    planned: int
    sent: int
    waiting: int
    not_sent: int


def overview_campaigns(campaign_ids: Sequence[int]) -> dict[int, Overview]:
    """The figures of those campaigns that have been sent or are being sent, by primary key."""
    submissions = Submission.objects.filter(campaign_id__in=campaign_ids).values_list(
        "pk", "campaign_id", "planned", "state"
    )
    rows = list(submissions)
    known: dict[str, Overview] = cache.get_many([_cache_key(pk, state) for pk, _, _, state in rows])
    counted = _count_states({pk: planned for pk, _, planned, state in rows if _cache_key(pk, state) not in known})
    found: dict[int, Overview] = {}
    for pk, campaign_id, planned, state in rows:
        key = _cache_key(pk, state)
        if key not in known:
            known[key] = _sum_up(counted.get(pk, {}), planned=planned)
            done = state in {SubmissionState.DONE, SubmissionState.CANCELLED}
            cache.set(key, known[key], _FINISHED_SECONDS if done else _RUNNING_SECONDS)
        if campaign_id is not None:
            found[campaign_id] = known[key]
    return found


def _count_states(planned: Mapping[int, int]) -> dict[int, dict[str, int]]:
    """Messages by state for each of these submissions, given how many were planned."""
    large = [pk for pk, count in planned.items() if count >= counts.LARGE]
    found = counts.read_counts(large)
    for pk, settled in found.items():
        settled[MessageState.QUEUED] = max(planned[pk] - sum(settled.values()), 0)
    grouped = Message.objects.filter(submission_id__in=planned.keys() - set(large)).values_list(
        "submission_id", "state"
    )
    for pk, state, count in grouped.annotate(Count("pk")):
        found.setdefault(pk, {})[state] = count
    return found


def _sum_up(by_state: dict[str, int], *, planned: int) -> Overview:
    sent = sum(by_state.get(state, 0) for state in _ARRIVED)
    waiting = sum(by_state.get(state, 0) for state in states.WAITING)
    return Overview(planned=planned, sent=sent, waiting=waiting, not_sent=sum(by_state.values()) - sent - waiting)


def _cache_key(submission_id: int, state: str) -> str:
    return f"overview:{submission_id}:{state}"
