"""Whom we must not write to: suppressing, lifting, and asking at hand-over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import connection, transaction
from django.db.models import QuerySet

from campaigns import addresses
from campaigns.errors import AddressError
from campaigns.models import (
    HIPAA_REASONS,
    Account,
    ContactList,
    Purpose,
    Suppression,
    SuppressionLift,
    SuppressionScope,
)
from compliance import audit, vault
from compliance.audit import SYSTEM, Ref

Person = AbstractBaseUser | AnonymousUser | None

SUPPRESSED = "suppressed"
UNSUBSCRIBED = "unsubscribed"
LIST_UNSUBSCRIBED = "list-unsubscribed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One address to suppress, as its key; with `address`, as people write it, it can be listed (sealed till then)."""

    address_key: str
    scope: str
    reason: str
    list_id: int | None = None
    note: str = ""
    sender: str = ""
    address: str = field(default="", repr=False)


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
    """Suppress one address; an entry that is already there stays as it is.

    One for a reason under HIPAA stands beside others of its scope, and is told to the audit trail.
    """
    entry = Entry(address_key, scope, reason, list.pk if list else None, note)
    if reason not in HIPAA_REASONS:
        suppress_many(account.pk, entries=[entry], by=by)
        return
    with transaction.atomic():
        suppress_many(account.pk, entries=[entry], by=by)
        owner = str(account.public_id)
        actor = Ref("person", str(by.pk)) if by is not None else SYSTEM
        audit.record(
            "suppression.added", owner=owner, actor=actor, about=Ref("account", owner), data={"reason": reason}
        )


def suppress_many(account_id: int, *, entries: Iterable[Entry], by: Person = None) -> None:
    """Suppress addresses in one insert per 1,000; entries that are already there stay as they are."""
    entries = list(entries)
    account = _public_id(account_id) if any(entry.address for entry in entries) else ""
    Suppression.objects.bulk_create(
        (
            Suppression(
                account_id=account_id,
                address_key=entry.address_key,
                scope=entry.scope,
                list_id=entry.list_id,
                reason=entry.reason,
                note=entry.note,
                sender=entry.sender,
                address_sealed=_seal(account, entry) if entry.address else None,
                recipient_domain=_domain(entry.address),
                created_by_id=by.pk if by is not None else None,
            )
            for entry in entries
        ),
        ignore_conflicts=True,
        batch_size=1000,
    )


def _public_id(account_id: int) -> str:
    return str(Account.objects.values_list("public_id", flat=True).get(pk=account_id))


def _seal(account: str, entry: Entry) -> bytes:
    return vault.seal(entry.address.encode(), **address_context(account, address_key=entry.address_key))


def _domain(address: str) -> str:
    try:
        return addresses.ascii_domain(address.rpartition("@")[2]) if address else ""
    except AddressError:
        return ""


def address_context(account: str, *, address_key: str) -> dict[str, str]:
    """Where the sealed address of an entry belongs; `account` is the public id."""
    return {"account": account, "thing": "suppression", "id": address_key, "field": "address"}


def lift(suppression: Suppression, *, note: str, by: Person) -> None:
    """Take an entry away, for a reason that is kept; the person's subscriptions stay as they are."""
    with transaction.atomic():
        lift_many(Suppression.objects.filter(pk=suppression.pk), note=note, by=by)


def lift_many(rows: QuerySet[Suppression], *, note: str, by: Person = None) -> None:
    """Take entries of one account away, and keep that they were; call it in a transaction."""
    found = list(rows.select_related("list", "account"))
    SuppressionLift.objects.bulk_create(
        SuppressionLift(
            account_id=row.account_id,
            address_key=row.address_key,
            scope=row.scope,
            of_what=str(row.list) if row.list else row.sender,
            reason=row.reason,
            added_at=row.created_at,
            note=note,
            created_by_id=by.pk if by is not None else None,
        )
        for row in found
    )
    Suppression.objects.filter(pk__in=[row.pk for row in found]).delete()
    if found:
        actor = Ref("person", str(by.pk)) if by is not None else Ref("system", "api")
        owner = str(found[0].account.public_id)
        counts = {
            f"of_{reason.replace('-', '_')}": count
            for reason, count in sorted(Counter(row.reason for row in found).items())
        }
        audit.record("suppression.lifted", owner=owner, actor=actor, about=Ref("account", owner), data=counts)


def sender_names(from_address: str) -> tuple[str, str]:
    """What somebody may have left who left the sender of a mail: its address, and its domain."""
    address = from_address.lower()
    return address, address.rpartition("@")[2]


def scopes_for(purpose: str) -> list[str]:
    """The scopes that stop mail of this purpose on any list (UN-12): transactional mail passes a marketing one."""
    if purpose == Purpose.TRANSACTIONAL:
        return [SuppressionScope.EVERYTHING]
    return [SuppressionScope.EVERYTHING, SuppressionScope.MARKETING]


def blocked(
    account_id: int,
    *,
    keys: Collection[str],
    contact_ids: Collection[int] = (),
    purpose: str,
    list_ids: Collection[int],
    from_address: str = "",
) -> dict[str, str]:
    """Who of these must not be written to now: address key -> why, in the gate's words, in one query.

    "unsubscribed" left all marketing by their own wish, "revoked-auth", "restriction" and "no-email" said so under HIPAA,
    "suppressed" is everyone else on the account's list. With
    lists given, marketing also needs that one of the contacts has the key and a living subscription to one of them;
    whoever has none is "list-unsubscribed". Marketing also stops for who left its `from_address` or that one's domain.
    """
    everyone = not list_ids or purpose == Purpose.TRANSACTIONAL
    scopes = ", ".join(f"'{SuppressionScope(scope).value}'" for scope in scopes_for(purpose))
    postgresql = connection.vendor == "postgresql"
    # One array each: hundreds of parameters cost more than the question.
    array = "= ANY(%s)" if postgresql else "IN (SELECT value FROM json_each(%s))"
    asked, people, lists = (
        list(some) if postgresql else json.dumps(list(some)) for some in (keys, contact_ids, list_ids)
    )
    sql, values = _SUPPRESSED.format(scopes=scopes, array=array), [account_id, asked]
    if from_address and purpose != Purpose.TRANSACTIONAL:
        names = sender_names(from_address)
        sql, values = f"{sql} UNION ALL {_LEFT_SENDER.format(array=array)}", [*values, account_id, asked, *names]
    if not everyone:
        sql, values = f"{_FREE.format(array=array)} UNION ALL {sql}", [account_id, people, lists, account_id, *values]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[str, str]] = cursor.fetchall()
    verdicts = dict.fromkeys(keys, "" if everyone else LIST_UNSUBSCRIBED)
    # Sorted, so that a suppression has the last word about somebody who is subscribed too.
    verdicts.update(sorted(row for row in found if row[0] in verdicts))
    return {key: verdict for key, verdict in verdicts.items() if verdict}


_SUPPRESSED = """
SELECT address_key, CASE WHEN reason IN ('unsubscribed', 'revoked-auth', 'restriction', 'no-email') THEN reason ELSE 'suppressed' END
FROM campaigns_suppression
WHERE account_id = %s AND address_key {array} AND scope IN ({scopes})
"""
_LEFT_SENDER = """
SELECT address_key, 'unsubscribed' FROM campaigns_suppression
WHERE account_id = %s AND address_key {array} AND scope = 'sender' AND sender IN (%s, %s)
"""
# By number: contacts of a batch lie side by side, their keys all over the index. Step by step: whatever the database thinks
# of tables that were filled a moment ago, no step reads more than the batch. A list somebody left stays left, also for a
# contact that was deleted and made again.
_FREE = """
WITH people AS MATERIALIZED (
    SELECT id, address_key FROM campaigns_contact WHERE account_id = %s AND id {array}
), subscribed AS MATERIALIZED (
    SELECT contact_id, list_id FROM campaigns_subscription
    WHERE contact_id IN (SELECT id FROM people) AND list_id {array} AND state = 'subscribed'
)
SELECT c.address_key, '' FROM people c JOIN subscribed s ON s.contact_id = c.id WHERE NOT EXISTS (
    SELECT 1 FROM campaigns_suppression l
    WHERE l.account_id = %s AND l.address_key = c.address_key AND l.list_id = s.list_id
)
"""
