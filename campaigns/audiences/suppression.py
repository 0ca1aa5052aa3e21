"""Whom we must not write to: suppressing, lifting, and asking at hand-over."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Case, Exists, OuterRef, Value, When

from campaigns.models import (
    Account,
    Contact,
    ContactList,
    Purpose,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)

Person = AbstractBaseUser | AnonymousUser | None

SUPPRESSED = "suppressed"
UNSUBSCRIBED = "unsubscribed"
LIST_UNSUBSCRIBED = "list-unsubscribed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One address to suppress, as its key."""

    address_key: str
    scope: str
    reason: str
    list_id: int | None = None
    note: str = ""


def suppress(
    account: Account,
    *,
    address_key: str,
    scope: str,
    reason: str,
    list: ContactList | None = None,  # noqa: A002 (the field's name)
    note: str = "",
    by: Person = None,
) -> None:
    """Suppress one address; an entry that is already there stays as it is."""
    suppress_many(account.pk, entries=[Entry(address_key, scope, reason, list.pk if list else None, note)], by=by)


def suppress_many(account_id: int, *, entries: Iterable[Entry], by: Person = None) -> None:
    """Suppress addresses in one insert per 1,000; entries that are already there stay as they are."""
    Suppression.objects.bulk_create(
        (
            Suppression(
                account_id=account_id,
                address_key=entry.address_key,
                scope=entry.scope,
                list_id=entry.list_id,
                reason=entry.reason,
                note=entry.note,
                created_by_id=by.pk if by is not None else None,
            )
            for entry in entries
        ),
        ignore_conflicts=True,
        batch_size=1000,
    )


def lift(suppression: Suppression) -> None:
    """Take an entry away; the person's subscriptions stay as they are."""
    suppression.delete()


def scopes_for(purpose: str) -> list[str]:
    """The scopes that stop mail of this purpose on any list (UN-12): transactional mail passes a marketing one."""
    if purpose == Purpose.TRANSACTIONAL:
        return [SuppressionScope.EVERYTHING]
    return [SuppressionScope.EVERYTHING, SuppressionScope.MARKETING]


def blocked(account_id: int, *, keys: Collection[str], purpose: str, list_ids: Collection[int]) -> dict[str, str]:
    """Who of these must not be written to now: address key -> why, in the gate's words, in one query.

    "unsubscribed" left all marketing by their own wish, "suppressed" is everyone else on the account's list. With
    lists given, marketing also needs a living subscription to one of them; whoever has none is "list-unsubscribed".
    """
    why = Case(When(reason=SuppressionReason.UNSUBSCRIBED, then=Value(UNSUBSCRIBED)), default=Value(SUPPRESSED))
    suppressed = Suppression.objects.filter(
        account_id=account_id, address_key__in=keys, scope__in=scopes_for(purpose)
    ).values_list("address_key", why)
    if purpose == Purpose.TRANSACTIONAL or not list_ids:
        return dict(suppressed)
    # A list somebody left stays left, also for a contact that was deleted and made again.
    left_list = Suppression.objects.filter(
        account_id=account_id, address_key=OuterRef("contact__address_key"), list=OuterRef("list")
    )
    subscribed = Subscription.objects.filter(
        ~Exists(left_list), contact=OuterRef("pk"), list__in=list_ids, state=SubscriptionState.SUBSCRIBED
    )
    free = Contact.objects.filter(Exists(subscribed), account_id=account_id, address_key__in=keys)
    found = free.values_list("address_key", Value("")).union(suppressed, all=True)
    verdicts = dict.fromkeys(keys, LIST_UNSUBSCRIBED)
    # Sorted, so that a suppression has the last word about somebody who is subscribed too.
    verdicts.update(sorted(found))
    return {key: verdict for key, verdict in verdicts.items() if verdict}
