"""Is a domain ours to send from? Asks DNS and writes down what it says."""

from __future__ import annotations

from datetime import datetime

import dns.resolver
from django.db import transaction

from campaigns.domains.expected import expect_key, expect_ownership
from campaigns.domains.judging import TEMPORARY, Judgement, judge_dkim, judge_ownership
from campaigns.domains.lookup import look_up_txt
from campaigns.models import DnsFinding, Domain

_NO_KEY = Judgement(False, "dkim.no-key", "The domain has no active DKIM key. Create one.")


def verify_domain(domain: Domain, *, resolver: dns.resolver.Resolver, now: datetime) -> bool:
    """Whether the domain is verified: ownership proved and a DKIM record that is our key (MP-01).

    Writes one DnsFinding per record. A record DNS does not answer for keeps its last state (SP-04): a verified
    domain stays so, an unverified one does not become so.
    """
    found = {**_look_at_ownership(domain, resolver), **_look_at_keys(domain, resolver)}
    held = set(domain.findings.filter(ok=True).values_list("record", flat=True))
    # No transaction is open while DNS is asked.
    good = {
        record: record in held and domain.is_verified if judgement is TEMPORARY else judgement.ok
        for record, judgement in found.items()
    }
    ownership = expect_ownership(domain).kind
    verified = good.pop(ownership) and any(good.values())
    _write(domain, found, held=held, verified=verified, now=now)
    return verified


def _look_at_ownership(domain: Domain, resolver: dns.resolver.Resolver) -> dict[str, Judgement]:
    record = expect_ownership(domain)
    answer = look_up_txt(record.host, resolver=resolver)
    return {record.kind: TEMPORARY if answer.is_temporary else judge_ownership(answer, value=record.value)}


def _look_at_keys(domain: Domain, resolver: dns.resolver.Resolver) -> dict[str, Judgement]:
    found = {}
    for key in domain.dkim_keys.filter(is_active=True):
        record = expect_key(domain, key)
        answer = look_up_txt(record.host, resolver=resolver)
        found[record.kind] = (
            TEMPORARY if answer.is_temporary else judge_dkim(answer, algorithm=key.algorithm, public_key=key.public_key)
        )
    return found or {"dkim": _NO_KEY}


def _write(domain: Domain, found: dict[str, Judgement], *, held: set[str], verified: bool, now: datetime) -> None:
    rows = [
        DnsFinding(
            domain=domain,
            record=record,
            ok=record in held if judgement is TEMPORARY else judgement.ok,
            code=judgement.code,
            text=judgement.text,
            found_at=now,
        )
        for record, judgement in sorted(found.items())
    ]
    domain.checked_at = now
    domain.verified_at = (domain.verified_at or now) if verified else None
    with transaction.atomic():
        kept = Domain.objects.filter(pk=domain.pk).update(checked_at=domain.checked_at, verified_at=domain.verified_at)
        if not kept:
            # Deleted while DNS was asked.
            return
        domain.findings.exclude(record__in=found).delete()
        DnsFinding.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["domain", "record"],
            update_fields=["ok", "code", "text", "found_at"],
        )
