"""Opens and clicks in the ledger: written many at once, judged together with what came before, counted beside.

A hit of a message changes what its earlier ones mean, so they are read first, under a lock of the submission.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from campaigns.models import Event, EventKind, Submission
from campaigns.tracking.counting import Figures
from campaigns.tracking.hit_rows import KINDS, HitMessage, find_messages, insert_hits, read_hits
from campaigns.tracking.verdicts import TOO_SOON, Hit, judge

# Nobody opens a mail so often; a flood must neither fill the ledger nor make each batch slower than the one before.
MOST_PER_MESSAGE = 200
# What is learned about a mail later than this changes no verdict any more.
JUDGED_AGAIN = timedelta(minutes=30)
_AT_ONCE = 500


def lock_submissions(ids: Collection[int]) -> None:
    """Two processes with hits of one mail must not both count it as its first. Needs a transaction."""
    rows = Submission.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=ids).order_by("pk")
    list(rows.values_list("pk", flat=True))


@dataclass(slots=True)
class Difference:
    """What changes by hits that are new or judged anew: figures, and verdicts of hits that are written down already."""

    figures: Figures = field(default_factory=Figures)
    corrections: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def settle(
        self, submission_id: int, *, written: Sequence[Hit], counted: Sequence[Hit], after: Sequence[Hit]
    ) -> None:
        """Note what the hits of one mail are, those that are written down first; what of these is in the figures."""
        for before, hit in zip(written, after, strict=False):
            if hit is not before and hit.id is not None:
                self.corrections[hit.code].append(hit.id)
        self.figures.change(submission_id, before=counted, after=after)

    def apply(self) -> int:
        """Write it down; returns how many verdicts changed. Needs a transaction that holds the submissions."""
        for code, ids in self.corrections.items():
            Event.objects.filter(pk__in=ids).update(is_machine=True, code=code)
        self.figures.apply()
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
    insert_hits(fresh)
    return len(fresh)


def _judge_all(message: HitMessage, hits: Sequence[Hit], delivered: Sequence[datetime]) -> list[Hit]:
    return judge(hits, arrivals=[*delivered, *([message.sent_at] if message.sent_at else [])])


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
