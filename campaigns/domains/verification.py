"""Is a domain ours to send from? Asks DNS and writes down what it says."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import dns.resolver
from django.db import transaction
from django.db.models import Q

from campaigns.domains import dmarc, standing
from campaigns.domains.dmarc_judging import judge_dmarc
from campaigns.domains.expected import (
    DMARC,
    OWNERSHIP,
    all_records,
    expect_dmarc,
    expect_key,
    expect_ownership,
    record_of,
    reports_address,
)
from campaigns.domains.judging import TEMPORARY, Judgement, judge_dkim, judge_ownership
from campaigns.domains.lookup import Dns
from campaigns.domains.misplaced import explain_missing
from campaigns.domains.rotation import promote_published, retire_replaced
from campaigns.domains.surroundings import look_around
from campaigns.models import DkimKey, DnsFinding, Domain

# For so long people are told that the record of a retired key may go.
_REMINDED = timedelta(days=90)
_NO_KEY = Judgement(False, "dkim.no-key", "The domain has no key to sign with. Create one.")
_REMOVABLE = Judgement(True, "dkim.removable", "This key signs nothing any more. You may remove its record.")
# What is kept of a text from DNS, which anybody may have written.
_SEEN_LENGTH = 2000
_KEPT = ("ok", "seen", "fix", "fix_host", "policy")


def verify_domain(domain: Domain, *, resolver: dns.resolver.Resolver, now: datetime) -> bool:
    """Whether the domain is verified: ownership proved, the RSA key that signs in DNS, and DMARC (MP-01, MP-02, DK-07).

    Moves its keys on (DK-06): a new key found in DNS signs from now on, one replaced long enough ago retires. Writes
    one DnsFinding per record. A record DNS does not answer for keeps its last state (SP-04). A verified domain stays
    so until several looks over some time found it wrong (domains.standing).
    """
    retire_replaced(domain, now=now)
    # No transaction is open while DNS is asked.
    asked = Dns(resolver)
    found = {
        **_look_at_ownership(domain, asked),
        **_look_at_keys(domain, asked, now=now),
        **_look_at_dmarc(domain, asked),
        **look_around(domain, dns=asked),
    }
    with transaction.atomic():
        locked = Domain.objects.select_for_update().filter(pk=domain.pk).first()
        if locked is None:
            # Deleted while DNS was asked.
            return False
        standing.take_over(domain, locked)
        promote_published(domain, selectors=_selectors_seen(found), now=now)
        return _conclude(domain, found, now=now)


def _look_at_ownership(domain: Domain, dns: Dns) -> dict[str, Judgement]:
    record = expect_ownership(domain)
    answer = dns.texts(record.host)
    if answer.is_temporary:
        return {record.kind: TEMPORARY}
    judgement = judge_ownership(answer, value=record.value)
    if judgement.code == "ownership.missing":
        judgement = explain_missing(
            judgement, host=record.host, domain=domain.name, dns=dns, is_it=lambda text: text == record.value
        )
    return {record.kind: judgement}


def _look_at_keys(domain: Domain, dns: Dns, *, now: datetime) -> dict[str, Judgement]:
    found = {}
    forgotten = Q(state=DkimKey.State.RETIRED, state_since__lt=now - _REMINDED)
    keys = list(domain.dkim_keys.exclude(forgotten))
    for key in keys:
        judgement = _judge(key, keys, domain, dns)
        if judgement:
            found[record_of(key)] = judgement
    return found


def _judge(key: DkimKey, keys: list[DkimKey], domain: Domain, dns: Dns) -> Judgement | None:
    record = expect_key(domain, key)
    answer = dns.texts(record.host)
    if key.state == DkimKey.State.RETIRED:
        return _REMOVABLE if answer.values else None
    if answer.is_temporary:
        return TEMPORARY
    former = {other.public_key: other.selector for other in keys if other.pk != key.pk}
    judgement = judge_dkim(answer, algorithm=key.algorithm, public_key=key.public_key, former=former)
    if judgement.code in {"dkim.missing", "dkim.not-a-key"}:
        judgement = explain_missing(
            judgement, host=record.host, domain=domain.name, dns=dns, is_it=lambda text: key.public_key in text
        )
        judgement = _find_under_other_selector(judgement, key, keys, domain, dns)
    return judgement


def _find_under_other_selector(
    judgement: Judgement, key: DkimKey, keys: list[DkimKey], domain: Domain, dns: Dns
) -> Judgement:
    """Names the other key's record this key was pasted into."""
    for other in keys:
        host = expect_key(domain, other).host
        if other.pk != key.pk and key.public_key in "".join(dns.texts(host).values):
            return Judgement(
                False,
                "dkim.wrong-selector",
                f"This key stands at {host}, the place of another key. Publish it at its own, shown here.",
            )
    return judgement


def _look_at_dmarc(domain: Domain, dns: Dns) -> dict[str, Judgement]:
    walk = dmarc.walk(domain.name, dns=dns)
    judgement = judge_dmarc(walk, dns=dns, reports_to=reports_address(domain)) or TEMPORARY
    if judgement.code == "dmarc.missing":
        judgement = explain_missing(
            judgement,
            host=expect_dmarc(domain).host,
            domain=domain.name,
            dns=dns,
            is_it=lambda text: text.lower().startswith("v=dmarc1"),
        )
    return {DMARC: judgement}


def _selectors_seen(found: dict[str, Judgement]) -> list[str]:
    selectors = (record.partition(":") for record, judgement in found.items() if judgement.ok)
    return [selector for kind, _, selector in selectors if kind == "dkim" and selector]


def _conclude(domain: Domain, found: dict[str, Judgement], *, now: datetime) -> bool:
    key = domain.dkim_keys.filter(algorithm=DkimKey.Algorithm.RSA, state=DkimKey.State.SIGNING).first()
    if key is None:
        found = {**found, "dkim": _NO_KEY}
    required = [OWNERSHIP, DMARC, record_of(key) if key else "dkim"]
    looks = [found.get(record, TEMPORARY) for record in required]
    standing.settle(
        domain,
        is_wrong=any(not look.ok and look is not TEMPORARY for look in looks),
        is_right=all(look.ok for look in looks),
        now=now,
    )
    _write(domain, found, now=now)
    return domain.is_verified


def _write(domain: Domain, found: dict[str, Judgement], *, now: datetime) -> None:
    before = {finding.record: finding for finding in domain.findings.all()}
    values = {record.kind: record.value for record in all_records(domain)}
    rows = [
        DnsFinding(
            domain=domain, record=record, found_at=now, **_fields(judgement, before.get(record), values.get(record, ""))
        )
        for record, judgement in sorted(found.items())
    ]
    domain.findings.exclude(record__in=found).delete()
    DnsFinding.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["domain", "record"],
        update_fields=["ok", "code", "text", "seen", "fix", "fix_host", "policy", "found_at"],
    )


def _fields(judgement: Judgement, before: DnsFinding | None, value: str) -> dict[str, Any]:
    """A temporary error keeps what was known; what is wrong always has a value that would be right."""
    if judgement is TEMPORARY:
        known = {name: getattr(before, name) for name in _KEPT} if before else {"ok": False}
        return {**known, "code": judgement.code, "text": judgement.text}
    return {
        "ok": judgement.ok,
        "code": judgement.code,
        "text": _clean(judgement.text)[:500],
        "seen": _clean(judgement.seen)[:_SEEN_LENGTH],
        "fix": _clean(judgement.fix) or ("" if judgement.ok else value),
        "fix_host": _clean(judgement.fix_host)[:255],
        "policy": judgement.policy,
    }


def _clean(text: str) -> str:
    """Without what no database stores and no terminal should be sent: strangers write these texts."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
