"""The records a sending domain must or may publish."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from django.conf import settings

from campaigns.domains import dmarc_judging, spf_judging
from campaigns.domains.offers import mta_sts_value
from campaigns.domains.spf import Term, read_term
from campaigns.models import DkimKey, Domain

OWNERSHIP, DMARC = "ownership", "dmarc"
SPF, RETURN_MX, INBOUND_MX, TRACKING = "spf", "return-mx", "inbound-mx", "tracking"
MTA_STS, TLS_RPT, BIMI = "mta-sts", "tls-rpt", "bimi"
_STRING_BYTES = 255


class Need(StrEnum):
    """Without a required record nothing is sent; without an advised one less arrives; optional ones are offers."""

    REQUIRED = "required"
    ADVISED = "advised"
    OPTIONAL = "optional"


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """One record to publish; `kind` is the `record` its DnsFinding goes by, `value` the whole text without quotes."""

    kind: str
    host: str
    type: str
    value: str
    need: Need = Need.REQUIRED

    @property
    def strings(self) -> tuple[str, ...]:
        """The value in character-strings of at most 255 bytes (RFC 1035 §3.3); readers join them without a space."""
        return tuple(self.value[at : at + _STRING_BYTES] for at in range(0, len(self.value), _STRING_BYTES))

    @property
    def zone_text(self) -> str:
        """The value as a zone file or a provider that asks for quoted strings wants it."""
        if self.type != "TXT":
            return f"{self.value}."
        return " ".join(f'"{_escape(string)}"' for string in self.strings)


def all_records(domain: Domain) -> tuple[ExpectedRecord, ...]:
    """Every record with a value of ours: the required ones first, the offers last."""
    return (*expected_records(domain), *advised_records(domain), *offered_records(domain))


def expected_records(domain: Domain) -> tuple[ExpectedRecord, ...]:
    """What must be published: proof of ownership, each DKIM key receivers ask for now or will soon, and DMARC."""
    keys = domain.dkim_keys.filter(state__in=DkimKey.PUBLISHED).order_by("-algorithm", "pk")
    return (expect_ownership(domain), *(expect_key(domain, key) for key in keys), expect_dmarc(domain))


def advised_records(domain: Domain) -> tuple[ExpectedRecord, ...]:
    """SPF for the return path and a server for what comes back, and the host of links, as far as they are known."""
    host = bounce_host(domain)
    found = []
    if wanted := wanted_terms(domain):
        found.append(ExpectedRecord(SPF, host, "TXT", spf_judging.build_record((), wanted=wanted), Need.ADVISED))
    if domain.return_path and settings.INBOUND_HOST:
        found.append(ExpectedRecord(RETURN_MX, host, "MX", f"10 {settings.INBOUND_HOST}", Need.ADVISED))
    if domain.tracking_host and (ours := public_host()):
        found.append(ExpectedRecord(TRACKING, domain.tracking_host, "CNAME", ours, Need.ADVISED))
    return tuple(found)


def offered_records(domain: Domain) -> tuple[ExpectedRecord, ...]:
    """What a domain may publish as well: answers to us, and encryption of the mail we receive for it."""
    ours = settings.INBOUND_HOST
    if not ours:
        return ()
    host, found = bounce_host(domain), list[ExpectedRecord]()
    if host != domain.name or not domain.return_path:
        # Who has made addresses for mail to come in by wants it to come.
        need = Need.ADVISED if domain.inbound_routes.filter(is_active=True).exists() else Need.OPTIONAL
        found.append(ExpectedRecord(INBOUND_MX, domain.name, "MX", f"10 {ours}", need))
    if domain.return_path:
        found.append(ExpectedRecord(MTA_STS, f"_mta-sts.{host}", "TXT", mta_sts_value([ours]), Need.OPTIONAL))
        if reports_to := reports_address(domain):
            value = f"v=TLSRPTv1; rua=mailto:{reports_to}"
            found.append(ExpectedRecord(TLS_RPT, f"_smtp._tls.{host}", "TXT", value, Need.OPTIONAL))
    return tuple(found)


def expect_ownership(domain: Domain) -> ExpectedRecord:
    """The record that proves the account controls the domain."""
    return ExpectedRecord(OWNERSHIP, f"_sealpost.{domain.name}", "TXT", f"sealpost-verify={domain.ownership_token}")


def record_of(key: DkimKey) -> str:
    """The `record` a finding about this key goes by."""
    return f"dkim:{key.selector}"


def expect_key(domain: Domain, key: DkimKey) -> ExpectedRecord:
    """The record that publishes a DKIM key (RFC 6376 §3.6.1)."""
    return ExpectedRecord(
        record_of(key),
        f"{key.selector}._domainkey.{domain.name}",
        "TXT",
        f"v=DKIM1; k={key.algorithm}; p={key.public_key}",
    )


def expect_dmarc(domain: Domain) -> ExpectedRecord:
    """The softest DMARC record; one that is there already, here or above, serves as well (MP-02)."""
    value = dmarc_judging.build_record({}, reports_to=reports_address(domain))
    return ExpectedRecord(DMARC, f"_dmarc.{domain.name}", "TXT", value)


def wanted_terms(domain: Domain) -> list[Term]:
    """What SPF must allow for our mail: the domain's own words for it, or the installation's."""
    words: Sequence[str] = domain.spf_terms.split() or settings.SPF_TERMS
    return [term for word in words if (term := read_term(word))]


def bounce_host(domain: Domain) -> str:
    """The domain receivers check SPF for: that of the return path, which is the From address's when there is none."""
    return domain.return_path.rpartition("@")[2] or domain.name


def reports_address(domain: Domain) -> str:
    """Where reports about the domain go; empty when nobody said."""
    return domain.reports_to or str(settings.REPORTS_ADDRESS)


def public_host() -> str:
    """The name we are reached at, where the hosts of links have to lead; empty while it is only an address."""
    host = (urlsplit(settings.PUBLIC_URL).hostname or "").lower()
    return host if "." in host and not re.fullmatch(r"[\d.]+", host) else ""


def _escape(string: str) -> str:
    """As RFC 1035 §5.1 has it: quotes and backslashes escaped, anything but plain ASCII as a number."""
    plain = (
        f"\\{chr(byte)}" if byte in b'"\\' else chr(byte) if 32 <= byte < 127 else f"\\{byte:03d}"
        for byte in string.encode()
    )
    return "".join(plain)
