"""Writing down what happened, in batches: one UPDATE and one INSERT per outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from campaigns.models import EventKind, Message, MessageState
from campaigns.outbox import states


@dataclass(frozen=True, slots=True)
class Result:
    """The new state of one claimed message; `retry_at` is set when it goes back to `queued`."""

    id: int
    state: MessageState
    code: str = ""
    retry_at: datetime | None = None


_EVENT_OF = {
    MessageState.SENT: EventKind.SENT,
    MessageState.QUEUED: EventKind.DEFERRED,
    MessageState.BOUNCED: EventKind.BOUNCED,
    MessageState.REFUSED: EventKind.REFUSED,
    MessageState.FAILED: EventKind.FAILED,
    MessageState.EXPIRED: EventKind.EXPIRED,
}
# From the rows just updated, so an event exists exactly for each state change (the ORM would build 500 objects).
_EVENTS = """
INSERT INTO campaigns_event (message_id, kind, at, code)
SELECT id, %s, %s, %s FROM campaigns_message
WHERE claimed_by = %s AND state = %s AND id IN ({marks})
"""


def record_results(results: Sequence[Result], *, worker: str, now: datetime) -> int:
    """Write the results of messages this worker holds; returns how many rows stepped.

    A message that is no longer the worker's (its lease ran out and another took it) is left alone.
    """
    groups: dict[tuple[MessageState, str, datetime | None], list[int]] = defaultdict(list)
    for result in results:
        groups[result.state, result.code, result.retry_at].append(result.id)
    stepped = 0
    with transaction.atomic():
        for (state, code, retry_at), ids in groups.items():
            stepped += _record_group(ids, state=state, code=code, retry_at=retry_at, worker=worker, now=now)
    return stepped


def _record_group(
    ids: list[int], *, state: MessageState, code: str, retry_at: datetime | None, worker: str, now: datetime
) -> int:
    changes: dict[str, object] = {"state": state, "error_code": code, "lease_until": None}
    if retry_at is not None:
        changes["next_attempt_at"] = retry_at
    if state in states.SETTLED:
        changes["done_at"] = now
    if state == MessageState.SENT:
        changes["sent_at"] = now
    mine = Message.objects.filter(pk__in=ids, claimed_by=worker, state=MessageState.SENDING)
    if MessageState.SENDING not in states.sources(state):
        raise ValueError(f"a message never steps from sending to {state}")
    count = mine.update(**changes)
    if count and state in _EVENT_OF:
        with connection.cursor() as cursor:
            sql = _EVENTS.format(marks=",".join(["%s"] * len(ids)))
            at = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(sql, [_EVENT_OF[state].value, at, code, worker, state.value, *ids])
    return count
