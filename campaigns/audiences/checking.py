"""Checks of many addresses: stored at once, worked off in the background, kept for a month."""

from __future__ import annotations

import json
import logging
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import dns.resolver
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from campaigns import jobs
from campaigns.audiences.mail_servers import Reach, ask_reach
from campaigns.audiences.validation import Verdict, check_addresses, check_key, read_address
from campaigns.models import Account, AddressCheck, AddressCheckRun, AddressRisk, MailboxVerdict
from compliance import vault

log = logging.getLogger(__name__)

CHECK = "campaigns.tasks.check_addresses"
MOST_DESTINATIONS = 100_000
KEPT = timedelta(days=31)
LEASE = timedelta(seconds=300)
_CHUNK = 500
# A silent nameserver takes seconds for each question: many are asked side by side.
_ASKED_AT_ONCE = 16
# SQLite has one writer: others get their turn in the time between two of our transactions.
_BREATH = 0.02


@dataclass(frozen=True, slots=True, repr=False)
class Checked:
    """One result as its caller gets it."""

    id: int
    destination: str
    verdict: Verdict
    checked_at: datetime
    run_name: str


@dataclass(frozen=True, slots=True, repr=False)
class Wanted:
    """Which results, where given; `since` and `until` are when they were checked."""

    run_name: str = ""
    destinations: tuple[str, ...] = ()
    mailbox: str = ""
    has_valid_syntax: bool | None = None
    is_disposable: bool | None = None
    is_role: bool | None = None
    risk: str = ""
    since: datetime | None = None
    until: datetime | None = None


def start_run(account: Account, *, destinations: Sequence[str], name: str = "") -> AddressCheckRun:
    """Store the texts and ring for whoever checks them; without a name the run is called by its public id."""
    run = AddressCheckRun(account=account, total=len(destinations))
    run.name = name or str(run.public_id)
    text = zlib.compress(json.dumps(list(destinations), ensure_ascii=False).encode("utf-8", "replace"))
    run.destinations_sealed = vault.seal(text, **_run_context(run))
    with transaction.atomic():
        run.save(force_insert=True)
        jobs.ring(CHECK, run.pk)
    return run


def run_checks(run_id: int, *, resolver: dns.resolver.Resolver, budget_seconds: float) -> bool:
    """Check what is left of a run, or as much as the budget allows; True when something is left and nobody has it.

    Safe to call at any time: a finished run, or one in another worker's hands, is left alone; one whose worker died goes
    on after its last commit.
    """
    run = _claim(run_id)
    if run is None:
        return False
    with _released(run):
        return _check_rest(run, resolver, ends=time.monotonic() + budget_seconds)


def find_stopped(*, now: datetime) -> list[int]:
    """Runs nobody works on: their bell was lost, their worker died, or their budget ended. Ring for each again."""
    idle = Q(lease_until=None) | Q(lease_until__lt=now)
    return [*AddressCheckRun.objects.filter(idle, finished_at=None).values_list("pk", flat=True)]


def list_checks(
    account: Account, *, wanted: Wanted, size: int, after: int | None = None, before: int | None = None
) -> tuple[list[Checked], bool]:
    """Up to size results in the order they were found, behind one result or right before one; and whether more follow
    in that direction."""
    rows = _filter(account, wanted).select_related("run")
    if before is not None:
        found = list(rows.filter(pk__lt=before).order_by("-pk")[: size + 1])
    else:
        found = list(rows.filter(pk__gt=after or 0).order_by("pk")[: size + 1])
    shown = found[:size] if before is None else found[:size][::-1]
    return [checked for row in shown if (checked := _open(account, row))], len(found) > size


def forget_checks(*, now: datetime) -> None:
    """Delete results older than a month, and finished runs that have none left."""
    AddressCheck.objects.filter(checked_at__lt=now - KEPT).delete()
    AddressCheckRun.objects.filter(finished_at__lt=now - KEPT, checks=None).delete()


def _claim(run_id: int) -> AddressCheckRun | None:
    now = timezone.now()
    free = AddressCheckRun.objects.filter(Q(lease_until=None) | Q(lease_until__lt=now), pk=run_id, finished_at=None)
    if not free.update(lease_until=now + LEASE):
        return None
    return AddressCheckRun.objects.select_related("account").get(pk=run_id)


@contextmanager
def _released(run: AddressCheckRun) -> Iterator[None]:
    """However it ends, the lease is free."""
    try:
        yield
    finally:
        AddressCheckRun.objects.filter(pk=run.pk, lease_until=run.lease_until).update(lease_until=None)


def _check_rest(run: AddressCheckRun, resolver: dns.resolver.Resolver, *, ends: float) -> bool:
    try:
        text = vault.unseal(bytes(run.destinations_sealed), **_run_context(run))
    except vault.SealBroken:
        log.error("check %s: what was to be checked does not open; it ends here.", run.public_id)  # noqa: TRY400
        _finish(run)
        return False
    destinations: list[str] = json.loads(zlib.decompress(text))
    known: dict[str, Reach] = {}
    while run.position < run.total:
        chunk = destinations[run.position : run.position + _CHUNK]
        # No transaction is open while DNS is asked.
        _ask_all(chunk, known, resolver)
        if not _commit(run, chunk, check_addresses(run.account, chunk, ask=known.__getitem__)):
            return False
        if run.position < run.total and (time.monotonic() > ends or jobs.is_stopping()):
            return True
    _finish(run)
    return False


def _ask_all(texts: Sequence[str], known: dict[str, Reach], resolver: dns.resolver.Resolver) -> None:
    """Learn whether the domains of these addresses take mail, each once in a run."""
    domains = {address.domain for text in texts if (address := read_address(text))} - known.keys()
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as askers:
        answers = askers.map(lambda domain: ask_reach(domain, resolver=resolver), domains)
        known.update(zip(domains, answers, strict=True))


def _commit(run: AddressCheckRun, texts: Sequence[str], verdicts: Sequence[Verdict]) -> bool:
    """Write a chunk with its position; False when another worker has taken the run over."""
    now = timezone.now()
    held = AddressCheckRun.objects.filter(pk=run.pk, position=run.position, lease_until=run.lease_until)
    rows = [
        _make_row(run, number, text, verdict, now=now)
        for number, (text, verdict) in enumerate(zip(texts, verdicts, strict=True), run.position)
    ]
    with transaction.atomic():
        if not held.update(position=run.position + len(texts), lease_until=now + LEASE):
            return False
        AddressCheck.objects.bulk_create(rows)
    run.position, run.lease_until = run.position + len(texts), now + LEASE
    if connection.vendor == "sqlite":
        time.sleep(_BREATH)
    return True


def _make_row(run: AddressCheckRun, number: int, text: str, verdict: Verdict, *, now: datetime) -> AddressCheck:
    return AddressCheck(
        account_id=run.account_id,
        run=run,
        number=number,
        address_key=verdict.key,
        address_sealed=vault.seal(text.encode("utf-8", "replace"), **_context(run, number)),
        mailbox=verdict.mailbox,
        has_valid_syntax=verdict.has_valid_syntax,
        is_disposable=verdict.is_disposable,
        is_role=verdict.is_role,
        risk=verdict.risk,
        reason=verdict.reason,
        details=verdict.details,
        suggestion=verdict.suggestion,
        checked_at=now,
    )


def _finish(run: AddressCheckRun) -> None:
    # What was to be checked stands in the results now, each sealed by itself.
    AddressCheckRun.objects.filter(pk=run.pk).update(finished_at=timezone.now(), destinations_sealed=b"")


def _filter(account: Account, wanted: Wanted) -> QuerySet[AddressCheck]:
    rows = AddressCheck.objects.filter(account=account)
    if wanted.run_name:
        rows = rows.filter(run__name=wanted.run_name)
    if wanted.destinations:
        keys = [check_key(account, text, address=read_address(text)) for text in wanted.destinations]
        rows = rows.filter(address_key__in=keys)
    plain = {
        "mailbox": wanted.mailbox or None,
        "has_valid_syntax": wanted.has_valid_syntax,
        "is_disposable": wanted.is_disposable,
        "is_role": wanted.is_role,
        "risk": wanted.risk or None,
        "checked_at__gte": wanted.since,
        "checked_at__lte": wanted.until,
    }
    return rows.filter(**{name: value for name, value in plain.items() if value is not None})


def _open(account: Account, row: AddressCheck) -> Checked | None:
    row.run.account = account
    try:
        text = vault.unseal(bytes(row.address_sealed), **_context(row.run, row.number)).decode()
    except vault.SealBroken:
        return None
    verdict = Verdict(
        row.address_key,
        MailboxVerdict(row.mailbox),
        AddressRisk(row.risk),
        row.has_valid_syntax,
        row.is_disposable,
        row.is_role,
        row.reason,
        row.details,
        row.suggestion,
    )
    return Checked(row.pk, text, verdict, row.checked_at, row.run.name)


def _run_context(run: AddressCheckRun) -> dict[str, str]:
    account = str(run.account.public_id)
    return {"account": account, "thing": "address-check-run", "id": str(run.public_id), "field": "destinations"}


def _context(run: AddressCheckRun, number: int) -> dict[str, str]:
    account = str(run.account.public_id)
    return {"account": account, "thing": "address-check", "id": f"{run.public_id}:{number}", "field": "address"}
