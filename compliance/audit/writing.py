"""Writing an event: in the transaction of what it tells about, at the end of its account's chain.

If the event cannot be written, what it tells about does not happen either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.utils import timezone

from compliance.audit import chain
from compliance.audit.actions import ACTIONS
from compliance.models import AuditChain, AuditEvent

Value = str | int | bool | None | Sequence[str] | Sequence[int]

# Ids, codes, digests, moments, short words. No @, no quotes, no line ends: what a person typed does not fit through.
_ID = re.compile(r"[A-Za-z0-9._:/+=-]{0,64}", re.ASCII)
_WORDS = re.compile(r"[\w .,:;/#%()<>=+-]{0,80}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_VALUE = re.compile(r"[A-Za-z0-9 ._:/+=,<>%()-]{0,200}", re.ASCII)
_MOST_VALUES = 1000


class AuditRefused(Exception):
    """An event that may not be written: an unknown action, or a text that could carry personal data."""


@dataclass(frozen=True, slots=True)
class Ref:
    """Who or what, as values: nothing here leads to a row, so it still reads when the row is gone.

    The label is for people and names no person who is written to.
    """

    kind: str
    id: str
    label: str = ""


SYSTEM = Ref("system", "sealpost")


def record(
    action: str,
    *,
    owner: str,
    actor: Ref,
    about: Ref,
    data: Mapping[str, Value] | None = None,
    now: datetime | None = None,
) -> AuditEvent:
    """Add an event to the chain of an account (its public id; '' for the installation).

    Belongs into the transaction of the change, as its last step: the chain stays locked until the transaction ends, so
    two changes of one account take turns from here on, and other accounts go on. Raises AuditRefused.
    """
    if not connection.in_atomic_block:
        raise AuditRefused("audit.record belongs into the transaction of what it records.")
    event = AuditEvent(
        owner=owner, at=now or timezone.now(), action=action, actor_kind=actor.kind, actor_id=actor.id,
        actor_label=actor.label, thing_kind=about.kind, thing_id=about.id, thing_label=about.label, data=dict(data or {}),
    )  # fmt: skip
    _check(event)
    end = _lock_end(owner)
    event.seq, event.prev = end.seq + 1, end.digest
    chain.seal_event(event)
    event.save(force_insert=True)
    AuditChain.objects.filter(pk=owner).update(seq=event.seq, digest=event.digest)
    return event


def note(action: str, *, owner: str, actor: Ref, about: Ref, data: Mapping[str, Value] | None = None) -> AuditEvent:
    """Record something that changed nothing, such as a refusal, in a transaction of its own; raises AuditRefused."""
    with transaction.atomic():
        return record(action, owner=owner, actor=actor, about=about, data=data)


def _lock_end(owner: str) -> AuditChain:
    """The end of the chain, locked for the rest of the transaction; SQLite has one writer anyway."""
    locked = AuditChain.objects.select_for_update().filter(pk=owner)
    end = locked.first()
    if end is None:
        # Of two who begin a chain one waits here for the other's commit, and then finds its row.
        AuditChain.objects.bulk_create([AuditChain(owner=owner)], ignore_conflicts=True)
        end = locked.get()
    return end


def _check(event: AuditEvent) -> None:
    if event.action not in ACTIONS:
        raise AuditRefused("This action is not in the vocabulary of the audit trail.")
    ids = (event.owner, event.actor_kind, event.actor_id, event.thing_kind, event.thing_id)
    labels = (event.actor_label, event.thing_label)
    if not all(map(_ID.fullmatch, ids)) or not all(map(_WORDS.fullmatch, labels)):
        raise AuditRefused("An id or a label of this event is none.")
    for name, value in event.data.items():
        if not _NAME.fullmatch(name) or not _is_safe(value):
            raise AuditRefused("A value of this event is neither an id nor a code nor a number.")


def _is_safe(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return len(value) <= _MOST_VALUES and all(_is_safe(entry) for entry in value)
    if isinstance(value, str):
        return _VALUE.fullmatch(value) is not None
    # Not float: it has several spellings. Beyond 53 bits programs disagree about integers (RFC 8259 §6).
    return value is None or isinstance(value, bool) or (isinstance(value, int) and abs(value) < 2**53)
