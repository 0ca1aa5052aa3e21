"""Writing one message per recipient of a campaign: set-based, resumable, never a loop over people in Python."""

from __future__ import annotations

import time

from django.db import connection, transaction
from django.db.models import F

from campaigns.models import Submission, SubmissionState
from campaigns.planning.audience import NOT_EXCLUDED, NOT_SUPPRESSED, id_list, not_left, scope_list

CHUNK = 10_000
# The cursor of a submission whose audience is complete: who subscribes later is not in it, also after a pause.
_END = 2**63 - 1
_REST = 0.02  # seconds between chunks on SQLite, so that its other writers get their turn

# The contact id up to which the next chunk reaches, read from the index that knows only subscribed people.
_NEXT = """
SELECT max(contact_id) FROM (
    SELECT DISTINCT s.contact_id FROM campaigns_subscription s
    WHERE s.list_id IN ({lists}) AND s.state = 'subscribed' AND s.contact_id > %s
    ORDER BY s.contact_id LIMIT %s
) chunk
"""
# Distinct by contact, and by address key through the unique constraint: nobody is planned twice, whatever is repeated.
_PLAN = """
INSERT INTO campaigns_message (
    public_id, submission_id, contact_id, recipient, recipient_domain, address_key,
    state, attempts, next_attempt_at, claimed_by, error_code
)
SELECT {new_uuid}, %s, c.id, c.email, c.domain, c.address_key, 'queued', 0, %s, '', ''
FROM campaigns_contact c
WHERE c.account_id = %s AND c.id > %s AND c.id <= %s
  AND c.id IN (
      SELECT s.contact_id FROM campaigns_subscription s
      WHERE s.list_id IN ({lists}) AND s.state = 'subscribed' AND s.contact_id > %s AND s.contact_id <= %s
        AND {not_left}
  )
  AND {not_excluded}
  AND {not_suppressed}
ORDER BY c.id
ON CONFLICT DO NOTHING
"""
_NEW_UUID = {
    "postgresql": "gen_random_uuid()",
    # 122 random bits with the version and variant nibbles of RFC 9562 §5.4, as Django stores it on SQLite.
    "sqlite": (
        "lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || substr('89AB', 1 + (random() & 3), 1)"
        " || substr(hex(randomblob(8)), 2))"
    ),
}


def plan_submission(submission_id: int) -> bool:
    """Write the messages of a submission in `planning`, then open it; True when this call opened it.

    Safe to run twice and at once: the cursor moves with its chunk in one transaction, and a second planner
    finds the cursor moved and stops.
    """
    while True:
        submission = (
            Submission.objects.select_related("account")
            .filter(pk=submission_id, state=SubmissionState.PLANNING)
            .first()
        )
        if submission is None:
            return False
        upper = _next_upper(submission)
        if upper is None:
            return _open(submission)
        if not _plan_chunk(submission, upper=upper):
            return False
        if connection.vendor == "sqlite":
            time.sleep(_REST)


def _next_upper(submission: Submission) -> int | None:
    lists = id_list(submission.options["lists"])
    with connection.cursor() as cursor:
        cursor.execute(_NEXT.format(lists=lists), [submission.cursor, CHUNK])
        row: tuple[int | None] = cursor.fetchone()
    return row[0]


def _plan_chunk(submission: Submission, *, upper: int) -> bool:
    sql = _PLAN.format(
        new_uuid=_NEW_UUID[connection.vendor],
        lists=id_list(submission.options["lists"]),
        not_left=not_left(submission.purpose),
        not_excluded=NOT_EXCLUDED.format(excluded=id_list(submission.options["excluded_lists"])),
        not_suppressed=NOT_SUPPRESSED.format(scopes=scope_list(submission.purpose)),
    )
    lower = submission.cursor
    with transaction.atomic(), connection.cursor() as cursor:
        # First the cursor, conditionally: of two planners one moves it, the other finds it moved.
        mine = Submission.objects.filter(pk=submission.pk, cursor=lower, state=SubmissionState.PLANNING)
        if mine.update(cursor=upper) != 1:
            return False
        send_at = connection.ops.adapt_datetimefield_value(submission.send_at)
        cursor.execute(sql, [submission.pk, send_at, submission.account_id, lower, upper, lower, upper])
        Submission.objects.filter(pk=submission.pk).update(planned=F("planned") + cursor.rowcount)
    return True


def _open(submission: Submission) -> bool:
    waiting = Submission.objects.filter(pk=submission.pk, cursor=submission.cursor, state=SubmissionState.PLANNING)
    return waiting.update(state=SubmissionState.OPEN, cursor=_END) == 1
