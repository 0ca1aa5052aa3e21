"""From the ledger to what programs are told: every event becomes deliveries once, whoever wrote it and whenever.

The ledger is the outbox: its writers need not know that anybody listens, and pay nothing for it. A mark says how far it
was read; marks and deliveries are written in one transaction, so that a death loses nothing and repeats nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Max

from campaigns.delivery.registry import tells_later
from campaigns.models import DeliveryState, EndpointState, Event, WebhookDelivery, WebhookEndpoint, WebhookMark
from campaigns.webhooks import bell, claims

AT_ONCE = 5_000
# A number is given out a moment before its transaction is known to the others.
_SETTLE = timedelta(seconds=10)

# What is told, by the numbers of WebhookKind. Mail a provider reports on has its outcome when the provider says so; of
# any other, the next server's yes is the outcome, and a bounce after it is a late one. Who named an address in a request
# is told there and the account's endpoints are not; tests people send to themselves, and mail that is passed on to them, are nobody's news.
_COLLECT = """
WITH fresh AS (
    SELECT e.id, e.kind, e.message_id, e.is_machine, s.account_id, s.reports_to, s.events_to, s.report_level,
           t.kind IN ({later}) AS later
    FROM campaigns_event e
    JOIN campaigns_message m ON m.id = e.message_id
    JOIN campaigns_submission s ON s.id = m.submission_id
    JOIN campaigns_transport t ON t.id = s.transport_id
    WHERE e.id > %s AND e.id <= %s AND s.door NOT IN ('test', 'forward')
      AND (s.reports_to IS NOT NULL OR s.events_to IS NOT NULL OR s.account_id IN (
          SELECT w.account_id FROM campaigns_webhookendpoint w WHERE w.state <> 'off' AND NOT w.is_of_requests))
), told AS (
    SELECT id, account_id, reports_to AS named, report_level,
           CASE WHEN kind = 'deferred' OR (kind = 'sent' AND later) THEN 2 ELSE 1 END AS kind
    FROM fresh
    WHERE report_level > 0 AND kind IN ('sent', 'delivered', 'deferred', 'bounced', 'refused', 'failed', 'expired')
    UNION ALL
    SELECT id, account_id, events_to, 1, CASE kind WHEN 'opened' THEN 4 WHEN 'clicked' THEN 8 WHEN 'unsubscribed' THEN 16
           ELSE 32 END
    FROM fresh WHERE kind IN ('opened', 'clicked', 'unsubscribed', 'complained') AND is_machine IS NOT TRUE
    UNION ALL
    SELECT id, account_id, events_to, 1, 64 FROM fresh
    WHERE kind = 'bounced' AND EXISTS (
        SELECT 1 FROM campaigns_event b WHERE b.message_id = fresh.message_id AND b.id < fresh.id
          AND (b.kind = 'delivered' OR (b.kind = 'sent' AND NOT fresh.later)))
)
INSERT INTO campaigns_webhookdelivery (endpoint_id, about, kind, state, attempts, next_attempt_at, last_code, created_at)
SELECT w.id, told.id, told.kind, 0, 0, {moment}, '', {moment}
FROM told JOIN campaigns_webhookendpoint w ON w.id = told.named AND w.account_id = told.account_id
WHERE told.kind <> 2 OR told.report_level = 2
UNION ALL
SELECT w.id, told.id, told.kind, 0, 0, {moment}, '', {moment}
FROM told JOIN campaigns_webhookendpoint w
  ON w.account_id = told.account_id AND w.state <> 'off' AND NOT w.is_of_requests
WHERE told.named IS NULL
  AND ((w.kinds & told.kind) <> 0 OR (told.kind = 2 AND told.report_level = 2 AND (w.kinds & 1) <> 0))
ORDER BY 2, 3
ON CONFLICT DO NOTHING
"""
_MOMENT = {"postgresql": "%s::timestamptz", "sqlite": "%s"}
# The next number of a transaction, and the lowest of one that has not ended.
_NEXT = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_LOWEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


def collect_news(*, now: datetime) -> bool:
    """Read the next piece of the ledger and write down what is to be told; whether more is waiting.

    Safe beside others: whoever finds the mark in use leaves it to them.
    """
    bell.read_mark()
    with transaction.atomic():
        mark = WebhookMark.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if mark is None:
            return False
        newest = Event.objects.aggregate(newest=Max("pk"))["newest"] or 0
        if not WebhookEndpoint.objects.exclude(state=EndpointState.OFF).exists():
            # Nobody listens anywhere: what happens now is nobody's news later.
            _move(mark, seen=newest, sure=newest, mark=newest)
            return False
        if connection.vendor == "postgresql":
            _look_again(mark, now=now)
        end = _end_of_piece(mark.seen, newest=newest)
        if end > mark.seen:
            _insert(mark.seen, end, now=now)
            # One writer at a time: numbers are visible in their order.
            is_sure = connection.vendor != "postgresql"
            _move(mark, seen=end, **({"sure": end, "mark": end} if is_sure else {}))
        return end < newest


def _look_again(mark: WebhookMark, *, now: datetime) -> None:
    """The second look at what was read before: by now no lower number can turn up there any more."""
    if mark.mark > mark.sure:
        has_settled = mark.marked_at is not None and now - mark.marked_at >= _SETTLE
        if not has_settled or _ask(_LOWEST) < mark.horizon:
            return
        end = _end_of_piece(mark.sure, newest=mark.mark)
        _insert(mark.sure, end, now=now)
        _move(mark, sure=end)
    if mark.mark <= mark.sure and mark.seen > mark.sure:
        _move(mark, mark=mark.seen, horizon=_ask(_NEXT), marked_at=now)


def _end_of_piece(start: int, *, newest: int) -> int:
    """Up to AT_ONCE events above start, not above the newest."""
    last = Event.objects.filter(pk__gt=start, pk__lte=newest).order_by("pk").values_list("pk", flat=True)
    return last[AT_ONCE - 1 : AT_ONCE].first() or newest if start < newest else start


def _insert(start: int, end: int, *, now: datetime) -> None:
    later = tells_later()
    at = connection.ops.adapt_datetimefield_value(now)
    sql = _COLLECT.format(later=", ".join(["%s"] * len(later)), moment=_MOMENT[connection.vendor])
    with connection.cursor() as cursor:
        cursor.execute(sql, [*later, start, end, at, at, at, at])


def _ask(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def _move(row: WebhookMark, /, **changes: Any) -> None:
    for name, value in changes.items():
        setattr(row, name, value)
    WebhookMark.objects.filter(pk=row.pk).update(**changes)


def is_waiting(*, now: datetime) -> bool:
    """For the sweep: read on in the ledger; whether somebody must tell something now."""
    if collect_news(now=now):
        return True
    due = WebhookDelivery.objects.filter(state=DeliveryState.WAITING, next_attempt_at__lte=now)
    return due.filter(endpoint__state=EndpointState.ACTIVE).exists()


def forget_old(*, now: datetime) -> None:
    """Delete what was told long ago."""
    sure = bell.read_mark().values_list("sure", flat=True).first() or 0
    claims.forget_old(sure=sure, now=now)
