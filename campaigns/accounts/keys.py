"""Keys of programs: made, shown once, revoked at once. `authenticate` and what doors ask about a credential come along."""

from __future__ import annotations

import math
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from ipaddress import ip_network

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils import timezone

from campaigns.accounts.credentials import (
    Credential,
    CredentialLocked,
    CredentialRefused,
    authenticate,
    require_lane,
    require_scope,
)
from campaigns.accounts.presented import PresentedKey
from campaigns.accounts.scopes import SCOPES
from campaigns.errors import CampaignError
from campaigns.models import Account, ApiKey, Lane, Purpose

__all__ = [
    "SCOPES", "Credential", "CredentialLocked", "CredentialRefused", "authenticate", "create_key", "require_lane",
    "require_scope", "revoke_key",
]  # fmt: skip

_NAME_LENGTH = 80
_MOST_NETWORKS = 50
MOST_PER_SECOND = 100_000
# A key that opens the HIPAA door does not live for ever (45 CFR 164.308(a)(4): access is reviewed).
LONGEST_HIPAA_LIFE = timedelta(days=365)


def create_key(
    account: Account,
    *,
    name: str,
    scopes: Iterable[str],
    lane: str = Lane.STANDARD,
    purpose: str = Purpose.TRANSACTIONAL,
    networks: Iterable[str] = (),
    expires_at: datetime | None = None,
    max_per_second: float | None = None,
    by: AbstractBaseUser | AnonymousUser | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its text, `<32 hex>-<uuid>`, to be shown once: only a hash of it is kept.

    `networks` are CIDR texts or addresses, none = from anywhere; a key of the HIPAA lane ends after a year at the latest.
    Raises CampaignError `key.name-invalid`, `key.scope-unknown`, `key.lane-unknown`, `key.purpose-unknown`,
    `key.network-invalid`, `key.expiry-invalid` or `key.rate-invalid`.
    """
    presented = PresentedKey(secrets.token_hex(16), str(uuid.uuid4()))
    key = ApiKey.objects.create(
        account=account,
        name=_check_name(name),
        prefix=presented.prefix,
        secret_hash=presented.secret_hash,
        scopes=_check_scopes(scopes),
        lane=_check_lane(lane),
        purpose=_check_purpose(purpose),
        networks=_check_networks(networks),
        expires_at=_check_expiry(expires_at, lane=lane, now=timezone.now()),
        max_per_second=_check_rate(max_per_second),
        created_by_id=by.pk if by is not None else None,
    )
    return key, presented.text


def revoke_key(key: ApiKey, *, by: AbstractBaseUser | AnonymousUser | None = None) -> None:
    """From now on nobody comes in with it; once revoked stays revoked, at the moment and by whom it was."""
    values = {"revoked_at": timezone.now(), "revoked_by_id": by.pk if by is not None else None}
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(**values)
    key.refresh_from_db(fields=["revoked_at", "revoked_by"])


def _check_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= _NAME_LENGTH or not name.isprintable():
        raise CampaignError(
            "key.name-invalid",
            f"A key's name has 1 to {_NAME_LENGTH} printable characters.",
            action="Correct the name.",
        )
    return name


def _check_scopes(scopes: Iterable[str]) -> list[str]:
    wanted = set(scopes)
    if not wanted or not wanted <= SCOPES.keys():
        raise CampaignError(
            "key.scope-unknown",
            "A key needs at least one scope, and only scopes there are.",
            action=f"Choose among {', '.join(SCOPES)}.",
        )
    return [name for name in SCOPES if name in wanted]


def _check_lane(lane: str) -> str:
    if lane not in Lane.values:
        raise CampaignError("key.lane-unknown", "There is no such lane.", action="Choose standard or hipaa.")
    return lane


def _check_purpose(purpose: str) -> str:
    if purpose not in Purpose.values:
        raise CampaignError(
            "key.purpose-unknown", "There is no such purpose.", action="Choose transactional or marketing."
        )
    return purpose


def _check_networks(networks: Iterable[str]) -> list[str]:
    try:
        found = list(dict.fromkeys(str(ip_network(text.strip())) for text in networks))
    except ValueError as error:
        raise CampaignError(
            "key.network-invalid",
            "One of the networks is no address and no network.",
            action="Write them such as 192.0.2.7 or 192.0.2.0/24, with zeros after the network's part.",
        ) from error
    if len(found) > _MOST_NETWORKS:
        raise CampaignError(
            "key.network-invalid", f"A key has at most {_MOST_NETWORKS} networks.", action="Join some of them."
        )
    return found


def _check_expiry(expires_at: datetime | None, *, lane: str, now: datetime) -> datetime | None:
    latest = now + LONGEST_HIPAA_LIFE if lane == Lane.HIPAA else None
    if expires_at is None:
        return latest
    if timezone.is_naive(expires_at) or expires_at <= now:
        raise CampaignError(
            "key.expiry-invalid", "A key ends at a moment to come, with its time zone.", action="Choose a later one."
        )
    if latest is not None and expires_at > latest:
        raise CampaignError(
            "key.expiry-invalid",
            f"A key of the HIPAA lane ends after {LONGEST_HIPAA_LIFE.days} days at the latest.",
            action="Choose an earlier moment.",
        )
    return expires_at


def _check_rate(max_per_second: float | None) -> float | None:
    if max_per_second is None:
        return None
    if not (math.isfinite(max_per_second) and 0 < max_per_second <= MOST_PER_SECOND):
        raise CampaignError(
            "key.rate-invalid",
            f"The limit is a number above 0 and at most {MOST_PER_SECOND:,} requests per second.",
            action="Correct the limit, or leave it empty.",
        )
    return max_per_second
