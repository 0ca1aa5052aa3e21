"""Asking DNS for TXT records, by a resolver the caller brings."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.resolver

from campaigns.errors import CampaignError

_MAX_ALIASES = 8
_LIFETIME = 5.0  # seconds for one answer, over all nameservers
_TIMEOUT = 2.0  # seconds for one question to one nameserver


@dataclass(frozen=True, slots=True)
class TxtAnswer:
    """What DNS said: the texts (their strings joined), whether an alias led there, or that it did not answer."""

    texts: tuple[str, ...] = ()
    is_alias: bool = False
    is_temporary: bool = False


def make_resolver(nameserver: str = "") -> dns.resolver.Resolver:
    """This machine's resolver, or one asking `ADDRESS[:PORT]` only; raises CampaignError `domain.resolver-invalid`."""
    try:
        resolver = dns.resolver.Resolver(configure=not nameserver)
        if nameserver:
            host, _, port = nameserver.partition(":") if nameserver.count(":") == 1 else (nameserver, "", "")
            resolver.nameservers = [str(ipaddress.ip_address(host))]
            resolver.port = int(port or 53)
    except (dns.exception.DNSException, ValueError) as error:
        raise CampaignError(
            "domain.resolver-invalid",
            "There is no nameserver to ask.",
            action="Name one by its address, such as 9.9.9.9 or 127.0.0.1:5353.",
        ) from error
    resolver.lifetime, resolver.timeout = _LIFETIME, _TIMEOUT
    return resolver


def look_up_txt(host: str, *, resolver: dns.resolver.Resolver) -> TxtAnswer:
    """The TXT records at host, following CNAMEs; never raises for what DNS does.

    No such name and no such record are an answer; a timeout, SERVFAIL or refusal is temporary (SP-04).
    """
    try:
        return _follow(dns.name.from_text(host), resolver)
    except dns.exception.DNSException:
        return TxtAnswer(is_temporary=True)


def _follow(name: dns.name.Name, resolver: dns.resolver.Resolver) -> TxtAnswer:
    is_alias = False
    for _ in range(_MAX_ALIASES):
        try:
            answer = resolver.resolve(name, "TXT", search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            return TxtAnswer(is_alias=is_alias or error.canonical_name != name)
        is_alias = is_alias or answer.canonical_name != name
        if answer.rrset is not None:
            return TxtAnswer(tuple(_join(rdata.strings) for rdata in answer.rrset), is_alias=is_alias)
        if answer.canonical_name == name:
            return TxtAnswer(is_alias=is_alias)
        # An authoritative server gives the alias and leaves its target to us.
        name = answer.canonical_name
    return TxtAnswer(is_alias=True)


def _join(strings: tuple[bytes, ...]) -> str:
    return b"".join(strings).decode("utf-8", "replace")
