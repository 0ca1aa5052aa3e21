"""Telling programs what happened: read the ledger, call who wants to know, write down what came of it.

Each endpoint gets one call at a time until it has answered one, then a few; one that fails is left alone for a while.
So a receiver that hangs costs one thread for ten seconds, and the others do not notice.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from campaigns import jobs
from campaigns.errors import CampaignError
from campaigns.models import WebhookEndpoint
from campaigns.tracking.describing import DescribeMail, Untold, describe_parcels, sample_call
from campaigns.tracking.news import collect_news
from campaigns.webhooks import bell, claims
from campaigns.webhooks.deliver import Call, Courier, Verdict, make_call, open_session

BUDGET = 45.0  # seconds in which calls may begin
LINGER = 1.0  # seconds without work before a worker goes
LANES = 4  # calls to one endpoint at once
MOST_ENDPOINTS = 64
_LOOK_EVERY = 0.5
_TURN = 0.1


@dataclass(slots=True)
class _Hand:
    """An endpoint in this worker's hands."""

    endpoint: WebhookEndpoint
    kept_at: float
    calls: deque[Call] = field(default_factory=deque)
    on_their_way: int = 0
    lanes: int = 1
    is_closing: bool = False


def tell(*, budget: float = BUDGET, linger: float = LINGER, describe_mail: DescribeMail | None = None) -> bool:
    """Tell what is due until nothing is, for about budget seconds; whether more is waiting.

    `describe_mail` writes the calls about mail that came in, which rooms above this one know.
    """
    bell.promise(timezone.now())
    with contextlib.closing(Courier()) as courier:
        run = _Run(courier, until=time.monotonic() + budget, linger=linger, describe_mail=describe_mail)
        try:
            run.work()
        finally:
            run.leave()
    # In this order: who has news now either finds that nobody looks, or is found by the last look.
    bell.end_promise()
    now = timezone.now()
    return collect_news(now=now) or bool(claims.find_endpoints(now=now, limit=1))


def tell_sample(endpoint: WebhookEndpoint, *, now: datetime, call: Call | None = None) -> Verdict:
    """Call an endpoint with something made up, and what came of it; ten seconds at most. Raises CampaignError.

    Made up here, unless a room above brings something of its own.
    """
    with contextlib.closing(open_session()) as session:
        return make_call(call or sample_call(endpoint, now=now), session=session, now=now)


class _Run:
    """One worker's pass; everything here happens in the thread with the database."""

    def __init__(self, courier: Courier, *, until: float, linger: float, describe_mail: DescribeMail | None) -> None:
        self._courier, self._until, self._linger, self._describe_mail = courier, until, linger, describe_mail
        self._hands: dict[int, _Hand] = {}
        self._looked_at = -_LOOK_EVERY
        self._worked_at = time.monotonic()

    def work(self) -> None:
        """Go on until the time is over and everything on its way has come back, or nothing was to be done for a while."""
        while True:
            now = time.monotonic()
            is_over = now >= self._until or jobs.is_stopping()
            if not is_over and now - self._looked_at >= _LOOK_EVERY:
                self._look()
            self._feed(is_over=is_over)
            if self._hands:
                self._worked_at = time.monotonic()
            elif is_over or time.monotonic() - self._worked_at >= self._linger:
                return
            self._note(self._courier.answers(seconds=_TURN))

    def leave(self) -> None:
        """Let go of everything; what is on its way is another's when its lease runs out, and told once more."""
        for hand in list(self._hands.values()):
            self._close(hand)

    def _look(self) -> None:
        self._looked_at, now = time.monotonic(), timezone.now()
        bell.promise(now)
        while collect_news(now=now) and time.monotonic() < self._until:
            bell.promise(timezone.now())
            if self._hands:
                break  # their calls are not to wait until a million events are read
        room = MOST_ENDPOINTS - len(self._hands)
        for pk in claims.find_endpoints(now=now, limit=room, without=self._hands) if room else ():
            if endpoint := claims.take_endpoint(pk, now=now):
                self._hands[pk] = _Hand(endpoint, time.monotonic())

    def _feed(self, *, is_over: bool) -> None:
        for hand in list(self._hands.values()):
            if is_over or hand.is_closing:
                self._put_back(hand)
            elif not hand.calls and hand.on_their_way < hand.lanes:
                self._take(hand)
            while hand.calls and hand.on_their_way < hand.lanes:
                self._courier.send(hand.calls.popleft())
                hand.on_their_way += 1
            if not hand.on_their_way:
                self._close(hand)

    def _take(self, hand: _Hand) -> None:
        now = timezone.now()
        claims.keep_endpoint(hand.endpoint, now=now)
        calls = claims.CALLS_AT_ONCE if hand.lanes > 1 else 1
        parcels = claims.take_parcels(hand.endpoint, now=now, calls=calls)
        try:
            for found in describe_parcels(hand.endpoint, parcels, now=now, describe_mail=self._describe_mail):
                if isinstance(found, Untold):
                    claims.give_up(found.rows, code=found.code, now=now)
                else:
                    hand.calls.append(found)
        except CampaignError as error:
            # A person must mend it: its settings do not open, or it may not be called unsigned any more.
            for parcel in parcels:
                claims.put_back(parcel, now=now)
            claims.stop_endpoint(hand.endpoint, because=error.safe_text)
            hand.is_closing = True

    def _note(self, answers: list[tuple[Call, Verdict]]) -> None:
        if not answers:
            return
        now = timezone.now()
        with transaction.atomic():
            for call, verdict in answers:
                hand = self._hands[call.endpoint_id]
                claims.record(hand.endpoint, call.tag, verdict, now=now)
                hand.on_their_way -= 1
                if verdict.is_told:
                    hand.lanes = LANES
                else:
                    hand.is_closing = True

    def _put_back(self, hand: _Hand) -> None:
        now = timezone.now()
        for call in hand.calls:
            claims.put_back(call.tag, now=now)
        hand.calls.clear()

    def _close(self, hand: _Hand) -> None:
        self._put_back(hand)
        claims.leave_endpoint(hand.endpoint, now=timezone.now())
        self._hands.pop(hand.endpoint.pk, None)
