"""The circuit breaker of a way out, kept in its row and shared by all workers.

After too many failures in a row nothing leaves this way for a minute. Then one worker may try: when that fails too the
pause doubles, up to an hour; the first mail that is answered closes the breaker.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from campaigns.models import Transport
from campaigns.outbox import due

# Single servers behind a relay may be slow or greylist; that nobody at all takes a mail is another matter.
FAILURES_IN_A_ROW = 50
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=1)
KEEPS_DEFERRING = "The other side keeps asking to try again later."


def is_open(transport: Transport, now: datetime) -> bool:
    """Whether nothing may leave this way now, as far as this row knows."""
    return transport.broken_until is not None and transport.broken_until > now


def enter(transport: Transport, *, now: datetime) -> datetime | None:
    """None when mail may leave this way, else when to come back; the row passed in is brought up to date.

    After a pause exactly one of those who ask may try: the breaker is open for all others and, until a mail fails,
    not for the row of this one. The next, longer pause begins with that: a worker that finds the way still broken,
    or dies trying, need not say so.
    """
    look_again(transport)
    until = transport.broken_until
    if until is None:
        return None
    if until > now:
        return until
    step = transport.failures + 1
    mine = Transport.objects.filter(pk=transport.pk, broken_until=until)
    is_mine = mine.update(failures=step, broken_until=now + _pause(step)) == 1
    look_again(transport)
    if is_mine:
        transport.broken_until = None
    return transport.broken_until


def leave(transport: Transport, *, now: datetime) -> None:
    """At the end of every slice: who might have tried and had no mail that could tell leaves the try to the next."""
    if transport.broken_until is None and transport.failures >= FAILURES_IN_A_ROW:
        mine = Transport.objects.filter(pk=transport.pk, failures=transport.failures, broken_until__gt=now)
        mine.update(failures=transport.failures - 1, broken_until=now)
        due.wake_for_transport(transport.pk, because=transport.broken_because)


def look_again(transport: Transport) -> None:
    """Bring what other workers noted into this row."""
    transport.refresh_from_db(fields=["failures", "broken_until", "broken_because"])


def note_outcomes(transport: Transport, *, failed: int, succeeded: int, now: datetime, because: str) -> None:
    """Count a batch: `succeeded` mails got an answer for good, `failed` ones a lost connection or "try again later".

    No query when nothing failed and, as far as this row knows, nothing had.
    """
    if succeeded:
        _close(transport)
    elif failed:
        _count(transport, failed, now=now, because=because)


def note_broken(transport: Transport, *, now: datetime, because: str) -> None:
    """The way out itself does not work: it is closed to everybody at once."""
    _count(transport, FAILURES_IN_A_ROW, now=now, because=because)


def _close(transport: Transport) -> None:
    if not transport.failures and transport.broken_until is None:
        return
    Transport.objects.filter(pk=transport.pk).update(failures=0, broken_until=None, broken_because="")
    if transport.failures >= FAILURES_IN_A_ROW:
        due.wake_for_transport(transport.pk, because=transport.broken_because)
    transport.failures, transport.broken_until, transport.broken_because = 0, None, ""


def _count(transport: Transport, failed: int, *, now: datetime, because: str) -> None:
    """Failures while the breaker is open are those of mails that were on their way: they make no pause longer."""
    with transaction.atomic():
        row = Transport.objects.select_for_update(no_key=True).get(pk=transport.pk)
        if not is_open(row, now):
            row.failures = min(row.failures + failed, max(FAILURES_IN_A_ROW, row.failures + 1))
            if row.failures >= FAILURES_IN_A_ROW:
                row.broken_until, row.broken_because = now + _pause(row.failures), because[:200]
            row.save(update_fields=["failures", "broken_until", "broken_because"])
    transport.failures, transport.broken_until = row.failures, row.broken_until
    transport.broken_because = row.broken_because


def _pause(failures: int) -> timedelta:
    """The pause that belongs to a number of failures: 1 minute when the breaker opens, then 2, 4, … up to an hour."""
    doublings = min(max(failures - FAILURES_IN_A_ROW, 0), 10)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
