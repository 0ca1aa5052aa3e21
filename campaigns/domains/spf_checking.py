"""SPF for mail we receive: may this host send for this domain? (RFC 7208 §4: check_host)"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from campaigns.domains import spf
from campaigns.domains.lookup import Dns
from campaigns.domains.spf import MOST_LOOKUPS, MOST_MAIL_SERVERS, MOST_VOID, Term

_MACRO = re.compile(r"%(?:\{([slodiphcrtv])(\d{0,3})(r?)([.\-+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_LONGEST_NAME = 253

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class SpfResult(StrEnum):
    """RFC 7208 §2.6."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 (no password)
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


_QUALIFIERS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


class _Ended(Exception):
    """The check ends here, with this result."""

    def __init__(self, result: SpfResult) -> None:
        super().__init__(result)
        self.result = result


@dataclass(slots=True)
class _Check:
    """One check: who asks, and how much has been asked."""

    ip: _Ip
    local: str
    domain: str  # of the sender
    helo: str
    dns: Dns
    lookups: int = 0
    void: int = 0

    def count(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise _Ended(SpfResult.PERMERROR)

    def count_void(self) -> None:
        self.void += 1
        if self.void > MOST_VOID:
            raise _Ended(SpfResult.PERMERROR)


def check_host(remote: str, *, mail_from: str, helo: str, dns: Dns) -> tuple[SpfResult, str]:
    """(what SPF says, the domain it was asked of): that of the sender, of the greeting for reports. Never raises."""
    sender = mail_from or f"postmaster@{helo}"
    local, _, domain = sender.rpartition("@")
    domain = domain.lower().removesuffix(".")
    try:
        ip = ipaddress.ip_address(remote)
    except ValueError:
        return SpfResult.NONE, domain
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if "." not in domain or not domain.isascii():
        return SpfResult.NONE, domain
    check = _Check(ip, local or "postmaster", domain, helo, dns)
    try:
        return _check_domain(check, domain), domain
    except _Ended as ended:
        return ended.result, domain


def _check_domain(check: _Check, domain: str) -> SpfResult:
    answer = check.dns.texts(domain)
    if answer.is_temporary:
        raise _Ended(SpfResult.TEMPERROR)
    records = [text for text in answer.values if spf.is_record(text)]
    if not records:
        return SpfResult.NONE
    terms, unreadable = spf.read_terms(records[0])
    if len(records) > 1 or unreadable:
        raise _Ended(SpfResult.PERMERROR)
    for term in terms:
        if term.name == "redirect" or term.qualifier == "":
            continue
        if _matches(check, term, domain):
            return _QUALIFIERS[term.qualifier]
    redirect = next((term for term in terms if term.name == "redirect"), None)
    if redirect is None:
        return SpfResult.NEUTRAL
    check.count()
    result = _check_domain(check, _target(check, redirect.value, domain))
    if result == SpfResult.NONE:
        raise _Ended(SpfResult.PERMERROR)
    return result


def _matches(check: _Check, term: Term, domain: str) -> bool:
    if term.name == "all":
        return True
    if term.name in {"ip4", "ip6"}:
        network = spf.read_network(term)
        return network is not None and check.ip.version == network.version and check.ip in network
    check.count()
    if term.name == "include":
        return _includes(check, term, domain)
    if term.name == "exists":
        # Of this one only IPv4 addresses count, whatever the sender has (RFC 7208 §5.7).
        found = check.dns.addresses(_target(check, term.value, domain))
        if not found.values:
            _note_nothing(check, found.is_temporary)
        return any(":" not in value for value in found.values)
    if term.name == "ptr":
        # Not looked up: the RFC says that nobody should publish it, and it matches whom its own domain calls by name.
        return False
    return _is_among(check, term, domain)


def _includes(check: _Check, term: Term, domain: str) -> bool:
    result = _check_domain(check, _target(check, term.value, domain))
    if result == SpfResult.NONE:
        raise _Ended(SpfResult.PERMERROR)
    return result == SpfResult.PASS


def _is_among(check: _Check, term: Term, domain: str) -> bool:
    """`a` and `mx`."""
    name, slash, lengths = term.value.partition("/")
    target = _target(check, name, domain) if name else domain
    hosts = [target]
    if term.name == "mx":
        servers = check.dns.mail_servers(target)
        if not servers.values:
            _note_nothing(check, servers.is_temporary)
        hosts = [value.partition(" ")[2] for value in servers.values]
        if len(hosts) > MOST_MAIL_SERVERS:
            raise _Ended(SpfResult.PERMERROR)
    for host in hosts:
        found = check.dns.addresses(host)
        if not found.values and term.name == "a":
            _note_nothing(check, found.is_temporary)
        if any(check.ip in spf.widen(address, slash + lengths) for address in found.values):
            return True
    return False


def _note_nothing(check: _Check, is_temporary: bool) -> None:
    if is_temporary:
        raise _Ended(SpfResult.TEMPERROR)
    check.count_void()


def _target(check: _Check, text: str, domain: str) -> str:
    """A name with its macros replaced (RFC 7208 §7); too long a one loses labels on the left."""
    name = _MACRO.sub(lambda found: _expand(check, found, domain), text).lower().removesuffix(".")
    while len(name) > _LONGEST_NAME:
        name = name.partition(".")[2] or name[-_LONGEST_NAME:]
    return name


def _expand(check: _Check, found: re.Match[str], domain: str) -> str:
    letter, digits, reverse, delimiters, sign = found.groups()
    if sign:
        return {"%": "%", "_": " ", "-": "%20"}[sign]
    is_four = check.ip.version == 4
    value = {
        "s": f"{check.local}@{check.domain}",
        "l": check.local,
        "o": check.domain,
        "d": domain,
        "i": str(check.ip) if is_four else ".".join(check.ip.exploded.replace(":", "")),
        "p": "unknown",
        "h": check.helo,
        "v": "in-addr" if is_four else "ip6",
    }.get(letter.lower(), "")
    parts = re.split(f"[{re.escape(delimiters or '.')}]", value)
    parts = parts[::-1] if reverse else parts
    return ".".join(parts[-int(digits) :] if digits and int(digits) else parts)
