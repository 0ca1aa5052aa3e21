"""What a provider tells about mails after it took them, written into the ledger once, however often it is told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.db import connection, transaction

from campaigns.audiences import consent, suppression
from campaigns.models import Event, EventKind, SuppressionReason, SuppressionScope, Transport
from campaigns.outbox import delivery_news, dsn_notices
from campaigns.outbox.delivery_news import KnownMessage
from campaigns.tracking.hit_rows import KINDS
from campaigns.tracking.told import count_fresh, sort_hits
from campaigns.webhooks import bell

MOST_AT_ONCE = 500
# The outcome of one INSERT is needed for each row: only news that are new may suppress somebody again.
_INSERT = """
INSERT INTO campaigns_event (message_id, kind, at, code, news_id) VALUES {rows}
ON CONFLICT DO NOTHING RETURNING news_id
"""


@dataclass(frozen=True, slots=True)
class Report:
    """One piece of news about a message, by its public id; `kind` is an EventKind.

    Its state follows `delivered` and `bounced` (final: nobody tries again); the other kinds are told only. `is_dead`
    says that the mailbox does not exist. `key` tells two pieces of one kind apart (two clicks); without one there is
    one of a kind for each message. `attempt` says which of ours it is about, 0 when it does not. `at` None is now.
    """

    message_id: UUID
    kind: EventKind
    at: datetime | None = None
    code: str = ""
    key: str = ""
    is_dead: bool = False
    attempt: int = 0

    @property
    def news_id(self) -> UUID:
        return uuid5(self.message_id, f"{self.kind} {self.key}")


def record_reports(reports: Sequence[Report], *, transport: Transport, now: datetime) -> bool:
    """Write down news about messages of this transport; what was told before, or is about others, changes nothing.

    False when a message is being handed over at this moment: tell it again in a while.
    """
    complete = True
    for start in range(0, len(reports), MOST_AT_ONCE):
        with transaction.atomic():
            some = reports[start : start + MOST_AT_ONCE]
            complete = _record(some, transport=transport, now=now) and complete
    bell.note_news(transport.account_id)
    return complete


def _record(reports: Sequence[Report], *, transport: Transport, now: datetime) -> bool:
    ids = {report.message_id for report in reports}
    known, complete = delivery_news.lock_messages(ids, transport_id=transport.pk)
    ours = {report.news_id: report for report in reports if report.message_id in known}
    left = _unsubscribed_before(ours.values(), known)
    told = {
        news_id: report
        for news_id, report in ours.items()
        if not (report.kind == EventKind.BOUNCED and not _may_bounce(report, known[report.message_id]))
        # Who left by our own link is one event.
        and not (report.kind == EventKind.UNSUBSCRIBED and known[report.message_id].id in left)
    }
    told = _without_nameless(told, known, now=now)
    fresh = [told[news_id] for news_id in _insert(told, known, now=now)]
    count_fresh([report.news_id for report in fresh if report.kind in KINDS])
    _step(fresh, known, now=now)
    _suppress(fresh, known, account_id=transport.account_id, now=now)
    return complete


def _without_nameless(
    told: dict[UUID, Report], known: dict[UUID, KnownMessage], *, now: datetime
) -> dict[UUID, Report]:
    """Opens and clicks of readers who may not be known by them leave the list; what may be counted of them is."""
    hits = {
        news_id: (known[report.message_id].id, report.kind, min(report.at or now, now))
        for news_id, report in told.items()
        if report.kind in KINDS
    }
    if not hits:
        return told
    named = sort_hits(hits)
    return {news_id: report for news_id, report in told.items() if news_id not in hits or news_id in named}


def _may_bounce(report: Report, message: KnownMessage) -> bool:
    """False when it bounced at hand-over already, and for an attempt that was refused and made again."""
    return message.may_bounce and message.is_about(report.attempt)


def _unsubscribed_before(reports: Collection[Report], known: dict[UUID, KnownMessage]) -> set[int]:
    asked = [known[report.message_id].id for report in reports if report.kind == EventKind.UNSUBSCRIBED]
    if not asked:
        return set()
    before = Event.objects.filter(message__in=asked, kind=EventKind.UNSUBSCRIBED)
    return set(before.values_list("message_id", flat=True))


def _insert(told: dict[UUID, Report], known: dict[UUID, KnownMessage], *, now: datetime) -> list[UUID]:
    """Insert the events; the news ids of those that were not there yet."""
    if not told:
        return []
    values: list[Any] = []
    for news_id, report in told.items():
        # A clock that runs ahead must not write the future.
        at = connection.ops.adapt_datetimefield_value(min(report.at or now, now))
        shown = news_id if connection.features.has_native_uuid_field else news_id.hex
        values += [known[report.message_id].id, report.kind.value, at, report.code[:60], shown]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT.format(rows=", ".join(["(%s, %s, %s, %s, %s)"] * len(told))), values)
        return [row[0] if isinstance(row[0], UUID) else UUID(row[0]) for row in cursor.fetchall()]


def _step(fresh: Sequence[Report], known: dict[UUID, KnownMessage], *, now: datetime) -> None:
    # Not deferred ones: whoever was asked to wait may not have taken it.
    delivery_news.note_accepted({known[r.message_id] for r in fresh if r.kind != EventKind.DEFERRED}, now=now)
    delivery_news.note_delivered({known[r.message_id] for r in fresh if r.kind == EventKind.DELIVERED})
    bounced: dict[str, set[KnownMessage]] = defaultdict(set)
    for report in fresh:
        if report.kind == EventKind.BOUNCED:
            bounced[report.code[:60]].add(known[report.message_id])
    for code, messages in bounced.items():
        delivery_news.note_bounced(messages, code=code)
        dsn_notices.tell_bounces([message.id for message in messages], now=now)


def _suppress(fresh: Sequence[Report], known: dict[UUID, KnownMessage], *, account_id: int, now: datetime) -> None:
    entries = []
    for report in fresh:
        key, address = known[report.message_id].address_key, known[report.message_id].recipient
        if report.is_dead:
            scope, reason = SuppressionScope.EVERYTHING, SuppressionReason.BOUNCE
            entries.append(suppression.Entry(key, scope, reason, address=address))
        elif report.kind == EventKind.COMPLAINED:
            scope, reason = SuppressionScope.MARKETING, SuppressionReason.COMPLAINT
            entries.append(suppression.Entry(key, scope, reason, address=address))
        elif report.kind == EventKind.UNSUBSCRIBED:
            consent.unsubscribe_marketing(account_id, address_key=key, now=now)
    suppression.suppress_many(account_id, entries=entries)
