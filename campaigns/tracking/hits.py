"""Opens and clicks as they come in: what their readers allow now decides what is kept of each (LA-04)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from campaigns.models import EventKind, TrackingLevel
from campaigns.tracking.agents import read_agent
from campaigns.tracking.allowed import Allowed
from campaigns.tracking.hit_ledger import Difference, lock_submissions, write_hits
from campaigns.tracking.hit_rows import HitMessage, find_by_public_id
from campaigns.tracking.verdicts import Hit, judge
from campaigns.webhooks import bell


@dataclass(frozen=True, slots=True, repr=False)
class RawHit:
    """A request for a link or picture as it came in; `message` None when its address names nobody.

    `agent` is the browser's name: it stays in memory until the hit is written down, and is not kept. `code` says what
    the request itself gave away.
    """

    at: datetime
    kind: EventKind
    submission_id: int
    message: UUID | None
    link: int | None = None
    agent: str = ""
    code: str = ""


def record_hits(hits: Sequence[RawHit]) -> int:
    """Write down opens and clicks; returns how many. Mail under HIPAA has none, and says nothing if it had.

    One of a reader who allows less by now is counted without a name, or not at all.
    """
    messages = _find_messages(hits)
    allowed = Allowed({hit.submission_id for hit in hits}, messages=messages.values())
    named: dict[int, list[Hit]] = defaultdict(list)
    difference = Difference()
    nameless = 0
    for raw in hits:
        message = messages.get(raw.message) if raw.message is not None else None
        # An address for everybody; or a mail whose row is gone, and that belongs to nobody any more.
        level = allowed.of_message(message) if message else allowed.of_nobody(raw.submission_id)
        if level == TrackingLevel.INDIVIDUAL and message is not None:
            named[message.id].append(_read(raw))
        elif level != TrackingLevel.OFF:
            # A hit of nobody is judged by itself.
            difference.figures.add_nameless(raw.submission_id, judge([_read(raw)], arrivals=[])[0])
            nameless += 1
    with transaction.atomic():
        lock_submissions(allowed.submission_ids)
        written = write_hits({message.id: message for message in messages.values()}, named, difference)
        difference.apply()
        if written:
            # Inside: what fails here is written again with everything else, and counted once.
            for account_id in allowed.account_ids:
                bell.note_news(account_id)
    return written + nameless


def _find_messages(hits: Sequence[RawHit]) -> dict[UUID, HitMessage]:
    ids = {hit.message: hit.submission_id for hit in hits if hit.message is not None}
    found = find_by_public_id(ids)
    return {public_id: message for public_id, message in found.items() if ids[public_id] == message.submission_id}


def _read(raw: RawHit) -> Hit:
    agent = read_agent(raw.agent)
    is_machine, code = (True, raw.code) if raw.code else (agent.is_machine, agent.code)
    return Hit(raw.at, raw.kind, raw.link, int(agent.device), int(agent.system), is_machine, code)
