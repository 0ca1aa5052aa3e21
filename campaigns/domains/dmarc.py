"""DMARC records (RFC 9989): reading one, and the walk up the tree that finds the one that counts (DM-01, DM-02)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from campaigns.domains.lookup import Dns

POLICIES = ("none", "quarantine", "reject")
# At most eight questions: a longer name is looked at once, then its last seven labels (RFC 9989 §4.10).
_MOST_LABELS = 8
_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")


@dataclass(frozen=True, slots=True)
class Record:
    """One valid record at `domain`; tags in lower case, values as written."""

    domain: str
    text: str
    tags: dict[str, str] = field(hash=False)

    @property
    def policy(self) -> str:
        """p=, where none stands for a missing one; empty for one nobody knows."""
        value = self.tags.get("p", "none").lower()
        return value if value in POLICIES else ""

    @property
    def subdomain_policy(self) -> str:
        value = self.tags.get("sp", "").lower()
        return value if value in POLICIES else self.policy

    @property
    def suffix(self) -> str:
        """psd=: y for a registry, n for the top of an organisation, u for neither."""
        return self.tags.get("psd", "u").lower()

    @property
    def reporters(self) -> list[str]:
        """The mailboxes of rua=."""
        found = [uri.strip() for uri in self.tags.get("rua", "").split(",")]
        # A size limit behind ! is a thing of the past; readers ignore it.
        return [uri[7:].partition("!")[0] for uri in found if uri.lower().startswith("mailto:") and "@" in uri]


@dataclass(frozen=True, slots=True)
class Walk:
    """What the walk found, from the domain itself upwards; `organisation` is None while DNS does not answer."""

    start: str
    records: tuple[Record, ...] = ()
    several_at: tuple[str, ...] = ()
    temporary: bool = False

    @property
    def organisation(self) -> str | None:
        """The organisational domain (RFC 9989 §4.10.2)."""
        if self.temporary:
            return None
        for record in self.records:
            if record.suffix == "n":
                return record.domain
            if record.suffix == "y" and record.domain != self.start:
                return _below(self.start, record.domain)
        return self.records[-1].domain if self.records else self.start

    @property
    def applied(self) -> Record | None:
        """The record receivers apply to mail from the domain: its own, its organisation's, or its registry's."""
        by_domain = {record.domain: record for record in self.records}
        registry = next((record for record in self.records if record.suffix == "y"), None)
        return by_domain.get(self.start) or by_domain.get(self.organisation or "") or registry

    @property
    def policy(self) -> str:
        """What receivers do with mail that fails: none, quarantine or reject; empty when DMARC does not apply."""
        record = self.applied
        if record is None:
            return ""
        wanted = record.policy if record.domain == self.start else record.subdomain_policy
        # Testing: one step softer (RFC 9989 §4.7).
        if record.tags.get("t", "n").lower() == "y" and wanted in POLICIES[1:]:
            return POLICIES[POLICIES.index(wanted) - 1]
        return wanted


def read_record(text: str, *, domain: str) -> Record | None:
    """The record, or None for what is no DMARC record; unknown tags are kept, for receivers ignore them."""
    if not _VERSION.match(text):
        return None
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, sign, value = part.partition("=")
        if sign:
            tags.setdefault(name.strip().lower(), value.strip())
    return Record(domain, text, tags)


def walk(domain: str, *, dns: Dns) -> Walk:
    """Walk from the domain up to its top level; several records at one name count as none."""
    records, several, temporary = [], [], False
    for target in _targets(domain):
        answer = dns.texts(f"_dmarc.{target}")
        temporary = temporary or answer.is_temporary
        found = [record for text in answer.values if (record := read_record(text, domain=target))]
        if len(found) > 1:
            several.append(target)
        if len(found) != 1:
            continue
        records.append(found[0])
        if found[0].suffix == "n" or (found[0].suffix == "y" and target != domain):
            break
    return Walk(domain, tuple(records), tuple(several), temporary)


def is_aligned(one: Walk, other: Walk, *, strict: bool) -> bool | None:
    """Whether receivers take both for one identity (RFC 9989 §4.4); None while DNS does not answer."""
    if one.start == other.start:
        return True
    if strict:
        return False
    if one.organisation is None or other.organisation is None:
        return None
    return one.organisation == other.organisation


def _targets(domain: str) -> Iterator[str]:
    labels = domain.split(".")
    yield domain
    rest = labels[1:] if len(labels) < _MOST_LABELS else labels[-(_MOST_LABELS - 1) :]
    for at in range(len(rest)):
        yield ".".join(rest[at:])


def _below(domain: str, above: str) -> str:
    """The name one label below `above` on the way to domain."""
    return ".".join(domain.split(".")[-(above.count(".") + 2) :])
