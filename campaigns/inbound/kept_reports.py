"""Bounces and complaints as they came, sealed for some days, for people who want to know what was said exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from campaigns.inbound.parse import Part, read_mail
from campaigns.models import KeptReport, Message
from compliance import vault

LARGEST = 256 * 1024  # bytes kept of one; what matters stands at its beginning
_SHOWN = 20_000  # characters of one part
_STATUS = {"message/delivery-status", "message/global-delivery-status", "message/feedback-report"}
_HEADERS = ("from", "to", "date", "subject")


@dataclass(frozen=True, slots=True, repr=False)
class OpenedReport:
    """A report for reading: some headers, and its texts and codes, in their order; never the mail it returns."""

    headers: tuple[tuple[str, str], ...]
    texts: tuple[tuple[str, str], ...]


def keep_report(raw: bytes, *, message: Message, kind: str, now: datetime) -> None:
    """Keep a report for the days of `REPORTS_KEPT_DAYS`, under a key that ends with them."""
    if not settings.REPORTS_KEPT_DAYS:
        return
    until = now + timedelta(days=settings.REPORTS_KEPT_DAYS)
    report = KeptReport(message=message, kind=kind, received_at=now, keep_until=until)
    scope = vault.until(str(message.submission.account.public_id), until)
    report.raw_sealed = vault.seal(raw[:LARGEST], scope, **_context(report))
    report.save()


def open_report(report: KeptReport) -> OpenedReport | None:
    """The report as plain texts; None when its key has ended."""
    try:
        raw = vault.unseal(bytes(report.raw_sealed), **_context(report))
    except vault.SealBroken:
        return None
    mail = read_mail(raw)
    headers = tuple((name.capitalize(), value) for name in _HEADERS if (value := mail.headers.get(name)))
    return OpenedReport(
        headers, tuple(_show(part) for part in mail.parts if part.is_text or part.content_type in _STATUS)
    )


def _show(part: Part) -> tuple[str, str]:
    return part.content_type, part.read_text()[:_SHOWN].strip()


def forget_old(*, now: datetime) -> int:
    """Delete reports whose days are over; returns how many."""
    count, _ = KeptReport.objects.filter(keep_until__lt=now).delete()
    return count


def _context(report: KeptReport) -> dict[str, str]:
    account = str(report.message.submission.account.public_id)
    return {"account": account, "thing": "report", "id": str(report.public_id), "field": "raw"}
