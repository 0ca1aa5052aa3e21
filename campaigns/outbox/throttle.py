"""Sending limits that all workers on all hosts share, kept in the database.

Not in Redis, which a small installation does not have: taking tokens is one short transaction for a whole batch, whose
messages the same database claims and records anyway, a limit must outlive a restart of its store, and two stores could
disagree. Locks are taken in the order of their keys, so workers wait for each other and never in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction

from campaigns.bucket import Level, Line, Rate
from campaigns.models import Account, DayCount, Domain, DomainLimit, Door, Submission, TokenBucket, Transport
from campaigns.outbox import daily
from campaigns.outbox.daily import DailyCap
from campaigns.outbox.slowing import Slowdown, Slowdowns

# A limit by the second evens out within a second. One by the hour may bring two minutes' worth at once: whole batches,
# where its share of a second would be one mail per transaction, and the sweep, which looks every minute, comes in time.
_HOURLY_BURST = 120.0


@dataclass(frozen=True, slots=True)
class Grant:
    """How many messages may leave now. When fewer than wanted: when it is worth asking again, and why in a sentence."""

    count: int
    retry_at: datetime | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Limit:
    """One bucket that every message of a submission takes from."""

    rate: Rate
    because: str


class Limits:
    """The limits of one submission as they are when it is opened: for one slice of one worker.

    `slowdowns` are looked at again and again: destinations ask for less mail while it is on its way.
    """

    def __init__(
        self,
        *,
        shared: Mapping[str, Limit],
        cap: DailyCap | None,
        by_domain: Mapping[str, tuple[str, Rate]],
        slowdowns: Slowdowns | None = None,
    ):
        self._shared = shared
        self._rates = {key: limit.rate for key, limit in shared.items()}
        self._cap = cap
        self._by_domain = by_domain
        self._slowdowns = slowdowns
        self._made: set[str] = set()
        self._counted_on: date | None = None

    def limits_nothing(self, now: datetime) -> bool:
        """True when nothing is limited now: then nothing needs to be taken."""
        return not (self._shared or self._cap or self._by_domain or self._find_slowed(now))

    def take(self, want: int, *, now: datetime) -> Grant:
        """Up to want messages that may leave now by all limits together; each counts exactly those granted."""
        if want < 1 or not (self._shared or self._cap):
            return Grant(max(want, 0))
        self._make_buckets(self._rates, now=now)
        with transaction.atomic():
            rows = _lock(self._shared)
            levels = {key: _level(row).refill(self._rates[key], now=now) for key, row in rows.items()}
            day, left = self._look_at_day(now)
            count = min([want, *(level.whole for level in levels.values()), *left])
            levels = {key: level.take(count) for key, level in levels.items()}
            _save(rows, levels)
            if day is not None:
                daily.add_to(day, count)
        if count == want:
            return Grant(count)
        return self._wait(count, want - count, levels, used_up=day if left == [count] else None)

    def give_back(self, count: int, *, now: datetime) -> None:
        """Return what was granted and not used."""
        if count < 1 or not (self._shared or self._cap):
            return
        with transaction.atomic():
            rows = _lock(self._shared)
            levels = {key: _level(row).refill(self._rates[key], now=now) for key, row in rows.items()}
            _save(rows, {key: level.put_back(count, self._rates[key]) for key, level in levels.items()})
            if self._cap is not None and self._counted_on is not None:
                daily.add_to(self._cap.lock(self._counted_on), -count)

    def later(self, recipient_domains: Sequence[str], *, now: datetime) -> list[datetime | None]:
        """For each message, by the domain it goes to: None = it may leave now, else when to try again.

        Messages to one domain get one moment after the other, so that they do not all come back at once.
        """
        slowed = self._find_slowed(now)
        limits = {**self._by_domain, **{domain: self._tighter(domain, entry) for domain, entry in slowed.items()}}
        concerned = {domain: limits[domain] for domain in set(recipient_domains) & limits.keys()}
        if not concerned:
            return [None] * len(recipient_domains)
        self._make_buckets(dict(concerned.values()), now=now)
        with transaction.atomic():
            rows = _lock([key for key, _ in concerned.values()])
            lines = {
                domain: _line(rows[key], rate, slowed.get(domain), now=now) for domain, (key, rate) in concerned.items()
            }
            moments = [lines[domain].step() if domain in lines else None for domain in recipient_domains]
            for domain, (key, _) in concerned.items():
                rows[key].promised_until = lines[domain].promised
            _save(rows, {key: lines[domain].level for domain, (key, _) in concerned.items()})
        return moments

    def _find_slowed(self, now: datetime) -> Mapping[str, Slowdown]:
        return self._slowdowns.current(now) if self._slowdowns is not None else {}

    def _tighter(self, domain: str, slowdown: Slowdown) -> tuple[str, Rate]:
        """The bucket of a slowed domain; the account's own limit still holds where it is lower."""
        _, own = self._by_domain.get(domain, ("", slowdown.rate))
        return slowdown.key, min(slowdown.rate, own, key=lambda rate: rate.per_second)

    def _make_buckets(self, rates: Mapping[str, Rate], *, now: datetime) -> None:
        """Full buckets for keys that have none yet: in a statement of its own, before anything is locked."""
        if missing := sorted(rates.keys() - self._made):
            full = [TokenBucket(key=key, tokens=rates[key].burst, filled_at=now) for key in missing]
            TokenBucket.objects.bulk_create(full, ignore_conflicts=True)
            self._made.update(missing)

    def _look_at_day(self, now: datetime) -> tuple[DayCount | None, list[int]]:
        """Today's count, locked, and what is left of it; nothing when there is no daily cap today."""
        if self._cap is None:
            return None, []
        self._counted_on = self._cap.today(now)
        day = self._cap.lock(self._counted_on)
        left = self._cap.left(day)
        return day, [] if left is None else [left]

    def _wait(self, count: int, wanted: int, levels: Mapping[str, Level], *, used_up: DayCount | None) -> Grant:
        """A grant of less than wanted: the limit that holds longest says when to come back."""
        waits = []
        for key, level in levels.items():
            rate = self._rates[key]
            # A quarter of a burst: nobody asks for single messages, and who comes late has lost nothing.
            fair = max(1.0, min(float(wanted), rate.burst / 4))
            waits.append((level.holds_at(fair, rate), self._shared[key].because))
        if self._cap is not None and used_up is not None:
            waits.append((self._cap.next_day(used_up.day), self._cap.explain(used_up.day)))
        return Grant(count, *max(waits))


def open_limits(submission: Submission) -> Limits:
    """What limits a submission (loaded with its account, transport and sender's domain), in one query."""
    account = submission.account
    rows = DomainLimit.objects.filter(account=account, max_per_second__gt=0)
    return Limits(
        shared=_shared_limits(submission),
        cap=_find_cap(submission),
        by_domain={row.domain: (f"to:{account.pk}:{row.domain}", Rate(row.max_per_second)) for row in rows},
        slowdowns=Slowdowns(submission.transport_id),
    )


def open_stream_limits(transport: Transport) -> Limits:
    """What limits the mails of all requests that leave by a transport (loaded with its account)."""
    account = transport.account
    found = [
        (f"account:{account.pk}", account.max_per_second, "The account's limit is reached."),
        (f"transport:{transport.pk}", transport.max_per_second, "The limit of this way to send is reached."),
    ]
    shared = {key: Limit(Rate(per_second), because) for key, per_second, because in found if per_second}
    return Limits(shared=shared, cap=None, by_domain={})


def open_domain_limits(domain: Domain | None, *, account: Account, slowdowns: Slowdowns) -> Limits:
    """What limits the mails from one sender domain, besides what limits the whole stream, in one query."""
    rows = DomainLimit.objects.filter(account=account, max_per_second__gt=0)
    by_domain = {row.domain: (f"to:{account.pk}:{row.domain}", Rate(row.max_per_second)) for row in rows}
    if domain is None:
        return Limits(shared={}, cap=None, by_domain=by_domain, slowdowns=slowdowns)
    shared = {}
    if domain.max_per_second:
        shared[f"domain:{domain.pk}"] = Limit(Rate(domain.max_per_second), f"The limit of {domain.name} is reached.")
    cap = daily.open_cap(domain, account=account)
    return Limits(shared=shared, cap=cap, by_domain=by_domain, slowdowns=slowdowns)


def _shared_limits(submission: Submission) -> dict[str, Limit]:
    account, transport, sender = submission.account, submission.transport, submission.sender
    found = [
        (f"account:{account.pk}", account.max_per_second, "The account's limit is reached."),
        (f"transport:{transport.pk}", transport.max_per_second, "The limit of this way to send is reached."),
    ]
    if sender is not None:
        domain = sender.domain
        found.append((f"domain:{domain.pk}", domain.max_per_second, f"The limit of {domain.name} is reached."))
    limits = {key: Limit(Rate(per_second), because) for key, per_second, because in found if per_second}
    if per_hour := submission.options.get("max_per_hour"):
        rate = Rate(per_hour / 3600, _HOURLY_BURST)
        limits[f"submission:{submission.pk}"] = Limit(rate, "The limit of this campaign is reached.")
    return limits


def _find_cap(submission: Submission) -> DailyCap | None:
    # A test is one mail that somebody waits for.
    if submission.sender is None or submission.door == Door.TEST:
        return None
    return daily.open_cap(submission.sender.domain, account=submission.account)


def _lock(keys: Collection[str]) -> dict[str, TokenBucket]:
    if not keys:
        return {}
    return {row.key: row for row in TokenBucket.objects.select_for_update().filter(key__in=keys).order_by("key")}


def _line(row: TokenBucket, rate: Rate, slowdown: Slowdown | None, *, now: datetime) -> Line:
    if slowdown is None or slowdown.paused_until <= now:
        return Line(_level(row), rate, promised=row.promised_until, now=now)
    # Behind the pause, one after the other: whatever the bucket held is gone.
    promised = max(row.promised_until or now, slowdown.paused_until)
    return Line(Level(0.0, now), rate, promised=promised, now=now)


def _level(row: TokenBucket) -> Level:
    return Level(row.tokens, row.filled_at)


def _save(rows: Mapping[str, TokenBucket], levels: Mapping[str, Level]) -> None:
    for key, row in rows.items():
        row.tokens, row.filled_at = levels[key].tokens, levels[key].at
    TokenBucket.objects.bulk_update(rows.values(), ["tokens", "filled_at", "promised_until"])
