"""How the messages of large submissions ended, counted where it is written: a page must not read a million rows.

Small submissions are counted from the ledger, and so are large ones once they are finished; the two agree.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping

from django.db import connection, transaction
from django.db.models import Count, Sum

from campaigns.models import Message, MessageState, StateCount, Submission
from campaigns.outbox import states

# Below it the ledger answers in some twenty milliseconds.
LARGE = 50_000
_STRIPES = 8

# One upsert for both databases. Each process has a row of its own, so that workers do not wait for each other.
_ROW = "(%s, %s, %s, %s)"
_ADD = """
INSERT INTO campaigns_statecount (submission_id, state, stripe, count) VALUES {rows}
ON CONFLICT (submission_id, state, stripe) DO UPDATE SET count = campaigns_statecount.count + excluded.count
"""


def is_counted(submission: Submission) -> bool:
    """Whether its messages are counted where they end."""
    return submission.planned >= LARGE


def add_counts(submission_id: int, changes: Mapping[str, int]) -> None:
    """So many messages of a counted submission came into these states, or left them. Needs the transaction of the steps."""
    rows = sorted((state, count) for state, count in changes.items() if count and state in states.SETTLED)
    if not rows:
        return
    values: list[int | str] = []
    for state, count in rows:
        values += [submission_id, str(state), os.getpid() % _STRIPES, count]
    with connection.cursor() as cursor:
        cursor.execute(_ADD.format(rows=", ".join([_ROW] * len(rows))), values)


def note_steps(before: Mapping[int, str], *, target: MessageState) -> None:
    """Messages, by primary key with the state they were in, came into another one; counted where that is done."""
    rows = Message.objects.filter(pk__in=before, submission__planned__gte=LARGE).values_list("pk", "submission_id")
    changes: dict[int, Counter[str]] = {}
    for pk, submission_id in rows:
        counter = changes.setdefault(submission_id, Counter())
        counter[target.value] += 1
        counter[before[pk]] -= 1
    for submission_id, counter in sorted(changes.items()):
        add_counts(submission_id, counter)


def read_counts(submission_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Messages by the state they ended in, of counted submissions."""
    rows = StateCount.objects.filter(submission__in=submission_ids).values_list("submission_id", "state")
    found: dict[int, dict[str, int]] = {pk: {} for pk in submission_ids}
    for submission_id, state, count in rows.annotate(total=Sum("count")):
        found[submission_id][state] = count
    return found


def recount(submission_ids: Collection[int]) -> None:
    """Set the counts of counted submissions to what the ledger says: after steps that were not counted one by one."""
    for submission_id in Submission.objects.filter(pk__in=submission_ids, planned__gte=LARGE).values_list(
        "pk", flat=True
    ):
        with transaction.atomic():
            # What is being counted right now is finished first, or adds to what is set here.
            list(StateCount.objects.select_for_update().filter(submission=submission_id).order_by("pk"))
            rows = Message.objects.filter(submission=submission_id, state__in=states.SETTLED).values_list("state")
            counts = dict(rows.annotate(Count("pk")))
            StateCount.objects.filter(submission=submission_id).delete()
            add_counts(submission_id, counts)
