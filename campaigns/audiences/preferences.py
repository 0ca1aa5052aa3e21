"""What readers choose for themselves: lists, how often, and no marketing at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from campaigns.audiences import consent, suppression
from campaigns.models import (
    Account,
    ConsentKind,
    Contact,
    ContactList,
    Frequency,
    Goodbye,
    LeavingReason,
    Preference,
    Subscription,
    SubscriptionState,
    Suppression,
    SuppressionReason,
    SuppressionScope,
)

TOO_OFTEN = "too-often"
SOURCE = "preference page"


@dataclass(frozen=True, slots=True)
class ListChoice:
    """A list on somebody's preference page, and whether they are on it."""

    list: ContactList
    is_on: bool


@dataclass(frozen=True, slots=True)
class Preferences:
    """What one person chose; names of lists and figures only, never an address. `is_known`: we have a contact of them."""

    lists: tuple[ListChoice, ...]
    frequency: Frequency
    marketing_stopped: bool
    is_known: bool

    @property
    def has_closed(self) -> bool:
        """Whether there is a list they have left and cannot join here."""
        return any(not (choice.is_on or choice.list.is_public) for choice in self.lists)


def read_preferences(account: Account, *, address_key: str, also: Sequence[int] = ()) -> Preferences:
    """The choices of the person behind the key; `also` are lists to show besides the public ones."""
    contact = Contact.objects.filter(account=account, address_key=address_key).first()
    on = set() if contact is None else _lists_of(contact)
    shown = ContactList.objects.filter(Q(is_public=True) | Q(pk__in=[*also, *on]), account=account).order_by("name")
    mine = Preference.objects.filter(account=account, address_key=address_key).first()
    return Preferences(
        lists=tuple(ListChoice(row, row.pk in on) for row in shown),
        frequency=Frequency(mine.frequency) if mine is not None else Frequency.EVERY,
        marketing_stopped=_marketing_stops(account, address_key).exists(),
        is_known=contact is not None,
    )


def change_preferences(
    account: Account, *, address_key: str, list_ids: Collection[int], shown: Collection[int], frequency: Frequency,
    now: datetime,
) -> None:  # fmt: skip
    """Join and leave lists among those shown, and choose how often; the person's own new consent undoes an opt-out.

    A list that is not public can be left here and not joined. Without a contact there is nobody to put on a list.
    """
    contact = Contact.objects.filter(account=account, address_key=address_key).first()
    on = set() if contact is None else _lists_of(contact)
    rows = {row.pk: row for row in ContactList.objects.filter(account=account, pk__in=shown)}
    with transaction.atomic():
        _set_frequency(account, address_key=address_key, frequency=frequency, now=now)
        leaving = [pk for pk in rows if pk in on and pk not in list_ids]
        if leaving:
            consent.unsubscribe_lists(account.pk, address_key=address_key, list_ids=leaving, now=now)
        for pk, row in rows.items():
            if contact is not None and pk in list_ids and pk not in on and row.is_public:
                _join(contact, row, now=now)


def stop_marketing(account: Account, *, address_key: str, now: datetime) -> None:
    """No marketing of any kind; mail people need still reaches them."""
    consent.unsubscribe_marketing(account.pk, address_key=address_key, now=now)


def _join(contact: Contact, row: ContactList, *, now: datetime) -> None:
    """The person themselves asks: what they left by themselves before, they may join again."""
    theirs = Q(scope=SuppressionScope.LIST, list=row) | Q(
        scope__in=[SuppressionScope.MARKETING, SuppressionScope.SENDER]
    )
    lifted = Suppression.objects.filter(
        theirs, account=contact.account_id, address_key=contact.address_key, reason=SuppressionReason.UNSUBSCRIBED
    )
    lifted.delete()
    Subscription.objects.update_or_create(
        contact=contact,
        list=row,
        defaults={
            "state": SubscriptionState.SUBSCRIBED,
            "changed_at": now,
            "consent_kind": ConsentKind.EXPRESS,
            "consent_source": SOURCE,
            "consent_at": now,
        },
    )


def _set_frequency(account: Account, *, address_key: str, frequency: Frequency, now: datetime) -> None:
    rows = Preference.objects.filter(account=account, address_key=address_key)
    if frequency is Frequency.EVERY:
        rows.delete()
        return
    Preference.objects.update_or_create(
        account=account, address_key=address_key, defaults={"frequency": frequency, "changed_at": now}
    )


def too_often(account_id: int, *, keys: Collection[str], submission_id: int, now: datetime) -> dict[str, str]:
    """Who of these wants no marketing mail yet, by key; the pause of everybody else who chose one begins now.

    One query for people without such a wish. A second attempt of the same submission is the same mail.
    """
    rows = Preference.objects.filter(account_id=account_id, address_key__in=keys, frequency__gt=0)
    wishes = list(rows.values_list("pk", "address_key", "frequency"))
    if not wishes:
        return {}
    by_days: dict[int, list[int]] = defaultdict(list)
    for pk, _, days in wishes:
        by_days[days].append(pk)
    is_free = Q(next_marketing_at=None) | Q(next_marketing_at__lte=now)
    with transaction.atomic():
        for days, ids in by_days.items():
            Preference.objects.filter(is_free, pk__in=ids).update(
                next_marketing_at=now + timedelta(days=days), last_submission=submission_id
            )
    # Two campaigns at the same moment: the row says which of them was first.
    mine = set(
        Preference.objects.filter(pk__in=[pk for pk, *_ in wishes], last_submission=submission_id).values_list(
            "pk", flat=True
        )
    )
    return {key: TOO_OFTEN for pk, key, _ in wishes if pk not in mine}


def note_goodbye(account: Account, *, submission_id: int | None, reason: LeavingReason) -> None:
    """Why somebody left; nobody knows who."""
    Goodbye.objects.create(account=account, submission_id=submission_id, reason=reason)


def reasons_of_submission(submission_id: int) -> list[tuple[str, int]]:
    """(words, how many) of those who left after a mail of it and said why, most given first."""
    return _count_reasons(Goodbye.objects.filter(submission=submission_id))


def reasons_of_accounts(accounts: QuerySet[Account], *, since: datetime) -> list[tuple[str, int]]:
    """The same of everything these accounts sent, mail of programs included."""
    return _count_reasons(Goodbye.objects.filter(account__in=accounts, created_at__gte=since))


def _count_reasons(rows: QuerySet[Goodbye]) -> list[tuple[str, int]]:
    counted = rows.order_by().values_list("reason").annotate(count=Count("pk")).order_by("-count", "reason")
    return [(str(LeavingReason(reason).label), count) for reason, count in counted]


def _lists_of(contact: Contact) -> set[int]:
    living = contact.subscriptions.filter(state=SubscriptionState.SUBSCRIBED)
    left = Suppression.objects.filter(
        account=contact.account_id, address_key=contact.address_key, scope=SuppressionScope.LIST
    )
    return set(living.values_list("list_id", flat=True)) - set(left.values_list("list_id", flat=True))


def _marketing_stops(account: Account, address_key: str) -> QuerySet[Suppression]:
    return Suppression.objects.filter(
        account=account, address_key=address_key, scope__in=suppression.scopes_for("marketing")
    )
