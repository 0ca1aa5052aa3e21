"""SPF records (RFC 7208): their terms, and what a receiver who follows them would do and find. No verdict here."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from campaigns.domains.lookup import Dns

# A check that asks more often, or gets nothing more often, ends in an error for the sender (RFC 7208 §4.6.4).
MOST_LOOKUPS = 10
MOST_VOID = 2
MOST_MAIL_SERVERS = 10
# Counting goes on for a while, so that people see how far above the limit they are.
_COUNT_UP_TO = 40

_ASKING = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_MECHANISMS = _ASKING - {"redirect"} | {"all", "ip4", "ip6"}
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(.*)", re.IGNORECASE)
_MECHANISM = re.compile(r"([-+~?]?)([a-z][a-z0-9]*)([:/].*)?", re.IGNORECASE)
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)+[a-z0-9-]*[a-z0-9]\.?", re.IGNORECASE)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Term:
    """One term: `name` in lower case, `value` a name or a network (empty where there is none), `text` as written."""

    qualifier: str
    name: str
    value: str
    text: str

    @property
    def passes(self) -> bool:
        return self.qualifier == "+"

    @property
    def has_macro(self) -> bool:
        return "%" in self.value

    @property
    def asks(self) -> bool:
        return self.name in _ASKING


@dataclass(slots=True)
class Trail:
    """Where a record leads. Terms of included records count for the term of the record that led there.

    `lookups` is the number of questions, `costs` how many each term causes, `void` the terms that found nothing,
    `broken` the terms that end in an error with the reason, `temporary` that DNS did not answer somewhere.
    """

    lookups: int = 0
    costs: dict[str, int] = field(default_factory=dict)
    void: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    networks: list[Network] = field(default_factory=list)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    temporary: bool = False


def is_record(text: str) -> bool:
    """Whether receivers take the text for an SPF record (RFC 7208 §4.5)."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def read_terms(text: str) -> tuple[list[Term], list[str]]:
    """The terms of a record, and those nobody can read."""
    terms, unreadable = [], []
    for word in text.split(" ")[1:]:
        if not word:
            continue
        term = read_term(word)
        if term is None:
            unreadable.append(word)
        else:
            terms.append(term)
    return terms, unreadable


def read_term(word: str) -> Term | None:
    """One term, or None when it is none."""
    modifier = _MODIFIER.fullmatch(word)
    if modifier:
        name, value = modifier[1].lower(), modifier[2]
        # Unknown modifiers are ignored (RFC 7208 §6); a mechanism written with = is a typing error all the same.
        if name in _MECHANISMS or (name in {"redirect", "exp"} and not _is_name(value)):
            return None
        return Term("", name, value, word)
    mechanism = _MECHANISM.fullmatch(word)
    if not mechanism or mechanism[2].lower() not in _MECHANISMS:
        return None
    name, rest = mechanism[2].lower(), mechanism[3] or ""
    term = Term(mechanism[1] or "+", name, rest.removeprefix(":"), word)
    return term if _is_sound(term, has_value=rest.startswith(":")) else None


def _is_sound(term: Term, *, has_value: bool) -> bool:
    if term.name in {"ip4", "ip6"}:
        network = read_network(term)
        return network is not None and network.version == (4 if term.name == "ip4" else 6)
    if term.name == "all":
        return not has_value and not term.value
    if term.name in {"include", "exists"}:
        return _is_name(term.value)
    if has_value:
        return _is_name(_name_of(term))
    return not term.value or term.value.startswith("/")


def read_network(term: Term) -> Network | None:
    """The network of an ip4 or ip6 term."""
    try:
        return ipaddress.ip_network(term.value, strict=False)
    except ValueError:
        return None


def _is_name(text: str) -> bool:
    return "%" in text or _HOST.fullmatch(text) is not None


def _name_of(term: Term) -> str:
    return term.value.partition("/")[0].lower().removesuffix(".")


def follow(terms: list[Term], *, domain: str, dns: Dns) -> Trail:
    """Follow every term, as a receiver would for an address that none of them names."""
    trail = Trail()
    for term in terms_that_count(terms):
        before = trail.lookups
        _follow_term(term, domain, dns, trail, top=term.text, path=(domain,), passes=_may_pass(term))
        if trail.lookups > before:
            trail.costs[term.text] = trail.costs.get(term.text, 0) + trail.lookups - before
    return trail


def terms_that_count(terms: list[Term]) -> Iterator[Term]:
    """Those before `all`, for whatever stands behind it is ignored; without an `all` a redirect, last."""
    for term in terms:
        if term.name == "all":
            return
        if term.name != "redirect":
            yield term
    yield from (term for term in terms if term.name == "redirect")


def _may_pass(term: Term) -> bool:
    return term.passes or term.name == "redirect"


def _follow_term(
    term: Term, domain: str, dns: Dns, trail: Trail, *, top: str, path: tuple[str, ...], passes: bool
) -> None:
    if term.name in {"ip4", "ip6"}:
        network = read_network(term)
        if network is not None and passes:
            trail.networks.append(network)
        return
    if not term.asks or trail.lookups >= _COUNT_UP_TO:
        return
    trail.lookups += 1
    if term.has_macro or term.name == "ptr":
        # What it asks depends on the mail.
        return
    target = _name_of(term) or domain
    if term.name in {"include", "redirect"}:
        _follow_record(target, dns, trail, top=top, path=path, passes=passes)
    else:
        _find_addresses(term, target, dns, trail, top=top, passes=passes)


def _follow_record(target: str, dns: Dns, trail: Trail, *, top: str, path: tuple[str, ...], passes: bool) -> None:
    if target in path:
        trail.broken[top] = f"{target} leads in a circle"
        return
    answer = dns.texts(target)
    trail.temporary |= answer.is_temporary
    records = [text for text in answer.values if is_record(text)]
    if answer.is_temporary:
        return
    if len(records) != 1:
        trail.broken[top] = f"{target} has {'several SPF records' if records else 'no SPF record'}"
        return
    terms, unreadable = read_terms(records[0])
    if unreadable:
        trail.broken[top] = f"the record of {target} has an error"
    if passes:
        trail.names.add(target)
    for term in terms_that_count(terms):
        _follow_term(term, target, dns, trail, top=top, path=(*path, target), passes=passes and _may_pass(term))


def _find_addresses(term: Term, target: str, dns: Dns, trail: Trail, *, top: str, passes: bool) -> None:
    if term.name == "mx":
        servers = dns.mail_servers(target)
        trail.temporary |= servers.is_temporary
        hosts = [value.partition(" ")[2] for value in servers.values]
        if len(hosts) > MOST_MAIL_SERVERS:
            trail.broken[top] = f"{target} has more than {MOST_MAIL_SERVERS} mail servers"
        if not hosts and not servers.is_temporary:
            trail.void.append(top)
        found = [address for host in hosts[:MOST_MAIL_SERVERS] if host for address in dns.addresses(host).values]
    else:
        answer = dns.addresses(target)
        trail.temporary |= answer.is_temporary
        found = list(answer.values)
        if not found and not answer.is_temporary:
            trail.void.append(top)
    if term.name in {"a", "mx"} and passes:
        trail.names.add(f"{term.name}:{target}")
        trail.addresses.setdefault(top, []).extend(found)
        trail.networks.extend(widen(address, term.value) for address in found)


def widen(address: str, lengths: str) -> Network:
    """The network of an address with the prefix lengths at the end of a term: `/24//64`."""
    four, _, six = lengths.partition("//")
    length = six if ":" in address else four.partition("/")[2]
    fits = length.isdigit() and int(length) <= (128 if ":" in address else 32)
    return ipaddress.ip_network(f"{address}/{length}" if fits else address, strict=False)
