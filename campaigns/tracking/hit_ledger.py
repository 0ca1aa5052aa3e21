"""Opens and clicks in the ledger: written many at once, judged together with what came before, counted beside.

A hit of a message changes what its earlier ones mean, so they are read first, under a lock of the submission.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, Q

from campaigns.models import Event, EventKind, Message, Submission
from campaigns.tracking.counting import Figures, add_figures, count_message
from campaigns.tracking.verdicts import TOO_SOON, Hit, judge

KINDS = (EventKind.OPENED, EventKind.CLICKED)
# Nobody opens a mail so often; a flood must neither fill the ledger nor make each batch slower than the one before.
MOST_PER_MESSAGE = 200
# What is learned about a mail later than this changes no verdict any more.
JUDGED_AGAIN = timedelta(minutes=30)
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class HitMessage:
    """A message that was opened or clicked."""

    id: int
    submission_id: int
    address_key: str
    sent_at: datetime | None


def lock_submissions(ids: Collection[int]) -> None:
    """Two processes with hits of one mail must not both count it as its first. Needs a transaction."""
    rows = Submission.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=ids).order_by("pk")
    list(rows.values_list("pk", flat=True))


@dataclass(slots=True)
class Difference:
    """What changes by hits that are new or judged anew: figures, and verdicts of hits that are written down already."""

    figures: Figures = field(default_factory=Counter)
    corrections: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def settle(
        self, submission_id: int, *, written: Sequence[Hit], counted: Sequence[Hit], after: Sequence[Hit]
    ) -> None:
        """Note what the hits of one mail are; what of them is written down, and what of that is in the figures."""
        known = {hit.id: hit for hit in written}
        for hit in after:
            if hit.id is not None and hit != known[hit.id]:
                self.corrections[hit.code].append(hit.id)
        self.figures.update(count_message(submission_id, after))
        if counted:
            self.figures.subtract(count_message(submission_id, counted))

    def apply(self) -> int:
        """Write it down; returns how many verdicts changed. Needs a transaction that holds the submissions."""
        for code, ids in self.corrections.items():
            Event.objects.filter(pk__in=ids).update(is_machine=True, code=code)
        add_figures(self.figures)
        return sum(map(len, self.corrections.values()))


def write_hits(messages: Mapping[int, HitMessage], named: Mapping[int, list[Hit]], difference: Difference) -> int:
    """Insert the hits of known readers, judged with those they have, and note what changes; returns how many.

    Needs a transaction that holds the submissions.
    """
    earlier, delivered = read_hits(named)
    fresh: list[tuple[int, Hit]] = []
    for message_id, new in named.items():
        message, before = messages[message_id], earlier[message_id]
        room = max(MOST_PER_MESSAGE - len(before), 0)
        after = _judge_all(message, [*before, *new[:room]], delivered[message_id])
        fresh += [(message_id, hit) for hit in after if hit.id is None]
        difference.settle(message.submission_id, written=before, counted=before, after=after)
    _insert(fresh)
    return len(fresh)


def _judge_all(message: HitMessage, hits: Sequence[Hit], delivered: Sequence[datetime]) -> list[Hit]:
    return judge(hits, arrivals=[*delivered, *([message.sent_at] if message.sent_at else [])])


def read_hits(message_ids: Collection[int]) -> tuple[dict[int, list[Hit]], dict[int, list[datetime]]]:
    """(hits, moments of delivery) by message, oldest first."""
    hits: dict[int, list[Hit]] = defaultdict(list)
    delivered: dict[int, list[datetime]] = defaultdict(list)
    rows = Event.objects.filter(message__in=message_ids, kind__in=[*KINDS, EventKind.DELIVERED]).order_by("pk")
    fields = ("message_id", "at", "kind", "link", "device", "system", "is_machine", "code", "pk")
    for message_id, *rest in rows.values_list(*fields):
        hit = Hit(*rest)
        if hit.kind == EventKind.DELIVERED:
            delivered[message_id].append(hit.at)
        else:
            hits[message_id].append(hit)
    return hits, delivered


# One array for each column, or one JSON text: hundreds of parameters cost more than the rows.
_ROWS = {
    "postgresql": (
        "SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::timestamptz[], %s::varchar[], %s::bool[],"
        " %s::smallint[], %s::smallint[], %s::smallint[])"
    ),
    "sqlite": (
        "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'),"
        " json_extract(value, '$[3]'), json_extract(value, '$[4]'), json_extract(value, '$[5]'),"
        " json_extract(value, '$[6]'), json_extract(value, '$[7]') FROM json_each(%s)"
    ),
}
_INSERT = """
INSERT INTO campaigns_event (message_id, kind, at, code, is_machine, link, device, system) {rows}
"""


def _insert(fresh: Sequence[tuple[int, Hit]]) -> None:
    if not fresh:
        return
    at = connection.ops.adapt_datetimefield_value
    rows: list[tuple[Any, ...]] = [
        (message_id, str(hit.kind), at(hit.at), hit.code[:60], hit.is_machine, hit.link, hit.device, hit.system)
        for message_id, hit in fresh
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    values = columns if connection.vendor == "postgresql" else [json.dumps(rows)]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT.format(rows=_ROWS[connection.vendor]), values)


def rejudge_recent(*, now: datetime) -> int:
    """Judge hits of the last half hour again where the mail arrived at that very moment, as is known only now (TR-04).

    Returns how many verdicts changed.
    """
    delivered = Event.objects.filter(
        message=OuterRef("message"),
        kind=EventKind.DELIVERED,
        at__gt=OuterRef("at") - TOO_SOON,
        at__lte=OuterRef("at") + TOO_SOON,
    )
    recent = Event.objects.filter(kind__in=KINDS, at__gte=now - JUDGED_AGAIN).exclude(is_machine=True)
    sent = Q(message__sent_at__gt=F("at") - TOO_SOON, message__sent_at__lte=F("at") + TOO_SOON)
    doubtful = recent.filter(sent | Q(Exists(delivered)))
    ids = sorted(set(doubtful.order_by().values_list("message_id", flat=True)))
    return sum(rejudge(ids[first : first + _AT_ONCE]) for first in range(0, len(ids), _AT_ONCE))


def rejudge(message_ids: Collection[int]) -> int:
    """Judge the hits of some messages again, by what is known now; returns how many verdicts changed."""
    return _look_again(message_ids, fresh=frozenset())


def count_told(message_ids: Collection[int], *, event_ids: Collection[int]) -> None:
    """Judge and count hits of these messages that a provider told of and that are written down, but not counted yet."""
    _look_again(message_ids, fresh=frozenset(event_ids))


def _look_again(message_ids: Collection[int], *, fresh: frozenset[int]) -> int:
    with transaction.atomic():
        messages = find_messages(message_ids)
        lock_submissions({message.submission_id for message in messages.values()})
        difference = Difference()
        hits, delivered = read_hits(messages)
        for message_id, found in hits.items():
            message = messages[message_id]
            after = _judge_all(message, found, delivered[message_id])
            counted = [hit for hit in found if hit.id not in fresh]
            difference.settle(message.submission_id, written=found, counted=counted, after=after)
        return difference.apply()


# One array: hundreds of parameters cost more than the rows.
_FIND = """
SELECT public_id, id, submission_id, address_key, sent_at FROM campaigns_message WHERE public_id {among}
"""
_AMONG = {"postgresql": "= ANY(%s)", "sqlite": "IN (SELECT value FROM json_each(%s))"}


def find_by_public_id(ids: Collection[UUID]) -> dict[UUID, HitMessage]:
    """Messages by public id."""
    array = list(ids) if connection.vendor == "postgresql" else json.dumps([public_id.hex for public_id in ids])
    with connection.cursor() as cursor:
        cursor.execute(_FIND.format(among=_AMONG[connection.vendor]), [array])
        rows = cursor.fetchall()
    if connection.vendor == "postgresql":
        return {row[0]: HitMessage(*row[1:]) for row in rows}
    # SQLite knows neither UUIDs nor zones.
    return {
        UUID(row[0]): HitMessage(row[1], row[2], row[3], row[4].replace(tzinfo=UTC) if row[4] else None) for row in rows
    }


def find_messages(ids: Collection[int]) -> dict[int, HitMessage]:
    """Messages by primary key."""
    rows = Message.objects.filter(pk__in=ids).values_list("pk", "submission_id", "address_key", "sent_at")
    return {row[0]: HitMessage(*row) for row in rows}
