"""Writing one message per recipient of a campaign: set-based, resumable, never a loop over people in Python."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from campaigns.models import Message, Purpose, Submission, SubmissionState
from campaigns.planning.audience import NOT_EXCLUDED, id_list, scope_list

# People in a step: the more, the better the index over their keys is walked. SQLite has one writer; it lets go in time.
CHUNK = {"postgresql": 50_000, "sqlite": 20_000}
LANES = 2  # steps at once on PostgreSQL; more would only wait for each other at the same index
# The cursor of a submission whose audience is complete: who subscribes later is not in it, also after a pause.
_END = 2**63 - 1
_LARGE = 5_000  # messages whose arrival the statistics of PostgreSQL must know
_REST = 0.02  # seconds between chunks on SQLite, so that its other writers get their turn

# The contact id up to which the next chunk reaches, read from the index that knows only subscribed people.
_NEXT = """
SELECT max(contact_id) FROM (
    SELECT DISTINCT s.contact_id FROM campaigns_subscription s
    WHERE s.list_id IN ({lists}) AND s.state = 'subscribed' AND s.contact_id > %s
    ORDER BY s.contact_id LIMIT %s
) chunk
"""
# The chunk's people and whoever of them must not be written to are gathered first, by key: whatever the planner of the
# database thinks of the tables, no chunk reads more of them than itself. Distinct by contact, and by address key through
# the unique constraint: nobody is planned twice, whatever is repeated. In the order of the keys, so that the index over
# them is walked instead of jumped about in, and so that one provider's recipients do not stand in a row.
_PLAN = """
INSERT INTO campaigns_message (
    public_id, submission_id, contact_id, recipient, recipient_domain, address_key,
    state, attempts, next_attempt_at, claimed_by, error_code
)
WITH people AS MATERIALIZED (
    SELECT c.id, c.email, c.domain, c.address_key, s.list_id
    FROM campaigns_contact c JOIN campaigns_subscription s ON s.contact_id = c.id
    WHERE EXISTS (SELECT 1 FROM campaigns_submission p WHERE p.id = %(submission)s AND p.state = 'planning')
      AND c.account_id = %(account)s AND c.id > %(lower)s AND c.id <= %(upper)s
      AND s.list_id IN ({lists}) AND s.state = 'subscribed' AND s.contact_id > %(lower)s AND s.contact_id <= %(upper)s
), stops AS MATERIALIZED (
    SELECT x.address_key, x.list_id FROM campaigns_suppression x
    WHERE x.account_id = %(account)s AND x.address_key {among_people}
      AND (x.scope IN ({scopes}) OR x.list_id IN ({left}))
)
SELECT {new_uuid}, %(submission)s, c.id, c.email, c.domain, c.address_key, 'queued', 0, %(send_at)s, '', ''
FROM (
    SELECT DISTINCT c.id, c.email, c.domain, c.address_key FROM people c
    WHERE c.address_key NOT IN (SELECT address_key FROM stops WHERE list_id IS NULL)
      AND (c.address_key, c.list_id) NOT IN (SELECT address_key, list_id FROM stops WHERE list_id IS NOT NULL)
      AND {not_excluded}
) c
ORDER BY c.address_key
"""
# A UUID whose first 48 bits are the time (RFC 9562 §5.7): new rows stand together at the end of the index.
_NEW_UUID = {
    "postgresql": "(%(moment)s || '7' || substr(gen_random_uuid()::text, 16))::uuid",
    # As Django stores it on SQLite.
    "sqlite": (
        "%(moment)s || '7' || lower(substr(hex(randomblob(2)), 2) || substr('89AB', 1 + (random() & 3), 1)"
        " || substr(hex(randomblob(8)), 2))"
    ),
}
# An array is looked up key by key; a subquery might be answered by reading every suppression of the account.
_AMONG_PEOPLE = {
    "postgresql": "= ANY (ARRAY(SELECT address_key FROM people))",
    "sqlite": "IN (SELECT address_key FROM people)",
}


def plan_submission(submission_id: int) -> bool:
    """Write the messages of a submission in `planning`, then open it; True when this call opened it.

    Safe to run twice and at once: a chunk is written wholly or not at all, and again it writes nothing; a second
    planner finds the cursor moved and stops.
    """
    submission = (
        Submission.objects.select_related("account").filter(pk=submission_id, state=SubmissionState.PLANNING).first()
    )
    if submission is None:
        return False
    # In somebody's transaction other connections would not see what there is to plan.
    if connection.vendor == "sqlite" or connection.in_atomic_block:
        return all(_plan_chunk(submission, upper=upper) for upper in _chunks(submission)) and _open(submission)
    return _plan_in_lanes(submission) and _open(submission)


def _chunks(submission: Submission) -> Iterator[int]:
    """The contact id each chunk reaches up to, until nobody is left."""
    upper: int | None = submission.cursor
    while (upper := _next_upper(submission, after=upper or 0)) is not None:
        yield upper


def _next_upper(submission: Submission, *, after: int) -> int | None:
    lists = id_list(submission.options["lists"])
    with connection.cursor() as cursor:
        cursor.execute(_NEXT.format(lists=lists), [after, CHUNK[connection.vendor]])
        row: tuple[int | None] = cursor.fetchone()
    return row[0]


def _plan_in_lanes(submission: Submission) -> bool:
    """Write several chunks at once, each through a connection of its own; the cursor follows in their order."""
    with ThreadPoolExecutor(LANES) as lanes:
        ahead: deque[tuple[int, Future[bool]]] = deque()
        lower = submission.cursor
        for upper in _chunks(submission):
            ahead.append((upper, lanes.submit(_write_in_lane, submission, lower=lower, upper=upper)))
            lower = upper
            if len(ahead) > LANES and not _finish_chunk(submission, *ahead.popleft()):
                return False
        return all(_finish_chunk(submission, *chunk) for chunk in ahead)


def _finish_chunk(submission: Submission, upper: int, writing: Future[bool]) -> bool:
    return writing.result() and _move_cursor(submission, upper=upper)


def _write_in_lane(submission: Submission, *, lower: int, upper: int) -> bool:
    try:
        return _write_chunk(submission, lower=lower, upper=upper)
    finally:
        connection.close()


def _plan_chunk(submission: Submission, *, upper: int) -> bool:
    written = _write_chunk(submission, lower=submission.cursor, upper=upper)
    if connection.vendor == "sqlite":
        time.sleep(_REST)
    return written and _move_cursor(submission, upper=upper)


def _move_cursor(submission: Submission, *, upper: int) -> bool:
    """Conditionally: of two planners one moves it, the other finds it moved."""
    mine = Submission.objects.filter(pk=submission.pk, cursor=submission.cursor, state=SubmissionState.PLANNING)
    moved = mine.update(cursor=upper) == 1
    submission.cursor = upper
    return moved


def _write_chunk(submission: Submission, *, lower: int, upper: int) -> bool:
    """Write the messages of a chunk; False when the submission is no longer planned, and then nothing is written."""
    sql, values = _plan_sql(submission), _plan_values(submission, lower=lower, upper=upper)
    mine = Submission.objects.filter(pk=submission.pk)
    if connection.vendor == "sqlite":
        # A statement by itself: within a transaction SQLite keeps a copy of every page it changes, in memory. Nobody
        # else writes meanwhile, so what it has read of the submission holds.
        mine.update(planned=F("planned") + _execute(f"{sql} ON CONFLICT DO NOTHING", values))
        return True
    with transaction.atomic():
        planned = F("planned") + _insert_new(sql, values)
        if mine.filter(state=SubmissionState.PLANNING).update(planned=planned) == 1:
            return True
        transaction.set_rollback(True)
    return False


def _insert_new(sql: str, values: dict[str, Any]) -> int:
    try:
        with transaction.atomic():
            return _execute(sql, values)
    except IntegrityError:
        # Somebody of the chunk is planned already: another planner was here, or a contact was made anew. Asking before
        # each row costs a third of the speed, so it is asked only now.
        return _execute(f"{sql} ON CONFLICT DO NOTHING", values)


def _execute(sql: str, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return int(cursor.rowcount)


def _plan_values(submission: Submission, *, lower: int, upper: int) -> dict[str, Any]:
    moment = f"{int(time.time() * 1000):012x}"
    return {
        "account": submission.account_id,
        "submission": submission.pk,
        "send_at": connection.ops.adapt_datetimefield_value(submission.send_at),
        "lower": lower,
        "upper": upper,
        "moment": f"{moment[:8]}-{moment[8:]}-" if connection.vendor == "postgresql" else moment,
    }


def _plan_sql(submission: Submission) -> str:
    lists = id_list(submission.options["lists"])
    return _PLAN.format(
        new_uuid=_NEW_UUID[connection.vendor],
        among_people=_AMONG_PEOPLE[connection.vendor],
        lists=lists,
        # Transactional mail passes what somebody left (UN-12).
        left="NULL" if submission.purpose == Purpose.TRANSACTIONAL else lists,
        scopes=scope_list(submission.purpose),
        not_excluded=NOT_EXCLUDED.format(excluded=id_list(submission.options["excluded_lists"])),
    )


def _open(submission: Submission) -> bool:
    """Let the messages leave; counted once more, for a planner may have died between a chunk and its count."""
    planned = Message.objects.filter(submission=submission.pk).count()
    if connection.vendor == "postgresql" and planned >= _LARGE:
        # Autovacuum comes a minute later. Until then the planner takes the queue for empty, and sorts all of it for
        # each claim instead of walking its index: four times the work at 100,000 messages, forty times at a million.
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE campaigns_message (submission_id, state, next_attempt_at)")
    waiting = Submission.objects.filter(pk=submission.pk, cursor=submission.cursor, state=SubmissionState.PLANNING)
    return waiting.update(state=SubmissionState.OPEN, cursor=_END, planned=planned) == 1
