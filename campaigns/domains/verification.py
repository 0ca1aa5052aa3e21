"""Is a domain ours to send from? Asks DNS and writes down what it says."""

from __future__ import annotations

from datetime import datetime, timedelta

import dns.resolver
from django.db import transaction
from django.db.models import Q

from campaigns.domains.expected import OWNERSHIP, expect_key, expect_ownership, record_of
from campaigns.domains.judging import TEMPORARY, Judgement, judge_dkim, judge_ownership
from campaigns.domains.lookup import TxtAnswer, look_up_txt
from campaigns.domains.rotation import promote_published, retire_replaced
from campaigns.models import DkimKey, DnsFinding, Domain

# For so long people are told that the record of a retired key may go.
_REMINDED = timedelta(days=90)
_NO_KEY = Judgement(False, "dkim.no-key", "The domain has no key to sign with. Create one.")
_REMOVABLE = Judgement(True, "dkim.removable", "This key signs nothing any more. You may remove its record.")


def verify_domain(domain: Domain, *, resolver: dns.resolver.Resolver, now: datetime) -> bool:
    """Whether the domain is verified: ownership proved, and the RSA key that signs is in DNS (MP-01, DK-07).

    Moves its keys on (DK-06): a new key found in DNS signs from now on, one replaced long enough ago retires. Writes
    one DnsFinding per record. A record DNS does not answer for keeps its last state (SP-04): a verified domain stays
    so, an unverified one does not become so.
    """
    retire_replaced(domain, now=now)
    # No transaction is open while DNS is asked.
    found = {**_look_at_ownership(domain, resolver), **_look_at_keys(domain, resolver, now=now)}
    with transaction.atomic():
        if Domain.objects.select_for_update().filter(pk=domain.pk).first() is None:
            # Deleted while DNS was asked.
            return False
        promote_published(domain, selectors=_selectors_seen(found), now=now)
        return _conclude(domain, found, now=now)


def _look_at_ownership(domain: Domain, resolver: dns.resolver.Resolver) -> dict[str, Judgement]:
    record = expect_ownership(domain)
    answer = look_up_txt(record.host, resolver=resolver)
    return {record.kind: TEMPORARY if answer.is_temporary else judge_ownership(answer, value=record.value)}


def _look_at_keys(domain: Domain, resolver: dns.resolver.Resolver, *, now: datetime) -> dict[str, Judgement]:
    found = {}
    for key in domain.dkim_keys.exclude(Q(state=DkimKey.State.RETIRED, state_since__lt=now - _REMINDED)):
        record = expect_key(domain, key)
        judgement = _judge(key, look_up_txt(record.host, resolver=resolver))
        if judgement:
            found[record.kind] = judgement
    return found


def _judge(key: DkimKey, answer: TxtAnswer) -> Judgement | None:
    if key.state == DkimKey.State.RETIRED:
        return _REMOVABLE if answer.texts else None
    if answer.is_temporary:
        return TEMPORARY
    return judge_dkim(answer, algorithm=key.algorithm, public_key=key.public_key)


def _selectors_seen(found: dict[str, Judgement]) -> list[str]:
    return [record.partition(":")[2] for record, judgement in found.items() if judgement.ok]


def _conclude(domain: Domain, found: dict[str, Judgement], *, now: datetime) -> bool:
    held = set(domain.findings.filter(ok=True).values_list("record", flat=True))
    good = {
        record: record in held and domain.is_verified if judgement is TEMPORARY else judgement.ok
        for record, judgement in found.items()
    }
    key = domain.dkim_keys.filter(algorithm=DkimKey.Algorithm.RSA, state=DkimKey.State.SIGNING).first()
    if key is None:
        found = {**found, "dkim": _NO_KEY}
    verified = key is not None and good[OWNERSHIP] and good.get(record_of(key), False)
    _write(domain, found, held=held, verified=verified, now=now)
    return verified


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
    Domain.objects.filter(pk=domain.pk).update(checked_at=domain.checked_at, verified_at=domain.verified_at)
    domain.findings.exclude(record__in=found).delete()
    DnsFinding.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["domain", "record"],
        update_fields=["ok", "code", "text", "found_at"],
    )
