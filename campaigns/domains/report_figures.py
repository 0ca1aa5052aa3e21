"""What the reports about a domain add up to, by day and by server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, Max, Q, QuerySet, Sum

from campaigns.models import DmarcCount, Domain, TlsCount

SHOWN_DAYS = 30
_PASSES = Q(dkim_aligned=True) | Q(spf_aligned=True)


@dataclass(frozen=True, slots=True)
class Day:
    """Mails (or connections) of a day: those that passed and those that did not."""

    day: date
    passed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """One server that sent in the domain's name."""

    address: str
    mails: int
    passed: int
    by_signature: int
    by_spf: int
    stopped: int
    last_day: date

    @property
    def percent(self) -> float:
        return 100 * self.passed / self.mails if self.mails else 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason why connections were not encrypted."""

    result: str
    count: int
    last_day: date


def count_mail(domain: Domain, *, until: date) -> list[Day]:
    """The days up to this one, oldest first, days without reports included; passing is what DMARC calls it."""
    rows = _dmarc(domain, until).values_list("day")
    sums = rows.annotate(passed=Sum("count", filter=_PASSES), failed=Sum("count", filter=~_PASSES))
    return _fill({day: Day(day, passed or 0, failed or 0) for day, passed, failed in sums}, until)


def count_sources(domain: Domain, *, until: date, most: int = 25) -> list[Source]:
    """The servers that sent most, those with most mail first."""
    rows = (
        _dmarc(domain, until)
        .values_list("source_ip")
        .annotate(
            mails=Sum("count"),
            passed=Sum("count", filter=_PASSES),
            by_signature=Sum("count", filter=Q(dkim_aligned=True)),
            by_spf=Sum("count", filter=Q(spf_aligned=True)),
            stopped=Sum("count", filter=Q(disposition__in=["quarantine", "reject"])),
            last=Max("day"),
        )
        .order_by("-mails", "source_ip")[:most]
    )
    return [
        Source(address, mails, passed or 0, by_signature or 0, by_spf or 0, stopped or 0, last)
        for address, mails, passed, by_signature, by_spf, stopped, last in rows
    ]


def count_all_sources(domain: Domain, *, until: date) -> int:
    """How many servers there are."""
    return int(_dmarc(domain, until).aggregate(found=Count("source_ip", distinct=True))["found"])


def count_connections(domain: Domain, *, until: date) -> list[Day]:
    """The days up to this one: encrypted connections to the domain's servers, and others."""
    encrypted = Q(result="")
    rows = _tls(domain, until).values_list("day")
    sums = rows.annotate(passed=Sum("count", filter=encrypted), failed=Sum("count", filter=~encrypted))
    return _fill({day: Day(day, passed or 0, failed or 0) for day, passed, failed in sums}, until)


def count_troubles(domain: Domain, *, until: date) -> list[Trouble]:
    """Why connections were not encrypted, the most frequent first."""
    rows = _tls(domain, until).exclude(result="").values_list("result")
    return [Trouble(*row) for row in rows.annotate(total=Sum("count"), last=Max("day")).order_by("-total", "result")]


def _dmarc(domain: Domain, until: date) -> QuerySet[DmarcCount]:
    return DmarcCount.objects.filter(domain=domain, day__range=(until - timedelta(days=SHOWN_DAYS - 1), until))


def _tls(domain: Domain, until: date) -> QuerySet[TlsCount]:
    return TlsCount.objects.filter(domain=domain, day__range=(until - timedelta(days=SHOWN_DAYS - 1), until))


def _fill(found: dict[date, Day], until: date) -> list[Day]:
    days = [until - timedelta(days=back) for back in reversed(range(SHOWN_DAYS))]
    return [found.get(day, Day(day)) for day in days]
