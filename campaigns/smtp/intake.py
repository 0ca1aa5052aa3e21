"""Storing what conversations hand in: one thread, one transaction for all that waits.

A mail is answered when its rows are durable. While a commit is under way others queue up, and the next commit takes all
of them along, so that the cost of a commit is shared just when there is most to do.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from threading import Thread

from django.db import DatabaseError, close_old_connections, connection, connections
from django.utils import timezone

from campaigns.accounts import limits
from campaigns.accounts.keys import Credential
from campaigns.errors import CampaignError
from campaigns.outbox import repeats
from campaigns.outbox.requests import Batch, check_batch
from campaigns.outbox.together import accept_requests, accept_together

log = logging.getLogger(__name__)

_MOST_TOGETHER = 100
_OPERATION = "messages.send"


class NotStored(Exception):
    """Nothing was stored, for a reason that may pass by itself."""


@dataclass(slots=True, repr=False)
class Handed:
    """One mail to be stored; `stored` becomes its id, or CampaignError or NotStored.

    With a `key` it is recognised when it comes again; `body` is what came, word for word.
    """

    batch: Batch
    credential: Credential
    key: str = ""
    body: bytes = b""
    stored: Future[str] = field(default_factory=Future)


class Intake:
    """The thread that stores; `put` may be called from any thread, `stop` stores what waits and ends it."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Handed | None] = queue.SimpleQueue()
        self._thread = Thread(target=self._run, name="smtp-intake", daemon=True)
        self._thread.start()

    def put(self, handed: Handed) -> Future[str]:
        self._waiting.put(handed)
        return handed.stored

    def stop(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            is_open = True
            while is_open:
                group, is_open = self._next_group()
                if group:
                    store_group(group)
        finally:
            connections.close_all()

    def _next_group(self) -> tuple[list[Handed], bool]:
        group: list[Handed] = []
        handed = self._waiting.get()
        while handed is not None:
            group.append(handed)
            if len(group) >= _MOST_TOGETHER:
                return group, True
            try:
                handed = self._waiting.get_nowait()
            except queue.Empty:
                return group, True
        return group, False


def store_group(group: Sequence[Handed]) -> None:
    """Store all of them, and tell each what became of it."""
    close_old_connections()
    now = timezone.now()
    try:
        make_durable()
        welcome = [handed for handed in group if _is_welcome(handed, now=now)]
        plain = [handed for handed in welcome if not handed.key]
        _store_together(plain, now=now)
        for handed in welcome:
            if handed.key:
                _store_alone(handed, now=now)
    except Exception as error:
        # The edge of the thread: it must live on, and nobody may wait for ever. No traceback: its text could quote a row.
        log.error("Storing mails failed: %s", type(error).__name__)  # noqa: TRY400
        for handed in group:
            if not handed.stored.done():
                handed.stored.set_exception(NotStored())


def make_durable() -> None:
    """With SQLite a commit is on the disk, not only with the system, before anybody is told of it (SU-07)."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")


def _is_welcome(handed: Handed, *, now: datetime) -> bool:
    try:
        limits.take_request(handed.credential, operation=_OPERATION, now=now)
        check_batch(handed.batch)
    except CampaignError as error:
        handed.stored.set_exception(error)
        return False
    return True


def _store_together(group: Sequence[Handed], *, now: datetime) -> None:
    if not group:
        return
    try:
        results = accept_together([handed.batch for handed in group], now=now)
    except DatabaseError as error:
        if len(group) == 1:
            log.error("Storing a mail failed: %s", type(error).__name__)  # noqa: TRY400 - its text could quote a row
            group[0].stored.set_exception(NotStored())
            return
        # One of them may be what the database does not take: the others must not suffer for it.
        for handed in group:
            _store_together([handed], now=now)
        return
    for handed, result in zip(group, results, strict=True):
        if isinstance(result, CampaignError):
            handed.stored.set_exception(result)
        else:
            handed.stored.set_result(result[0].message_id)


def _store_alone(handed: Handed, *, now: datetime) -> None:
    """In a transaction of its own: keys of two groups could wait for each other."""

    def make() -> bytes:
        return accept_requests(handed.batch, now=now)[0].message_id.encode()

    try:
        answer = repeats.answer_once(handed.credential.account, keys=[handed.key], body=handed.body, make=make)
        handed.stored.set_result(answer.decode())
    except CampaignError as error:
        handed.stored.set_exception(error)
    except DatabaseError as error:
        log.error("Storing a mail failed: %s", type(error).__name__)  # noqa: TRY400 - its text could quote a row
        handed.stored.set_exception(NotStored())
