"""What a slice may take now: due messages, as many as limits and send windows let through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Protocol

from django.utils import timezone

from campaigns.models import Submission
from campaigns.outbox import claim, due, throttle, windows
from campaigns.outbox.claim import Claimed

SOON = timedelta(seconds=10)  # within which a slice waits for single messages; the sweep finds the others
ROUNDS = 20  # batches put off as a whole, one after the other, before the slice looks whether somebody wants to stop it
_BREATH = timedelta(seconds=0.1)


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may leave before `until`; `because` is a sentence for people."""

    until: datetime
    because: str


class Intakes(Protocol):
    """Claims for one worker; `wait` is set once nothing more may leave for now."""

    wait: Wait | None

    def take(self, limit: int) -> list[Claimed]: ...
    def note_unused(self, count: int) -> None: ...
    def give_back(self) -> None: ...


class Intake:
    """Claims for one worker; `wait` is set once limits or windows let nothing more through for now."""

    def __init__(self, submission: Submission, *, worker: str) -> None:
        self._submission, self._worker = submission, worker
        self._window = windows.read_window(submission.options)
        self._unused = 0
        self.wait: Wait | None = None

    @cached_property
    def _limits(self) -> throttle.Limits:
        return throttle.open_limits(self._submission)

    def take(self, limit: int) -> list[Claimed]:
        """Up to limit messages that may leave now; [] when nothing is due or `wait` says until when."""
        now = timezone.now()
        self.give_back()
        self.wait = self._closed(now)
        if self.wait is not None:
            return []
        grant = self._limits.take(limit, now=now)
        if not grant.count:
            assert grant.retry_at is not None
            self.wait = Wait(grant.retry_at, grant.because)
            return []
        # A batch whose readers all sleep, or whose domain is busy, must not look like the end.
        for _ in range(ROUNDS):
            claimed = claim.claim_messages(self._submission.pk, worker=self._worker, now=now, limit=grant.count)
            free = self._put_off(claimed, now=now) if claimed else []
            if free:
                self._limits.give_back(grant.count - len(free), now=now)
                return free
            if not claimed:
                self.wait = self._next(now)
                break
        else:
            self.wait = Wait(now, "")
        self._limits.give_back(grant.count, now=now)
        return []

    def _next(self, now: datetime) -> Wait | None:
        """What was put off for a moment comes back by itself; None when nothing is queued any more."""
        at = due.next_due(self._submission.pk)
        # What is due already is in another's hands, or its time is over: to ask at once again would be to ask for ever.
        return None if at is None or at > now + SOON else Wait(max(at, now + _BREATH), "")

    def note_unused(self, count: int) -> None:
        """So many of the messages taken did not leave after all: they do not count against any limit."""
        self._unused += count

    def give_back(self) -> None:
        """Settle what was noted; asked again with every `take`."""
        if self._unused:
            self._limits.give_back(self._unused, now=timezone.now())
        self._unused = 0

    def _closed(self, now: datetime) -> Wait | None:
        if self._window is None or self._window.by_recipient:
            return None
        zone = self._submission.account.time_zone
        opens = windows.opens_at(self._window, zone=zone, now=now)
        return None if opens is None else Wait(opens, "It is outside the hours you chose for sending.")

    def _put_off(self, claimed: list[Claimed], *, now: datetime) -> list[Claimed]:
        """Those who may get their mail now; the others are put back, each with its own time."""
        moments = self._moments(claimed, now=now)
        later = {message.id: at for message, at in zip(claimed, moments, strict=True) if at is not None}
        if not later:
            return claimed
        claim.postpone_claims(later, worker=self._worker)
        return [message for message in claimed if message.id not in later]

    def _moments(self, claimed: list[Claimed], *, now: datetime) -> list[datetime | None]:
        asleep: list[datetime | None] = [None] * len(claimed)
        if self._window is not None and self._window.by_recipient:
            ours = self._submission.account.time_zone
            zones = [windows.zone_of(message.attributes, fallback=ours) for message in claimed]
            asleep = windows.later(self._window, zones=zones, now=now)
        if self._limits.limits_nothing(now):
            return asleep
        awake = [message.recipient_domain for message, at in zip(claimed, asleep, strict=True) if at is None]
        busy = iter(self._limits.later(awake, now=now))
        return [next(busy) if at is None else at for at in asleep]
