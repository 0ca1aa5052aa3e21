"""When a domain becomes verified, and when it stops being so: not by a hiccup of DNS, but before long (SP-04)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from campaigns.models import Domain

log = logging.getLogger(__name__)

# Nameservers lose a zone for minutes (evil input 35). Mail signed meanwhile waits in queues and is verified later.
FAILED_LOOKS = 3
FAILING_FOR = timedelta(minutes=30)


_FIELDS = ("checked_at", "verified_at", "failed_looks", "failing_since", "lost_at")


def take_over(domain: Domain, locked: Domain) -> None:
    """What another look wrote since the domain was loaded."""
    for name in _FIELDS:
        setattr(domain, name, getattr(locked, name))


def settle(domain: Domain, *, is_wrong: bool, is_right: bool, now: datetime) -> None:
    """Store what a look means for the domain, whose row is locked; a look that is neither changes nothing."""
    domain.checked_at = now
    if is_right:
        _settle_right(domain, now)
    elif is_wrong:
        _settle_wrong(domain, now)
    domain.save(update_fields=_FIELDS)


def _settle_right(domain: Domain, now: datetime) -> None:
    domain.verified_at = domain.verified_at or now
    domain.failed_looks, domain.failing_since, domain.lost_at = 0, None, None


def _settle_wrong(domain: Domain, now: datetime) -> None:
    if not domain.is_verified:
        return
    domain.failing_since = domain.failing_since or now
    domain.failed_looks = min(domain.failed_looks + 1, 1000)
    if domain.failed_looks >= FAILED_LOOKS and now - domain.failing_since >= FAILING_FOR:
        domain.verified_at, domain.lost_at = None, now
        domain.failed_looks, domain.failing_since = 0, None
        log.warning("domain %s is not verified any more: see its page", domain.public_id)
