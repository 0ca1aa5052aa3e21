"""Addresses whose mail keeps coming back without anybody saying that they are dead: enough is enough.

A mailbox that is full for a day is nobody's fault; one that has been full for weeks is one nobody reads.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from campaigns.audiences import suppression
from campaigns.models import (
    Account,
    Message,
    MessageState,
    SoftBounce,
    SuppressionReason,
    SuppressionScope,
)

# An address that had no bounce for so long starts anew.
FORGIVEN_AFTER = timedelta(days=60)
# Mail servers try for five days: what has been away for longer without coming back has arrived.
SETTLED_AFTER = timedelta(days=6)


def note_soft_bounce(account: Account, *, address_key: str, now: datetime) -> bool:
    """Count one more mail that came back; whether that was the last one and the address is suppressed now."""
    with transaction.atomic():
        row, is_new = SoftBounce.objects.select_for_update().get_or_create(
            account=account, address_key=address_key, defaults={"count": 1, "first_at": now, "last_at": now}
        )
        if not is_new:
            starts_anew = now - row.last_at > FORGIVEN_AFTER
            row.first_at = now if starts_anew else row.first_at
            row.count = 1 if starts_anew else row.count + 1
            row.last_at = max(now, row.last_at)
            row.save(update_fields=["first_at", "count", "last_at"])
        if not _is_enough(row, account) or _had_arrived(row, account, now=now):
            return False
        entry = suppression.Entry(address_key, SuppressionScope.EVERYTHING, SuppressionReason.UNREACHABLE)
        suppression.suppress_many(account.pk, entries=[entry])
        row.delete()
        return True


def _is_enough(row: SoftBounce, account: Account) -> bool:
    if not account.soft_bounces_to_stop or row.count < account.soft_bounces_to_stop:
        return False
    return row.last_at - row.first_at >= timedelta(days=account.soft_bounce_days)


def _had_arrived(row: SoftBounce, account: Account, *, now: datetime) -> bool:
    """Whether something did arrive in between; the count starts anew then. Asked only when the count is full."""
    arrived = Message.objects.filter(
        submission__account=account,
        submission__created_at__gt=row.first_at - FORGIVEN_AFTER,
        address_key=row.address_key,
        state__in=[MessageState.SENT, MessageState.DELIVERED],
        sent_at__gt=row.first_at,
        sent_at__lt=now - SETTLED_AFTER,
    )
    last = arrived.order_by("-sent_at").values_list("sent_at", flat=True).first()
    if last is None:
        return False
    row.first_at, row.count = row.last_at, 1
    row.save(update_fields=["first_at", "count"])
    return True
