"""The records as a file for a nameserver or an import at a DNS provider (RFC 1035 §5)."""

from __future__ import annotations

from collections.abc import Iterable

from campaigns.domains.expected import ExpectedRecord, Need, all_records
from campaigns.models import Domain

_TTL = 3600
_TITLES = {
    Need.REQUIRED: "Needed before anything is sent",
    Need.ADVISED: "Advised: without these less of your mail arrives",
    Need.OPTIONAL: "Offers: take the semicolon away from what you want",
}


def write_zone(domain: Domain) -> str:
    """A master file of all records; names are absolute, long texts split, offers commented out."""
    records = all_records(domain)
    parts = [f"; Records of {domain.name} for Sealpost. They add to what the zone holds already.\n$TTL {_TTL}\n"]
    for need in Need:
        chosen = [record for record in records if record.need == need]
        if chosen:
            parts.append(f"\n; {_TITLES[need]}\n{''.join(_write_lines(chosen))}")
    return "".join(parts)


def _write_lines(records: Iterable[ExpectedRecord]) -> Iterable[str]:
    for record in records:
        sign = ";" if record.need == Need.OPTIONAL else ""
        yield f"{sign}{record.host}. IN {record.type} {record.zone_text}\n"
