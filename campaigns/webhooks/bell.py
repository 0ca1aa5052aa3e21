"""The bell of webhooks: whoever writes news into the ledger may ring it; the sweep finds what nobody rang for.

Accounts that nobody wants to be told about cost one look every few seconds per process, and no bell.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns import jobs
from campaigns.models import EndpointState, WebhookEndpoint, WebhookMark

TELL_JOB = "campaigns.tasks.tell_webhooks"
PROMISE = timedelta(seconds=3)
# A bell nobody heard in this time got lost; the sweep looks every minute besides.
_LOST = timedelta(seconds=30)
_LOOK_EVERY = 5.0  # seconds

_known: dict[int, tuple[bool, float]] = {}


def note_news(account_id: int) -> None:
    """Something happened to mails of this account: after the commit somebody is called who tells it, if anybody listens."""
    if _somebody_listens(account_id):
        ring()


def ring() -> None:
    """After the commit: see to it that somebody looks for what is to be told."""
    transaction.on_commit(_call, robust=True)


def _somebody_listens(account_id: int) -> bool:
    now = time.monotonic()
    known = _known.get(account_id)
    if known is not None and now < known[1]:
        return known[0]
    listens = WebhookEndpoint.objects.filter(account=account_id).exclude(state=EndpointState.OFF).exists()
    _known[account_id] = (listens, now + _LOOK_EVERY)
    return listens


def forget_listeners() -> None:
    """Look again at the next news; for tests and whoever has just changed an endpoint."""
    _known.clear()


def _call() -> None:
    now = timezone.now()
    unwatched = read_mark().filter(
        Q(watched_until=None) | Q(watched_until__lt=now), Q(rung_at=None) | Q(rung_at__lt=now - _LOST)
    )
    # Asked before it is written: while somebody is telling there is a promise, and nobody waits for the row.
    if unwatched.exists() and unwatched.update(rung_at=now):
        jobs.ring(TELL_JOB)


def read_mark() -> QuerySet[WebhookMark]:
    """The one row that says how far the ledger has been told; made when it is not there."""
    rows = WebhookMark.objects.filter(pk=1)
    if not rows.exists():
        WebhookMark.objects.bulk_create([WebhookMark(pk=1)], ignore_conflicts=True)
    return rows


def promise(now: datetime) -> None:
    """A worker looks again and again until some seconds from now; bells are heard."""
    read_mark().update(watched_until=now + PROMISE, rung_at=None)


def end_promise() -> None:
    """The worker looks once more, and then no more."""
    read_mark().update(watched_until=None)
