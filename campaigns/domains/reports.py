"""Reports of mailbox providers, taken in for the domains they are about.

Whoever brings a report in – a person, a command, the mailbox reports are sent to – calls `take_reports`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction

from campaigns.domains.dmarc_reports import DmarcReport, Source, read_dmarc_report
from campaigns.domains.tls_reports import TlsReport, read_tls_report
from campaigns.domains.unpacking import unpack, unreadable
from campaigns.models import DmarcCount, Domain, DomainReport, ReportKind, TlsCount

KEPT = timedelta(days=400)
_CHUNK = 1000
# Clocks of reporters may be ahead.
_AHEAD = timedelta(days=2)

Report = DmarcReport | TlsReport


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file: reports stored, copies of known ones, and reports about none of the domains."""

    stored: int = 0
    known: int = 0
    foreign: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.stored + other.stored, self.known + other.known, self.foreign + other.foreign)


def read_reports(data: bytes) -> list[Report]:
    """The reports in a file as it was attached to a mail: XML or JSON, plain, gzipped or zipped (evil input 18).

    Raises CampaignError `report.unreadable` or `report.too-large`.
    """
    return [_read_report(content) for content in unpack(data)]


def take_reports(data: bytes, *, domains: Iterable[Domain], now: datetime) -> Taken:
    """Store the reports in a file for those of the domains they are about; a report is stored once.

    Mail from a subdomain nobody added counts for the domain above it. Raises as read_reports, and stores nothing then.
    """
    reports = read_reports(data)
    if not reports or any(report.ends_at > now + _AHEAD for report in reports):
        raise unreadable()
    by_name: dict[str, list[Domain]] = defaultdict(list)
    for domain in domains:
        by_name[domain.name].append(domain)
    taken = Taken()
    with transaction.atomic():
        for report in reports:
            taken += _take(report, by_name)
    return taken


def verified_domains() -> Iterable[Domain]:
    """Those a report that came by mail may be about: of whoever proved that the domain is theirs."""
    return Domain.objects.exclude(verified_at=None)


def forget_old_reports(*, now: datetime) -> None:
    """Delete reports that are older than charts reach."""
    DomainReport.objects.filter(ends_at__lt=now - KEPT).delete()


def _read_report(content: bytes) -> Report:
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"{":
        return read_tls_report(content)
    if start == b"<":
        return read_dmarc_report(content)
    raise unreadable()


def _take(report: Report, by_name: Mapping[str, list[Domain]]) -> Taken:
    taken = Taken()
    names = _names(report)
    for name in sorted({found for name in names if (found := _owner(name, by_name))}):
        for domain in by_name[name]:
            taken += _store(report, domain, about={other for other in names if _owner(other, by_name) == name})
    return taken if taken != Taken() else Taken(foreign=1)


def _names(report: Report) -> set[str]:
    if isinstance(report, TlsReport):
        return {outcome.domain for outcome in report.counts}
    return {source.header_from for source in report.counts} or {report.domain}


def _owner(name: str, by_name: Mapping[str, list[Domain]]) -> str:
    """The name itself or the nearest above it that somebody added; empty for none."""
    while name and name not in by_name:
        name = name.partition(".")[2]
    return name


def _store(report: Report, domain: Domain, *, about: set[str]) -> Taken:
    kind = ReportKind.TLS if isinstance(report, TlsReport) else ReportKind.DMARC
    row, is_new = DomainReport.objects.get_or_create(
        domain=domain,
        key=hashlib.sha256(f"{kind}\0{report.reporter}\0{report.report_id}".encode("utf-8", "replace")).hexdigest(),
        defaults={
            "kind": kind,
            "reporter": "".join(c for c in report.reporter if c.isprintable())[:120],
            "begins_at": report.begins_at,
            "ends_at": report.ends_at,
        },
    )
    if not is_new:
        return Taken(known=1)
    if isinstance(report, TlsReport):
        _store_tls(report, row, about)
    else:
        _store_dmarc(report, row, about)
    return Taken(stored=1)


def _store_dmarc(report: DmarcReport, row: DomainReport, about: set[str]) -> None:
    day = _day(report)
    sums: dict[tuple[str, str, bool, bool], int] = defaultdict(int)
    for source, count in report.counts.items():
        if source.header_from in about:
            sums[_without_name(source)] += count
    DmarcCount.objects.bulk_create(
        (
            DmarcCount(
                report=row, domain_id=row.domain_id, day=day, source_ip=address, disposition=disposition,
                dkim_aligned=dkim, spf_aligned=spf, count=count,
            )
            for (address, disposition, dkim, spf), count in sums.items()
        ),
        batch_size=_CHUNK,
    )  # fmt: skip


def _without_name(source: Source) -> tuple[str, str, bool, bool]:
    return source.source_ip, source.disposition, source.dkim_aligned, source.spf_aligned


def _store_tls(report: TlsReport, row: DomainReport, about: set[str]) -> None:
    day = _day(report)
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for outcome, count in report.counts.items():
        if outcome.domain in about and count:
            sums[outcome.policy, outcome.result] += count
    TlsCount.objects.bulk_create(
        TlsCount(report=row, domain_id=row.domain_id, day=day, policy=policy, result=result, count=count)
        for (policy, result), count in sums.items()
    )


def _day(report: Report) -> date:
    """The day in the middle: reporters begin their days at midnight UTC, or at their own."""
    return (report.begins_at + (report.ends_at - report.begins_at) / 2).date()
