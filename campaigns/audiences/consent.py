"""Who agreed to what: subscribing with proof, and unsubscribing for good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from campaigns.audiences import suppression
from campaigns.models import (
    ConsentKind,
    Contact,
    ContactList,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)


def subscribe(
    contact: Contact,
    *,
    list: ContactList,  # noqa: A002 (the field's name)
    now: datetime,
    source: str,
    kind: str = ConsentKind.EXPRESS,
) -> bool:
    """Put a contact on a list with proof of consent; False when they unsubscribed from it and stay so.

    Only the person's own new consent may undo an unsubscribe, never a list somebody else keeps (evil input 7).
    """
    if has_left(contact, list=list):
        return False
    Subscription.objects.get_or_create(
        contact=contact,
        list=list,
        defaults={
            "state": SubscriptionState.SUBSCRIBED,
            "changed_at": now,
            "consent_kind": kind,
            "consent_source": source,
            "consent_at": now,
        },
    )
    return True


def has_left(contact: Contact, *, list: ContactList) -> bool:  # noqa: A002
    """True when the person unsubscribed from the list, also when the contact was deleted and made again since."""
    left = Suppression.objects.filter(
        account_id=contact.account_id, address_key=contact.address_key, scope=SuppressionScope.LIST, list=list
    )
    unsubscribed = contact.subscriptions.filter(list=list, state=SubscriptionState.UNSUBSCRIBED)
    return left.exists() or unsubscribed.exists()


def unsubscribe_lists(account_id: int, *, address_key: str, list_ids: Sequence[int], now: datetime) -> None:
    """Take a person off lists for good; the suppression outlives the contact, so no import brings them back (UN-12)."""
    scope, reason = SuppressionScope.LIST, SuppressionReason.UNSUBSCRIBED
    entries = [suppression.Entry(address_key, scope, reason, list_id=list_id) for list_id in list_ids]
    with transaction.atomic():
        suppression.suppress_many(account_id, entries=entries)
        _mark_unsubscribed(account_id, address_key=address_key, now=now, list_ids=list_ids)


def unsubscribe_marketing(account_id: int, *, address_key: str, now: datetime) -> None:
    """Stop all marketing to a person; transactional mail still reaches them (CASL s. 11, UN-12)."""
    entry = suppression.Entry(address_key, SuppressionScope.MARKETING, SuppressionReason.UNSUBSCRIBED)
    with transaction.atomic():
        suppression.suppress_many(account_id, entries=[entry])
        _mark_unsubscribed(account_id, address_key=address_key, now=now, list_ids=None)


def unsubscribe_sender(account_id: int, *, address_key: str, sender: str) -> None:
    """Stop marketing from one address or one domain; lists stay as they are, and mail from other senders comes."""
    entry = suppression.Entry(address_key, SuppressionScope.SENDER, SuppressionReason.UNSUBSCRIBED, sender=sender)
    suppression.suppress_many(account_id, entries=[entry])


def _mark_unsubscribed(account_id: int, *, address_key: str, now: datetime, list_ids: Sequence[int] | None) -> None:
    mine = Subscription.objects.filter(contact__account_id=account_id, contact__address_key=address_key)
    if list_ids is not None:
        mine = mine.filter(list_id__in=list_ids)
    mine.exclude(state=SubscriptionState.UNSUBSCRIBED).update(state=SubscriptionState.UNSUBSCRIBED, changed_at=now)
