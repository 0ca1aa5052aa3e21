"""Changing a DKIM key so that at every moment receivers can verify what is on its way (DK-06)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from campaigns.domains.keys import create_dkim_key
from campaigns.errors import NotFound
from campaigns.models import DkimKey, Domain

# Mail waits in queues for up to five days (RFC 5321 §4.5.4.1), and is verified where it arrives.
KEPT_PUBLISHED = timedelta(days=7)

_State = DkimKey.State


def start_rotation(domain: Domain, *, algorithm: str = DkimKey.Algorithm.RSA) -> DkimKey:
    """A new key to publish; the one in use signs until DNS shows the new one. Adds a signature where there was none.

    Raises CampaignError `domain.rotation-running` while another new key of this algorithm waits.
    """
    return create_dkim_key(domain, algorithm=algorithm)


def cancel_rotation(domain: Domain, *, selector: str) -> None:
    """Drop a new key that signed nothing yet; raises NotFound when it does not exist or signs already."""
    dropped, _ = domain.dkim_keys.filter(selector=selector, state=_State.NEW).delete()
    if not dropped:
        raise NotFound("key")


def promote_published(domain: Domain, *, selectors: Collection[str], now: datetime) -> None:
    """Let the new keys among these selectors sign, and those they replace retire. The domain's row must be locked."""
    for key in domain.dkim_keys.filter(state=_State.NEW, selector__in=selectors):
        in_use = domain.dkim_keys.filter(algorithm=key.algorithm, state=_State.SIGNING)
        in_use.update(state=_State.RETIRING, state_since=now)
        domain.dkim_keys.filter(pk=key.pk).update(state=_State.SIGNING, state_since=now)


def retire_replaced(domain: Domain, *, now: datetime) -> None:
    """Wipe the private part of keys that were replaced long enough ago; nothing on its way needs them any more."""
    replaced = domain.dkim_keys.filter(state=_State.RETIRING, state_since__lte=now - KEPT_PUBLISHED)
    replaced.update(state=_State.RETIRED, state_since=now, private_key_sealed=b"")
