"""What the other side tells about messages after hand-over, and the steps they take by it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q

from campaigns.models import Event, EventKind, Message, MessageState
from campaigns.outbox import counts, states
from campaigns.outbox.recovery import UNCERTAIN


def is_in_doubt(code: str) -> bool:
    """Whether an attempt that ended by this code may have been accepted."""
    return code == UNCERTAIN or code.endswith(".outcome-unknown")


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A message somebody tells about, as it is now."""

    id: int
    public_id: UUID
    state: str
    address_key: str
    error_code: str
    attempts: int
    recipient: str = field(repr=False)

    @property
    def waits(self) -> bool:
        return self.state in {MessageState.QUEUED, MessageState.HELD}

    @property
    def may_bounce(self) -> bool:
        """False when it ended already, and when it waits for another attempt: that one decides, unless in doubt."""
        return is_in_doubt(self.error_code) if self.waits else self.state in states.sources(MessageState.BOUNCED)

    def is_about(self, attempt: int) -> bool:
        """False for news of an attempt that was refused and followed by another; 0 is news of no certain attempt."""
        # The second may have gone under the id of the first.
        return attempt in {0, self.attempts} or (attempt == 1 and self.attempts == 2)


def lock_messages(public_ids: Collection[UUID], *, transport_id: int) -> tuple[dict[UUID, KnownMessage], bool]:
    """The messages among these that left by this transport, locked; and whether all of them could be had now.

    False when a worker holds some at this moment: its record of the hand-over comes first. Needs a transaction.
    """
    ours = Message.objects.filter(public_id__in=public_ids, submission__transport=transport_id)
    free = ours.exclude(state=MessageState.SENDING).order_by("pk")
    # Rows somebody else is writing are passed over instead of waited for: no deadlock.
    locked = free.select_for_update(of=("self",), no_key=True, skip_locked=True)
    found = {
        row[1]: KnownMessage(*row)
        for row in locked.values_list("pk", "public_id", "state", "address_key", "error_code", "attempts", "recipient")
    }
    return found, len(found) == ours.count()


def note_accepted(messages: Collection[KnownMessage], *, now: datetime) -> None:
    """Messages whose hand-over was in doubt did leave: they are `sent`, and never sent again."""
    waiting = [message for message in messages if message.waits]
    if not waiting:
        return
    ids = [message.id for message in waiting]
    _step(waiting, MessageState.SENT, sent_at=now, done_at=now, error_code="")
    Event.objects.bulk_create([Event(message_id=pk, kind=EventKind.SENT, at=now) for pk in ids], batch_size=500)


def note_delivered(messages: Collection[KnownMessage]) -> None:
    """The last system took them."""
    _step(messages, MessageState.DELIVERED, awaits_report=_IS_OF_A_PROGRAM)


def note_bounced(messages: Collection[KnownMessage], *, code: str) -> None:
    """They will not arrive, for the reason of the code."""
    _step(messages, MessageState.BOUNCED, error_code=code, awaits_report=_IS_OF_A_PROGRAM)


# Whoever sent it by the API is told once more: this is another outcome.
_IS_OF_A_PROGRAM = ExpressionWrapper(Q(stream__isnull=False), output_field=BooleanField())


def _step(messages: Collection[KnownMessage], target: MessageState, **changes: object) -> None:
    # They are locked, but the news before this one may have moved them on.
    ids = [message.id for message in messages]
    rows = Message.objects.filter(pk__in=ids, state__in=states.sources(target))
    before = dict(rows.values_list("pk", "state"))
    if before:
        Message.objects.filter(pk__in=before).update(state=target, **changes)
        counts.note_steps(before, target=target)
