"""Before anybody approves: how many recipients verified TLS reaches, as far as it is known now.

Our own hop is verified or nothing leaves (`outbox.holds`, `delivery`). What lies behind the relay is its business, and
shows in what it said about earlier mail of the account: that a domain offered no encryption that is good enough. Of domains
nobody has written to it is known when somebody looked (`probing`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Q

from campaigns.delivery.probe import Offer
from campaigns.models import Lane, Message, MessageState, Submission, TlsProbe
from campaigns.outbox.holds import find_relay_hold
from compliance.standing import Hold

REMEMBERED = timedelta(days=90)
PROBE_HOLDS = timedelta(days=3)
RETRY = timedelta(hours=1)
_PIECE = 500
# A server that did not answer tells nothing.
_TELLING = frozenset(Offer) - {Offer.UNREACHABLE}
# Enhanced codes that speak of encryption (RFC 3463 §3.8, RFC 7504, RFC 8689 §6): failed, needed, not to be had.
_TLS_CODES = (".7.5", ".7.10", ".7.30")


@dataclass(frozen=True, slots=True)
class Outlook:
    """Recipients of one send: `reached` at domains with verified TLS, `refused` at domains that offered none last time, the
    rest unknown. What earlier mail met counts before what was found by looking.

    `looked` of them are known by looking alone, at the earliest on `looked_at`; `domains` of them were looked at, and
    `domains_left` are still to be. `hold` is why nothing would leave at all.
    """

    total: int
    reached: int
    refused: int
    hold: Hold | None
    looked: int = 0
    looked_at: datetime | None = None
    domains: int = 0
    domains_left: int = 0

    @property
    def unknown(self) -> int:
        return self.total - self.reached - self.refused


def look_ahead(submission: Submission, *, now: datetime) -> Outlook:
    """The outlook for a send's recipients, from the domains they are at."""
    rows = Message.objects.filter(submission=submission).values_list("recipient_domain", flat=True)
    domains = Counter(rows.iterator(chunk_size=5_000))
    earlier = read_earlier(submission.account_id, now=now)
    probes = fresh_probes([domain for domain in domains if domain not in earlier], now=now)
    found = {domain: probe.offer == Offer.VERIFIED for domain, probe in probes.items() if probe.offer in _TELLING}
    known = found | earlier
    refused = sum(count for domain, count in domains.items() if known.get(domain) is False)
    reached = sum(count for domain, count in domains.items() if known.get(domain) is True)
    return Outlook(
        domains.total(),
        reached,
        refused,
        find_relay_hold(submission.transport, now=now),
        looked=sum(domains[domain] for domain in found),
        looked_at=min((probes[domain].probed_at for domain in found), default=None),
        domains=len(probes),
        domains_left=sum(domain not in earlier and domain not in probes for domain in domains),
    )


def fresh_probes(domains: Collection[str], *, now: datetime) -> dict[str, TlsProbe]:
    """What was found by looking lately, by domain; servers that did not answer are looked at again before long."""
    rows = TlsProbe.objects.filter(probed_at__gt=now - PROBE_HOLDS)
    rows = rows.exclude(offer=Offer.UNREACHABLE, probed_at__lte=now - RETRY)
    # In pieces: a database takes so many parameters and no more.
    names = sorted(domains)
    pieces = [names[start : start + _PIECE] for start in range(0, len(names), _PIECE)]
    return {probe.domain: probe for piece in pieces for probe in rows.filter(domain__in=piece)}


def read_earlier(account_id: int, *, now: datetime) -> dict[str, bool]:
    """What was learnt last of each domain: True for reached over verified TLS, False for no encryption to be had."""
    ours = Message.objects.filter(
        submission__account=account_id, submission__lane=Lane.HIPAA, submission__send_at__gte=now - REMEMBERED
    )
    arrived = ours.filter(state__in=[MessageState.SENT, MessageState.DELIVERED]).values("recipient_domain")
    failed = Q()
    for code in _TLS_CODES:
        failed |= Q(error_code__endswith=code)
    refused = ours.filter(failed).values("recipient_domain")
    good = dict(arrived.annotate(last=Max("sent_at")).values_list("recipient_domain", "last"))
    bad = dict(refused.annotate(last=Max("done_at")).values_list("recipient_domain", "last"))
    known = dict.fromkeys(good, True)
    for domain, at in bad.items():
        if domain not in good or (at is not None and at >= good[domain]):
            known[domain] = False
    return known
