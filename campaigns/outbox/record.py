"""Writing down what happened, in batches: one UPDATE and one INSERT per outcome."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from campaigns.models import EventKind, MessageState
from campaigns.outbox import counts, states


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
# `ids` reaches the database as one array: the ORM would build a parameter and an expression for each.
_IDS = {"postgresql": "= ANY(%s)", "sqlite": "IN (SELECT value FROM json_each(%s))"}
_STEP = """
UPDATE campaigns_message SET {changes}
WHERE id {ids} AND claimed_by = %s AND state = 'sending'
"""
# From the rows just updated, so an event exists exactly for each state change.
_STEP_AND_TELL = """
WITH stepped AS ({step} RETURNING id)
INSERT INTO campaigns_event (message_id, kind, at, code) SELECT id, %s, %s, %s FROM stepped
"""
# SQLite has no UPDATE inside WITH; the transaction holds its one write lock.
_TELL = """
INSERT INTO campaigns_event (message_id, kind, at, code)
SELECT id, %s, %s, %s FROM campaigns_message WHERE id {ids} AND claimed_by = %s AND state = %s
"""


def record_results(results: Sequence[Result], *, worker: str, now: datetime, counted: int | None = None) -> int:
    """Write the results of messages this worker holds; returns how many rows stepped.

    A message that is no longer the worker's (its lease ran out and another took it) is left alone. `counted` is the
    submission of all of them when its messages are counted where they end.
    """
    groups: dict[tuple[MessageState, str, datetime | None], list[int]] = defaultdict(list)
    for result in results:
        groups[result.state, result.code, result.retry_at].append(result.id)
    stepped: Counter[str] = Counter()
    with transaction.atomic():
        for (state, code, retry_at), ids in groups.items():
            stepped[state] += _record_group(ids, state=state, code=code, retry_at=retry_at, worker=worker, now=now)
        if counted is not None:
            counts.add_counts(counted, stepped)
    return stepped.total()


def _record_group(
    ids: list[int], *, state: MessageState, code: str, retry_at: datetime | None, worker: str, now: datetime
) -> int:
    if MessageState.SENDING not in states.sources(state):
        raise ValueError(f"a message never steps from sending to {state}")
    at = connection.ops.adapt_datetimefield_value(now)
    changes: dict[str, Any] = {"state": state.value, "error_code": code, "lease_until": None}
    if retry_at is not None:
        changes["next_attempt_at"] = connection.ops.adapt_datetimefield_value(retry_at)
    if state in states.SETTLED:
        changes["done_at"] = at
    if state == MessageState.SENT:
        changes["sent_at"] = at
    array: Any = ids if connection.vendor == "postgresql" else json.dumps(ids)
    step = _STEP.format(changes=", ".join(f"{name} = %s" for name in changes), ids=_IDS[connection.vendor])
    values = [*changes.values(), array, worker]
    if state not in _EVENT_OF:
        return _run(step, values)
    event = [_EVENT_OF[state].value, at, code]
    if connection.vendor == "postgresql":
        return _run(_STEP_AND_TELL.format(step=step), [*values, *event])
    stepped = _run(step, values)
    if stepped:
        _run(_TELL.format(ids=_IDS[connection.vendor]), [*event, array, worker, state.value])
    return stepped


def _run(sql: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)
