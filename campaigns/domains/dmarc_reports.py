"""DMARC aggregate reports (RFC 7489 appendix C, RFC 9990): from the XML of a stranger to counts. Pure.

Nothing of a report but its sender's name, its id, its days and counts for each address of a server is kept; the
envelope addresses, selectors and remarks some reporters add are not read.
"""

from __future__ import annotations

import io
import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from campaigns.domains.unpacking import unreadable

MOST_ROWS = 100_000
MOST_COUNT = 10**12
# Elements in one of the parts: a hundred signatures in a record are many.
_MOST_PENDING = 10_000
_LONGEST = timedelta(days=62)
_DISPOSITIONS = frozenset({"none", "pass", "quarantine", "reject"})


class Source(NamedTuple):
    """What is counted together: the From domain, the server's address, and how its mail was judged."""

    header_from: str
    source_ip: str
    disposition: str
    dkim_aligned: bool
    spf_aligned: bool


@dataclass(frozen=True, slots=True)
class DmarcReport:
    """One report about a policy domain."""

    reporter: str
    report_id: str
    domain: str
    begins_at: datetime
    ends_at: datetime
    counts: Mapping[Source, int] = field(hash=False)


def read_dmarc_report(data: bytes) -> DmarcReport:
    """The report in XML; raises CampaignError `report.unreadable`, also for entities and document types."""
    facts: dict[str, str] = {}
    counts: Counter[Source] = Counter()
    try:
        for name, element in _read_elements(data):
            if name == "record":
                _count(element, facts.get("policy_published/domain", ""), counts)
            else:
                facts |= {f"{name}/{path}": text for path, text in _texts(element)}
            if len(counts) > MOST_ROWS:
                raise unreadable()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise unreadable() from error
    return _build(facts, counts)


def _read_elements(data: bytes) -> Iterator[tuple[str, Element]]:
    """The three elements that matter, one after the other; none is kept, so a long report needs little memory."""
    pending = 0
    for event, element in iterparse(io.BytesIO(data), events=("start", "end"), forbid_dtd=True):
        pending += event == "start"
        if pending > _MOST_PENDING:
            raise unreadable()
        name = _local(element)
        if event == "end" and name in {"record", "report_metadata", "policy_published"}:
            yield name, element
            element.clear()
            pending = 0


def _build(facts: Mapping[str, str], counts: Mapping[Source, int]) -> DmarcReport:
    try:
        begins, ends = (
            datetime.fromtimestamp(int(facts[f"report_metadata/date_range/{end}"]), UTC) for end in ("begin", "end")
        )
        report_id = facts["report_metadata/report_id"]
        domain = facts["policy_published/domain"].lower().removesuffix(".")
    except (KeyError, ValueError, OverflowError, OSError) as error:
        raise unreadable() from error
    if not begins <= ends or ends - begins > _LONGEST or not report_id or not domain:
        raise unreadable()
    reporter = facts.get("report_metadata/org_name", "") or "unknown"
    return DmarcReport(reporter, report_id, domain, begins, ends, counts)


def _count(record: Element, policy_domain: str, counts: Counter[Source]) -> None:
    found = dict(_texts(record))
    disposition = found.get("row/policy_evaluated/disposition", "none").lower()
    source = Source(
        header_from=(found.get("identifiers/header_from") or policy_domain).lower().removesuffix("."),
        source_ip=_address(found.get("row/source_ip", "")),
        disposition=disposition if disposition in _DISPOSITIONS else "none",
        dkim_aligned=found.get("row/policy_evaluated/dkim", "").lower() == "pass",
        spf_aligned=found.get("row/policy_evaluated/spf", "").lower() == "pass",
    )
    number = int(found.get("row/count", ""))
    if not 0 < number <= MOST_COUNT:
        raise ValueError("count")
    counts[source] += number


def _address(text: str) -> str:
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id:
            raise ValueError("zone")
        found = found.ipv4_mapped or found
    return str(found)


def _texts(element: Element, *, path: str = "", depth: int = 0) -> list[tuple[str, str]]:
    """Path and text of everything below; of siblings of one name the last."""
    found = []
    for child in element if depth < 4 else ():
        name = f"{path}{_local(child)}"
        found.append((name, (child.text or "").strip()))
        found += _texts(child, path=f"{name}/", depth=depth + 1)
    return found


def _local(element: Element) -> str:
    """The name without its namespace: reporters use the old one, the new one, or none."""
    return str(element.tag).rpartition("}")[2].lower()
