"""Before anybody approves: how many recipients verified TLS reaches, as far as it is known now.

Our own hop is verified or nothing leaves (`outbox.holds`, `delivery`). What lies behind the relay is its business, and
shows in what it said about earlier mail of the account: that a domain offered no encryption that is good enough.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, Q

from campaigns.models import Lane, Message, MessageState, Submission
from campaigns.outbox.holds import find_relay_hold
from compliance.standing import Hold

REMEMBERED = timedelta(days=90)
# Enhanced codes that speak of encryption (RFC 3463 §3.8, RFC 7504, RFC 8689 §6): failed, needed, not to be had.
_TLS_CODES = (".7.5", ".7.10", ".7.30")


@dataclass(frozen=True, slots=True)
class Outlook:
    """Recipients of one send: `reached` at domains earlier mail reached over verified TLS, `refused` at domains that
    offered none last time, the rest at domains nobody has written to. `hold` is why nothing would leave at all."""

    total: int
    reached: int
    refused: int
    hold: Hold | None

    @property
    def unknown(self) -> int:
        return self.total - self.reached - self.refused


def look_ahead(submission: Submission, *, now: datetime) -> Outlook:
    """The outlook for a send's recipients, from the domains they are at."""
    rows = Message.objects.filter(submission=submission).values_list("recipient_domain", flat=True)
    domains = Counter(rows.iterator(chunk_size=5_000))
    known = _read_domains(submission.account_id, now=now)
    refused = sum(count for domain, count in domains.items() if known.get(domain) is False)
    reached = sum(count for domain, count in domains.items() if known.get(domain) is True)
    return Outlook(domains.total(), reached, refused, find_relay_hold(submission.transport, now=now))


def _read_domains(account_id: int, *, now: datetime) -> dict[str, bool]:
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
