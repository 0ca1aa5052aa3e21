"""Opens and clicks that a provider counted: the same switches and choices hold as for our own (LA-04)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.core.cache import cache

from campaigns.models import Event, EventKind, TrackingLevel
from campaigns.tracking.allowed import Allowed
from campaigns.tracking.counting import Figures
from campaigns.tracking.hit_ledger import count_told
from campaigns.tracking.hit_rows import KINDS, find_messages
from campaigns.tracking.verdicts import Hit

_KEPT_SECONDS = 7 * 24 * 3600


def sort_hits(
    hits: Mapping[UUID, tuple[int, EventKind, datetime]],
) -> set[UUID]:
    """Which of these hits – message, kind and time by the id of the news – may be written down with their reader.

    Those that may only be counted are, once each. Needs a transaction.
    """
    messages = find_messages({message_id for message_id, _, _ in hits.values()})
    allowed = Allowed({message.submission_id for message in messages.values()}, messages=messages.values())
    named: set[UUID] = set()
    figures = Figures()
    for news_id, (message_id, kind, at) in hits.items():
        level = allowed.of_message(messages[message_id])
        if level == TrackingLevel.INDIVIDUAL:
            named.add(news_id)
        # Of a hit without a name there is no row that could tell that it was told before.
        elif level == TrackingLevel.AGGREGATE and cache.add(f"news:{news_id}", 1, _KEPT_SECONDS):
            figures.add_nameless(messages[message_id].submission_id, Hit(at, kind))
    figures.apply()
    return named


def count_fresh(news_ids: Sequence[UUID]) -> None:
    """Count those of the news just written down that are hits. Needs a transaction."""
    rows = Event.objects.filter(news_id__in=news_ids, kind__in=KINDS).values_list("pk", "message_id")
    events: Collection[tuple[int, int]] = list(rows)
    if events:
        count_told({message_id for _, message_id in events}, event_ids={pk for pk, _ in events})
