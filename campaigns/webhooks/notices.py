"""What the platform itself has to say: the bounce rate of a domain is high (infobip.md §2.4)."""

from __future__ import annotations

from datetime import datetime

from campaigns.models import EndpointState, WebhookDelivery, WebhookEndpoint, WebhookKind
from campaigns.webhooks import bell


def note_bounce_rate(
    account_id: int,
    *,
    kind: WebhookKind,
    submission_id: int,
    domain: str,
    threshold: float,
    rate: float,
    now: datetime,
) -> None:
    """Tell who wants to know, once for each campaign and kind; percentages."""
    listening = WebhookEndpoint.objects.filter(account=account_id, is_of_requests=False)
    wanting = [row for row in listening.exclude(state=EndpointState.OFF) if row.wants(kind)]
    details = {"domain": domain, "threshold": round(threshold, 2), "rate": round(rate, 2)}
    WebhookDelivery.objects.bulk_create(
        [
            WebhookDelivery(
                endpoint=endpoint, about=submission_id, kind=kind, details=details, next_attempt_at=now, created_at=now
            )
            for endpoint in wanting
        ],
        ignore_conflicts=True,
    )
    if wanting:
        bell.ring()
