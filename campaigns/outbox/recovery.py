"""After a death: what a worker held is settled from its journal, or put back."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from campaigns.delivery.retry import FIRST
from campaigns.models import Event, EventKind, Message, MessageState
from campaigns.outbox import accounting, claim, journal, record
from campaigns.outbox.journal import Entry, Mark
from campaigns.outbox.record import Result

log = logging.getLogger(__name__)

UNCERTAIN = "message.uncertain"
_AT_ONCE = 5_000


def recover(*, now: datetime) -> None:
    """Settle what dead workers of this host left, and put back claims whose lease ran out anywhere."""
    settle_dead(now=now)
    release_expired(now=now)


def settle_dead(*, now: datetime) -> None:
    """Settle what dead workers of this host left: only here can their journals be read."""

    def settle(worker: str, entries: Sequence[Entry]) -> None:
        with transaction.atomic():
            results = _results(worker, entries, now=now)
            record.record_results(results, worker=worker, now=now)
            accounting.note_recovered([entry.id for entry in results if entry.state == MessageState.SENT], now=now)
            released = claim.release_claims(worker=worker)
        if entries or released:
            log.warning("worker %s died: %d settled from its journal, %d put back", worker, len(entries), released)

    journal.recover_dead(settle)


def is_held(options: Mapping[str, object]) -> bool:
    """Whether a message that may or may not have been accepted waits for a person; else the same one goes again."""
    return bool(options.get("hold_uncertain"))


def _results(worker: str, entries: Sequence[Entry], *, now: datetime) -> list[Result]:
    held = Message.objects.filter(claimed_by=worker, state=MessageState.SENDING, pk__in=[entry.id for entry in entries])
    options = dict(held.values_list("pk", "submission__options"))
    return [_result(entry, options[entry.id], now=now) for entry in entries if entry.id in options]


def _result(entry: Entry, options: dict[str, object], *, now: datetime) -> Result:
    match entry.mark:
        case Mark.ACCEPTED:
            return Result(entry.id, MessageState.SENT)
        case Mark.REJECTED:
            return Result(entry.id, MessageState.BOUNCED, entry.code)
        case Mark.DEFERRED:
            return Result(entry.id, MessageState.QUEUED, entry.code, retry_at=now + FIRST)
        case _:
            if is_held(options):
                return Result(entry.id, MessageState.HELD, UNCERTAIN)
            return Result(entry.id, MessageState.QUEUED, UNCERTAIN, retry_at=now)


def release_expired(*, now: datetime) -> int:
    """Put back claims whose lease ran out: of a host that is gone, or a process that hangs; returns how many.

    Each may have been handed over without being recorded, and is treated as `is_held` says.
    """
    total = 0
    while released := _release_some(now=now):
        total += released
    return total


def _release_some(*, now: datetime) -> int:
    with transaction.atomic():
        # Rows that somebody else is settling are passed over: no deadlock.
        expired = Message.objects.filter(state=MessageState.SENDING, lease_until__lte=now)
        mine = expired.select_for_update(of=("self",), skip_locked=True)
        ids = list(mine.values_list("pk", flat=True)[:_AT_ONCE])
        rows = Message.objects.filter(pk__in=ids)
        held = list(rows.filter(submission__options__hold_uncertain=True).values_list("pk", flat=True))
        # The mark of a mail that may go twice (SM-06).
        Event.objects.bulk_create(
            [Event(message_id=pk, kind=EventKind.DEFERRED, at=now, code=UNCERTAIN) for pk in set(ids) - set(held)]
        )
        rows.update(state=MessageState.QUEUED, lease_until=None, error_code=UNCERTAIN)
        Message.objects.filter(pk__in=held).update(state=MessageState.HELD)
    return len(ids)
