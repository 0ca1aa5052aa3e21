"""What the conversations of one kind share: limits, threads that may ask the database, and where mail is stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import partial
from threading import Barrier, BrokenBarrierError
from typing import Protocol, TypeVar

from django.db import close_old_connections, connections
from django.utils import timezone

from campaigns.addresses import Address
from campaigns.content.submitted import read_submitted
from campaigns.inbound.places import Place, find_place
from campaigns.inbound.reception import Envelope, take_in
from campaigns.models import Lane
from campaigns.outbox.dsn_request import DsnRequest
from campaigns.outbox.finished import compose_batch
from campaigns.smtp.callers import Caller
from campaigns.smtp.intake import Handed, Intake, make_durable
from campaigns.smtp.limits import Doorman, Limits, Memory

_THREADS = 4
# Reading a mail of this size takes a millisecond; a thread for it would take longer.
_SMALL = 32 * 1024

_Answer = TypeVar("_Answer")


class Leaves(Protocol):
    """A conversation that can be told to come to its end."""

    def wind_down(self) -> None: ...


class Desk:
    """Made in the thread of the loop and used there."""

    def __init__(self, limits: Limits, *, hostname: str) -> None:
        self.limits, self.hostname = limits, hostname
        self.doorman, self.memory = Doorman(limits), Memory(limits.bytes_in_flight)
        self.conversations: set[Leaves] = set()
        self.is_closing = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="smtp")

    async def ask(self, question: Callable[[], _Answer]) -> _Answer:
        """The answer of a function that may ask the database."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _with_database, question)

    def close(self) -> None:
        """End the threads with their connections to the database."""
        gathered = Barrier(_THREADS)
        for _ in range(_THREADS):
            self._threads.submit(_leave_database, gathered)
        self._threads.shutdown()


class SubmissionDesk(Desk):
    """For programs of customers, whose mail goes to the outbox."""

    def __init__(self, limits: Limits, *, hostname: str) -> None:
        super().__init__(limits, hostname=hostname)
        self._intake = Intake()

    async def hand_in(self, raw: bytes, *, caller: Caller, recipients: list[Address], dsn: DsnRequest) -> str:
        """The id of the mail, stored for good; raises CampaignError and NotStored."""
        read = partial(
            _read, raw, caller=caller, recipients=recipients, dsn=dsn, largest=self.limits.message_bytes,
            now=timezone.now(),
        )  # fmt: skip
        # What may be in protected mail is also asked of the database.
        is_quick = len(raw) < _SMALL and caller.credential.lane == Lane.STANDARD
        handed = read() if is_quick else await self.ask(read)
        return await asyncio.wrap_future(self._intake.put(handed))

    def close(self) -> None:
        """Store what waits first."""
        self._intake.stop()
        super().close()


class InboundDesk(Desk):
    """For the mail servers of the world, whose mail is for us: who takes it in, and taking it in."""

    async def find_place(self, mailbox: str) -> Place | None:
        """Who takes mail to this address; None: nobody here."""
        return await self.ask(partial(find_place, mailbox))

    async def take_in(self, raw: bytes, *, envelope: Envelope, places: Sequence[tuple[str, Place]]) -> None:
        """Returns when the mail is stored for good, for everybody it is for; raises CampaignError and DatabaseError."""
        await self.ask(partial(_take_in, raw, envelope=envelope, places=places))


def _take_in(raw: bytes, *, envelope: Envelope, places: Sequence[tuple[str, Place]]) -> None:
    make_durable()
    take_in(raw, envelope=envelope, places=places, now=timezone.now())


def _with_database(question: Callable[[], _Answer]) -> _Answer:
    close_old_connections()
    try:
        return question()
    finally:
        close_old_connections()


def _leave_database(gathered: Barrier) -> None:
    # All at once, or one thread would do it for all of them.
    with suppress(BrokenBarrierError):
        gathered.wait(5)
    connections.close_all()


def _read(
    raw: bytes, *, caller: Caller, recipients: list[Address], dsn: DsnRequest, largest: int, now: datetime
) -> Handed:
    mail = read_submitted(raw, now=now, largest=largest)
    caller.rights.require(mail.sender.domain)
    people = [("", address) for address in recipients]
    batch = compose_batch(mail, origin=caller.origin, recipients=people, dsn=dsn, now=now)
    key = f"message:{mail.controls.message_id}" if mail.controls.message_id else ""
    envelope = "\0".join([dsn.sender, *(address.normalized for address in recipients)]).encode() if key else b""
    return Handed(batch, caller.credential, key=key, body=envelope + b"\0" + raw if key else b"")
