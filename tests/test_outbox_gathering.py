"""What threads bring at the same moment is stored by one of them, in one transaction."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from campaigns import addresses
from campaigns.models import Door, Message, Purpose
from campaigns.outbox.gathering import Gathering
from campaigns.outbox.payload import Payload
from campaigns.outbox.requests import Addressee, Batch, EmailRequest, Group
from campaigns.outbox.together import accept_together
from tests.api import Program, refusing

pytestmark = pytest.mark.django_db(transaction=True)


class SlowCounter:
    """Stores as the outbox does; the first group waits until it is told to go on."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.go_on = threading.Event()

    def __call__(self, batches: list[Batch], *, now: datetime) -> Any:
        self.groups.append(len(batches))
        if len(self.groups) == 1:
            assert self.go_on.wait(60)
        return accept_together(batches, now=now)


def batch(program: Program, person: str) -> Batch:
    payload = Payload("Shop", f"shop@{program.domain.name}", subject="Your order", text="On its way.")
    request = EmailRequest(
        groups=(Group((Addressee(addresses.parse(person)),)),),
        payload=payload,
        sender_domain=program.domain.name,
    )
    return Batch(program.account, Door.HTTP, Purpose.TRANSACTIONAL, (request,), timezone.now())


@contextlib.contextmanager
def bring(program: Program, *people: str) -> Iterator[tuple[SlowCounter, list[Callable[[], Any]]]]:
    """Each of them by a thread, the first one at the counter before the others come."""
    counter = SlowCounter()
    gathering = Gathering(counter, counters=1)

    def hand_in(person: str) -> Any:
        try:
            return gathering.accept(batch(program, person), now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as threads:
        first = threads.submit(hand_in, people[0])
        while not (counter.groups or first.done()):
            time.sleep(0.005)
        others = [threads.submit(hand_in, person) for person in people[1:]]
        while len(gathering) < len(others) and not any(other.done() for other in others):
            time.sleep(0.005)
        counter.go_on.set()
        yield counter, [future.result for future in (first, *others)]


def test_whoever_comes_while_another_stores_is_stored_with_all_the_others_that_came() -> None:
    program = Program()
    with bring(program, *(f"p{number}@example.com" for number in range(5))) as (counter, answers):
        told = {answer()[0].message_id for answer in answers}
    assert counter.groups == [1, 4]
    assert told == {str(row.public_id) for row in Message.objects.all()}


class NoCounter:
    """Notes how many came together, and stores nothing."""

    def __init__(self) -> None:
        self.groups: list[int] = []

    def __call__(self, batches: list[Batch], **_: Any) -> Any:
        self.groups.append(len(batches))
        return [[] for _ in batches]


def test_whoever_is_on_the_way_is_waited_for() -> None:
    program, counter = Program(), NoCounter()
    gathering = Gathering(counter, patience=20)
    on_the_way = threading.Event()

    @gathering.expects
    def dawdle() -> Any:
        on_the_way.set()
        while not len(gathering):
            time.sleep(0.005)
        return gathering.accept(batch(program, "second@example.com"), now=timezone.now())

    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(dawdle)
        assert on_the_way.wait(20)
        gathering.accept(batch(program, "first@example.com"), now=timezone.now())
        second.result()
    assert counter.groups == [2]


def test_whoever_turns_back_on_the_way_is_not_waited_for() -> None:
    program, counter = Program(), NoCounter()
    gathering = Gathering(counter, patience=60)
    on_the_way = threading.Event()

    @gathering.expects
    def turn_back() -> None:
        on_the_way.set()
        while not len(gathering):
            time.sleep(0.005)

    with ThreadPoolExecutor(1) as threads:
        second = threads.submit(turn_back)
        assert on_the_way.wait(20)
        began = time.monotonic()
        gathering.accept(batch(program, "first@example.com"), now=timezone.now())
        second.result()
    assert counter.groups == [1]
    assert time.monotonic() - began < 30


def test_a_caller_that_is_alone_waits_for_nobody() -> None:
    program, counter = Program(), NoCounter()
    gathering = Gathering(counter, patience=60)
    began = time.monotonic()
    for _ in range(2):
        gathering.expects(lambda: gathering.accept(batch(program, "p@example.com"), now=timezone.now()))()
    assert counter.groups == [1, 1]
    assert time.monotonic() - began < 30


def test_a_batch_the_database_does_not_take_costs_the_others_nothing() -> None:
    program = Program()
    people = ("p0@example.com", "p1@example.com", "poison@example.com")
    with refusing("poison@example.com"), bring(program, *people) as (_, answers):
        first, second, broken = answers
        told = {first()[0].message_id, second()[0].message_id}
        with pytest.raises(DatabaseError):
            broken()
    assert told == {str(row.public_id) for row in Message.objects.all()}
