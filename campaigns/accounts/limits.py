"""How many requests a program may make: by its key, by its account, and by what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from campaigns.accounts.credentials import Credential
from campaigns.accounts.request_buckets import take_tokens
from campaigns.bucket import Rate
from campaigns.errors import CampaignError


def _a_minute(count: int) -> Rate:
    # Whoever fetches reports once a minute may do so in one go.
    return Rate(count / 60, burst_seconds=60)


_DOMAINS = Rate(1, burst_seconds=5)
_A_DAY = 86_400

# Infobip's published limits; for each account, whichever of its keys asks. Some operations have several.
OPERATIONS: Mapping[str, tuple[Rate, ...]] = {
    "messages.send": (Rate(4000),),
    "content.upload": (Rate(500),),
    "bulks.get": (_a_minute(100),),
    "bulks.reschedule": (_a_minute(100),),
    "bulks.status": (_a_minute(100),),
    "bulks.set-status": (_a_minute(100),),
    "reports.get": (_a_minute(120),),
    "logs.get": (_a_minute(120),),
    "reports.get-v1": (_a_minute(60),),
    "logs.get-v1": (_a_minute(60),),
    "validation.one": (Rate(150),),
    "validation.start": (Rate(1),),
    "validation.list": (Rate(1),),
    "domains.list": (_DOMAINS,),
    "domains.add": (_DOMAINS, Rate(1000 / _A_DAY, burst_seconds=_A_DAY)),
    "domains.get": (_DOMAINS,),
    "domains.delete": (_DOMAINS,),
    "domains.tracking": (_DOMAINS,),
    "domains.verify": (_DOMAINS,),
    "domains.return-path": (_DOMAINS,),
    "suppressions.get": (Rate(100),),
    "suppressions.add": (Rate(100),),
    "suppressions.delete": (Rate(100),),
    "suppressions.domains": (Rate(100),),
    "ips.read": (Rate(10),),
    "ips.change": (Rate(1),),
    "pools.read": (Rate(10),),
    "pools.change": (Rate(10),),
    "templates.read": (Rate(10),),
    "templates.change": (Rate(1),),
    "templates.preview": (Rate(10),),
}


class RateLimited(CampaignError):
    """Too many requests; `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "request.rate-limited", "Too many requests.", action="Slow down, then send this one again.", status=429
        )
        self.retry_after = retry_after


def take_request(credential: Credential, *, operation: str, now: datetime) -> None:
    """Returns when the request may be made, and counts it; else raises RateLimited and counts nothing.

    `operation` is a name of OPERATIONS. With Redis all web processes count together, in one round trip; without it, and
    while it does not answer, each counts for itself.
    """
    if seconds := take_tokens(_rates_of(credential, operation), now=now):
        raise RateLimited(seconds)


def _rates_of(credential: Credential, operation: str) -> dict[str, Rate]:
    account, key = credential.account, credential.key
    rates = {f"{account.public_id}:{operation}:{place}": rate for place, rate in enumerate(OPERATIONS[operation])}
    if account.max_requests_per_second:
        rates[f"account:{account.public_id}"] = Rate(account.max_requests_per_second)
    if key is not None and key.max_per_second:
        rates[f"key:{key.public_id}"] = Rate(key.max_per_second)
    return rates
