"""Taking what is to be told, and writing down what came of it. A worker that dies leaves leases that run out.

An endpoint is one worker's at a time, so a slow one holds up nobody but itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from campaigns.models import REPORT_KINDS, DeliveryState, EndpointState, WebhookDelivery, WebhookEndpoint
from campaigns.webhooks import retry
from campaigns.webhooks.deliver import Verdict, describe

# Longer than the calls taken at once can last: four lanes, ten seconds each.
LEASE = timedelta(seconds=90)
CALLS_AT_ONCE = 16
KEPT_DONE = timedelta(days=7)
KEPT_LOST = timedelta(days=30)
_FORGET_AT_ONCE = 5_000


def find_endpoints(*, now: datetime, limit: int, without: Collection[int] = ()) -> list[int]:
    """Endpoints with something to tell now that are in nobody's hands, those longest waiting first."""
    due = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"), state=DeliveryState.WAITING, next_attempt_at__lte=now)
    rows = _free(now).filter(Exists(due)).exclude(pk__in=without)
    return list(rows.order_by(F("busy_until").asc(nulls_first=True), "pk").values_list("pk", flat=True)[:limit])


def take_endpoint(pk: int, *, now: datetime) -> WebhookEndpoint | None:
    """The endpoint, this worker's until it lets go or its lease runs out; None when somebody else was first."""
    if _free(now).filter(pk=pk).update(busy_until=now + LEASE) != 1:
        return None
    return WebhookEndpoint.objects.select_related("account").get(pk=pk)


def keep_endpoint(endpoint: WebhookEndpoint, *, now: datetime) -> None:
    """Another lease for what this worker has."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(busy_until=now + LEASE)


def leave_endpoint(endpoint: WebhookEndpoint, *, now: datetime) -> None:
    """Others may have it."""
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(busy_until=now)


def _free(now: datetime) -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(
        Q(busy_until=None) | Q(busy_until__lte=now), Q(paused_until=None) | Q(paused_until__lte=now),
        state=EndpointState.ACTIVE,
    )  # fmt: skip


Parcel = Sequence[WebhookDelivery]
"""What goes in one call: delivery reports together, anything else alone."""


def take_parcels(endpoint: WebhookEndpoint, *, now: datetime, calls: int = CALLS_AT_ONCE) -> list[Parcel]:
    """What is due for an endpoint this worker has, for so many calls; each row counts one attempt more.

    What failed together comes back together, so that a call made again has the id and body of the first.
    """
    due = WebhookDelivery.objects.filter(
        endpoint=endpoint, state=DeliveryState.WAITING, next_attempt_at__lte=now
    ).order_by("next_attempt_at", "pk")
    parcels = _pack(due[: max(endpoint.max_bucket, calls)], most=endpoint.max_bucket, limit=calls)
    ids = [row.pk for parcel in parcels for row in parcel]
    until = now + LEASE
    mine = WebhookDelivery.objects.filter(pk__in=ids, state=DeliveryState.WAITING, next_attempt_at__lte=now)
    if mine.update(attempts=F("attempts") + 1, next_attempt_at=until) != len(ids):
        # Somebody gave some of them up in this moment.
        left = set(WebhookDelivery.objects.filter(pk__in=ids, next_attempt_at=until).values_list("pk", flat=True))
        parcels = [kept for parcel in parcels if (kept := [row for row in parcel if row.pk in left])]
    for parcel in parcels:
        for row in parcel:
            row.attempts += 1
    return list(parcels)


def _pack(rows: Iterable[WebhookDelivery], *, most: int, limit: int) -> list[list[WebhookDelivery]]:
    parcels: list[list[WebhookDelivery]] = []
    open_parcels: dict[tuple[int, datetime | None], list[WebhookDelivery]] = {}
    for row in rows:
        is_report = row.kind in REPORT_KINDS
        key = (row.attempts, row.next_attempt_at if row.attempts else None)
        parcel = open_parcels.get(key) if is_report else None
        if parcel is not None and len(parcel) < most:
            parcel.append(row)
        elif len(parcels) < limit:
            parcels.append([row])
            if is_report:
                open_parcels[key] = parcels[-1]
    return parcels


def put_back(rows: Parcel, *, now: datetime) -> None:
    """As if it had never been taken."""
    waiting = WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows], state=DeliveryState.WAITING)
    waiting.update(attempts=F("attempts") - 1, next_attempt_at=now)


def give_up(rows: Collection[WebhookDelivery], *, code: str, now: datetime) -> None:
    """These are never told, for the reason of the code."""
    waiting = WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows], state=DeliveryState.WAITING)
    waiting.update(state=DeliveryState.LOST, last_code=code[:40], done_at=now)


def record(endpoint: WebhookEndpoint, rows: Parcel, verdict: Verdict, *, now: datetime) -> None:
    """Write down what came of a call: told, or when it is tried again; and what it says about the endpoint."""
    mine = WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows], state=DeliveryState.WAITING)
    seen = {"last_status": verdict.status, "last_code": verdict.code[:40]}
    if verdict.is_told:
        mine.update(state=DeliveryState.DONE, done_at=now, **seen)
        _note_success(endpoint, count=len(rows), now=now)
        return
    delay = retry.next_delay(rows[0].attempts)
    # Of the addresses in requests one may be gone and others not: it alone is given up.
    if delay is None or (verdict.is_gone and endpoint.is_of_requests):
        mine.update(state=DeliveryState.LOST, done_at=now, **seen)
    else:
        mine.update(next_attempt_at=now + delay, **seen)
    _note_failure(endpoint, verdict, now=now)


def _note_success(endpoint: WebhookEndpoint, *, count: int, now: datetime) -> None:
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    rows.update(failures=0, failing_since=None, paused_until=None, told_count=F("told_count") + count, last_told_at=now)
    endpoint.failures, endpoint.failing_since = 0, None


def _note_failure(endpoint: WebhookEndpoint, verdict: Verdict, *, now: datetime) -> None:
    endpoint.failures += 1
    endpoint.failing_since = endpoint.failing_since or now
    rest = max(retry.rest_after(endpoint.failures), timedelta(seconds=verdict.pause))
    rows = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    rows.update(
        failures=endpoint.failures,
        failing_since=endpoint.failing_since,
        paused_until=now + rest if rest else None,
        failed_count=F("failed_count") + 1,
    )
    if endpoint.is_of_requests:
        return
    is_dead = endpoint.failures >= retry.STOP_AFTER and now - endpoint.failing_since >= retry.STOP_AFTER_TIME
    if verdict.is_gone or is_dead:
        because = "The receiver says that it is gone for good (410)." if verdict.is_gone else describe(verdict)
        stop_endpoint(endpoint, because=because)


def stop_endpoint(endpoint: WebhookEndpoint, *, because: str) -> None:
    """Nothing is told to it until a person switches it on again; what happens is kept. `because` is a sentence."""
    active = WebhookEndpoint.objects.filter(pk=endpoint.pk, state=EndpointState.ACTIVE)
    active.update(state=EndpointState.FAILED, state_because=because[:200])


def replay(endpoint: WebhookEndpoint, *, now: datetime, since: datetime | None = None, only: int | None = None) -> int:
    """Tell again what was given up: one delivery, or all since a moment; returns how many. The ids stay the same."""
    lost = WebhookDelivery.objects.filter(endpoint=endpoint, state=DeliveryState.LOST)
    if only is not None:
        lost = WebhookDelivery.objects.filter(endpoint=endpoint, pk=only).exclude(state=DeliveryState.WAITING)
    if since is not None:
        lost = lost.filter(created_at__gte=since)
    return lost.update(state=DeliveryState.WAITING, attempts=0, next_attempt_at=now, done_at=None)


def forget_old(*, sure: int, now: datetime) -> None:
    """Delete what was told a week ago and what was given up, or still waits, after a month.

    Nothing above the event number `sure`: it would be found in the ledger once more, and told twice.
    """
    told = Q(state=DeliveryState.DONE, created_at__lt=now - KEPT_DONE)
    old = WebhookDelivery.objects.filter(told | Q(created_at__lt=now - KEPT_LOST), about__lte=sure)
    while ids := list(old.values_list("pk", flat=True)[:_FORGET_AT_ONCE]):
        WebhookDelivery.objects.filter(pk__in=ids).delete()
