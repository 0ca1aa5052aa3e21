"""TLS reports (RFC 8460): from the JSON of a stranger to counts. Pure; addresses of servers are not kept."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from campaigns.domains.unpacking import unreadable

MOST_COUNT = 10**12
_MOST_POLICIES = 1000
_LONGEST = timedelta(days=62)
_WORD = re.compile(r"[a-z0-9-]{1,40}")


class Outcome(NamedTuple):
    """What is counted together; `result` is empty for encrypted connections, else the report's word for the failure."""

    domain: str
    policy: str
    result: str


@dataclass(frozen=True, slots=True)
class TlsReport:
    """One report, about one or several policy domains."""

    reporter: str
    report_id: str
    begins_at: datetime
    ends_at: datetime
    counts: Mapping[Outcome, int] = field(hash=False)


def read_tls_report(data: bytes) -> TlsReport:
    """The report in JSON; raises CampaignError `report.unreadable`."""
    try:
        return _read(json.loads(data))
    # JSON has numbers without end, such as 1e400.
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise unreadable() from error


def _read(report: Any) -> TlsReport:
    begins = _time(report["date-range"]["start-datetime"])
    ends = _time(report["date-range"]["end-datetime"])
    if not begins <= ends or ends - begins > _LONGEST or not report["report-id"]:
        raise ValueError("dates")
    counts: Counter[Outcome] = Counter()
    for policy in report["policies"][:_MOST_POLICIES]:
        _count(policy, counts)
    return TlsReport(str(report.get("organization-name") or "unknown"), str(report["report-id"]), begins, ends, counts)


def _count(policy: Any, counts: Counter[Outcome]) -> None:
    kind = _word(policy["policy"]["policy-type"])[:20]
    domain = str(policy["policy"]["policy-domain"]).lower().removesuffix(".")
    counts[Outcome(domain, kind, "")] += _number(policy["summary"]["total-successful-session-count"])
    failed = _number(policy["summary"]["total-failure-session-count"])
    for detail in (policy.get("failure-details") or [])[:_MOST_POLICIES]:
        number = min(_number(detail["failed-session-count"]), failed)
        failed -= number
        counts[Outcome(domain, kind, _word(detail["result-type"]))] += number
    # Some reporters count failures without saying what failed.
    counts[Outcome(domain, kind, "unknown")] += failed


def _word(value: Any) -> str:
    found = str(value).lower()
    return found if _WORD.fullmatch(found) else "unknown"


def _number(value: Any) -> int:
    number = int(value)
    if not 0 <= number <= MOST_COUNT:
        raise ValueError("count")
    return number


def _time(value: Any) -> datetime:
    found = datetime.fromisoformat(str(value))
    return found if found.tzinfo else found.replace(tzinfo=UTC)
