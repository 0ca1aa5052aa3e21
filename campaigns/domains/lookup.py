"""Asking DNS, by a resolver the caller brings."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.name
import dns.resolver

from campaigns.errors import CampaignError

_MAX_ALIASES = 8
_LIFETIME = 5.0  # seconds for one answer, over all nameservers
_TIMEOUT = 2.0  # seconds for one question to one nameserver
LOOK_SECONDS = 20.0  # for all questions of one look: somebody waits for the page


@dataclass(frozen=True, slots=True)
class Answer:
    """What DNS said: the values, whether an alias led there, that the name exists, or that there was no answer.

    The values are texts (their strings joined), names in lower case without their last dot, addresses, or for MX
    `preference name`.
    """

    values: tuple[str, ...] = ()
    is_alias: bool = False
    is_temporary: bool = False
    exists: bool = True


class Dns:
    """DNS for one look at a domain: each question is asked once, and none when the time is over."""

    def __init__(self, resolver: dns.resolver.Resolver, *, seconds: float = LOOK_SECONDS) -> None:
        self._resolver = resolver
        self._until = time.monotonic() + seconds
        self._known: dict[tuple[str, str], Answer] = {}

    def texts(self, host: str) -> Answer:
        """The TXT records at host."""
        return self._ask(host, "TXT")

    def alias(self, host: str) -> Answer:
        """Where the CNAME at host leads; it is not followed."""
        return self._ask(host, "CNAME")

    def mail_servers(self, host: str) -> Answer:
        """The MX records at host, the preferred one first; a null MX (RFC 7505) is `0 `."""
        return self._ask(host, "MX")

    def addresses(self, host: str) -> Answer:
        """The A and AAAA records at host; temporary only when no address is known."""
        four, six = self._ask(host, "A"), self._ask(host, "AAAA")
        values = four.values + six.values
        return Answer(
            values,
            is_alias=four.is_alias or six.is_alias,
            is_temporary=not values and (four.is_temporary or six.is_temporary),
            exists=four.exists or six.exists,
        )

    def _ask(self, host: str, kind: str) -> Answer:
        question = (host.lower().removesuffix("."), kind)
        if question not in self._known:
            left = self._until - time.monotonic()
            known = look_up(host, kind, resolver=self._resolver, seconds=left) if left > 0 else _NO_ANSWER
            self._known[question] = known
        return self._known[question]


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


def look_up(host: str, kind: str, *, resolver: dns.resolver.Resolver, seconds: float = _LIFETIME) -> Answer:
    """The records of this kind at host, following CNAMEs unless they are asked for; never raises for what DNS does.

    No such name and no such record are an answer; a timeout, SERVFAIL or refusal is temporary (SP-04).
    """
    try:
        return _follow(dns.name.from_text(host), kind, resolver, seconds=min(seconds, resolver.lifetime))
    except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel, dns.name.BadEscape, UnicodeError):
        # A name from somebody's record that no server could have.
        return Answer(exists=False)
    except dns.exception.DNSException:
        return _NO_ANSWER


def _follow(name: dns.name.Name, kind: str, resolver: dns.resolver.Resolver, *, seconds: float) -> Answer:
    is_alias = False
    for _ in range(_MAX_ALIASES):
        try:
            answer = resolver.resolve(name, kind, search=False, raise_on_no_answer=False, lifetime=seconds)
        except dns.resolver.NXDOMAIN as error:
            return Answer(is_alias=is_alias or error.canonical_name != name, exists=False)
        if kind != "CNAME":
            is_alias = is_alias or answer.canonical_name != name
        if answer.rrset is not None:
            return _READERS[kind](list(answer.rrset), is_alias)
        if kind == "CNAME" or answer.canonical_name == name:
            return Answer(is_alias=is_alias)
        # An authoritative server gives the alias and leaves its target to us.
        name = answer.canonical_name
    return Answer(is_alias=True)


def _read_texts(rows: list[Any], is_alias: bool) -> Answer:
    # Joined as bytes: a letter may be cut in two. In order: servers turn records around with each answer.
    texts = sorted(b"".join(row.strings).decode("utf-8", "replace") for row in rows)
    return Answer(tuple(texts), is_alias=is_alias)


def _read_addresses(rows: list[Any], is_alias: bool) -> Answer:
    return Answer(tuple(row.address for row in rows), is_alias=is_alias)


def _read_mail_servers(rows: list[Any], is_alias: bool) -> Answer:
    found = sorted((row.preference, _plain(row.exchange)) for row in rows)
    return Answer(tuple(f"{preference} {name}" for preference, name in found), is_alias=is_alias)


def _read_alias(rows: list[Any], is_alias: bool) -> Answer:  # noqa: ARG001 - one shape for all readers
    return Answer(tuple(_plain(row.target) for row in rows), is_alias=True)


def _plain(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


_NO_ANSWER = Answer(is_temporary=True)
_READERS: dict[str, Callable[[list[Any], bool], Answer]] = {
    "TXT": _read_texts,
    "A": _read_addresses,
    "AAAA": _read_addresses,
    "MX": _read_mail_servers,
    "CNAME": _read_alias,
}
