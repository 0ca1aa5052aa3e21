"""Looking at the mail servers of domains nobody has written to yet, before a send is approved (hipaa.md D4).

Only the name of a domain leaves, as a question to DNS, and EHLO, STARTTLS and QUIT to its mail servers: no address does, and
no mail. What is found is kept for some days, for all accounts, by the name of the domain.
"""

from __future__ import annotations

import ssl
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import dns.resolver
from django.conf import settings
from django.utils import timezone

from campaigns import jobs
from campaigns.delivery.probe import Offer, probe
from campaigns.delivery.smtp_connect import make_tls_context
from campaigns.domains.lookup import Dns
from campaigns.models import Message, Submission, TlsProbe
from campaigns.net.destinations import is_allowed
from campaigns.planning.hipaa import tls

PROBE_JOB = "campaigns.tasks.probe_domains"
MOST_DOMAINS = 200  # of one send, those with most recipients first
_AT_ONCE = 8
_MOST_SERVERS = 3
_DNS_SECONDS = 10.0
_FORGOTTEN = timedelta(days=30)


def ask(submission: Submission) -> None:
    """Let somebody look in the background, after the commit; nothing when the installation does not probe."""
    if settings.HIPAA_PROBES:
        jobs.ring(PROBE_JOB, submission.pk)


def find_unknown(submission: Submission, *, now: datetime) -> list[str]:
    """The domains of a send's recipients nothing is known of now, at most MOST_DOMAINS of those that are looked at."""
    rows = Message.objects.filter(submission=submission).values_list("recipient_domain", flat=True)
    domains = [domain for domain, _ in Counter(rows.iterator(chunk_size=5_000)).most_common()]
    known = tls.read_earlier(submission.account_id, now=now)
    asked = [domain for domain in domains if domain not in known][:MOST_DOMAINS]
    fresh = tls.fresh_probes(asked, now=now)
    return [domain for domain in asked if domain not in fresh]


def probe_domains(submission: Submission, *, resolver: dns.resolver.Resolver, budget: float, port: int = 25) -> bool:
    """Look at what is unknown for about budget seconds, some side by side; True when some are left."""
    until, context = time.monotonic() + budget, make_tls_context()
    unknown = find_unknown(submission, now=timezone.now())
    while unknown and time.monotonic() < until:
        some, unknown = unknown[:_AT_ONCE], unknown[_AT_ONCE:]
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            # Threads talk to servers; rows are written here.
            offers = threads.map(lambda domain: _look_at(domain, resolver, context, port), some)
            _write(zip(some, offers, strict=True), now=timezone.now())
    return bool(unknown)


def forget_old(*, now: datetime) -> None:
    """Delete what was found long ago."""
    TlsProbe.objects.filter(probed_at__lt=now - _FORGOTTEN).delete()


def _look_at(domain: str, resolver: dns.resolver.Resolver, context: ssl.SSLContext, port: int) -> Offer:
    """What the first of its mail servers that answers offers, in the order a sender tries them (RFC 5321 §5.1)."""
    asked = Dns(resolver, seconds=_DNS_SECONDS)
    for name in _mail_servers(domain, asked):
        # Whoever owns a domain says where its mail servers are: not within our own network.
        address = next((one for one in asked.addresses(name).values if is_allowed(one)), "")
        if address and (offer := probe(name, address, port=port, context=context)) is not Offer.UNREACHABLE:
            return offer
    return Offer.UNREACHABLE


def _mail_servers(domain: str, asked: Dns) -> list[str]:
    answer = asked.mail_servers(domain)
    if not answer.values:
        # Without MX the domain itself is its mail server, if it answers at all.
        return [domain] if answer.exists and not answer.is_temporary else []
    names = [value.partition(" ")[2] for value in answer.values]
    return [name for name in names if name][:_MOST_SERVERS]


def _write(found: Iterable[tuple[str, Offer]], *, now: datetime) -> None:
    rows = [TlsProbe(domain=domain, offer=offer.value, probed_at=now) for domain, offer in found]
    TlsProbe.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["domain"], update_fields=["offer", "probed_at"]
    )
