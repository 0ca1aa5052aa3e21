"""Pools: named sets of ways out, which domains leave by them, and the choice of a way for each request.

Infobip's wire has dedicated IP addresses in pools; here ways out take their place.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from campaigns.accounts.tenancy import access_pool
from campaigns.errors import CampaignError, NotFound
from campaigns.models import LOWEST_PRIORITY, Account, Domain, PoolAssignment, PoolMember, Transport, TransportPool
from campaigns.outbox.transports import read_config
from campaigns.prepared import Prepared
from compliance import vault

_NAME_LENGTH = 100
# TEST-NET-1 (RFC 5737): an address that is nobody's.
_NOBODYS = ipaddress.IPv4Address("192.0.2.0")


def choose_transport(account: Account, *, pool: str = "", domain: Domain | None = None) -> Transport | None:
    """The way out for mail of this account: of the pool named by its public id, else of the domain's pools in their
    order, else the default one; None when there is none. A way whose breaker is open is used when there is no other.

    Raises CampaignError `request.pool-unknown` or `request.pool-empty`: who names a pool wants no other way.
    """
    if not pool:
        return _first_working(list(_ways_of(account, domain)))
    try:
        named = access_pool(account, pool)
    except NotFound:
        raise CampaignError("request.pool-unknown", "This account has no pool with this id.") from None
    found = [member.transport for member in members_of(named)]
    if not found:
        raise CampaignError("request.pool-empty", "There is no way to send in this pool.", action="Add one.")
    return _first_working(found)


# The domain's ways in their order, then the default: one statement, since every request asks. The ORM would need a query
# for each table, as it cannot join an assignment by the pool and by the domain at once.
_WAYS = Prepared(
    Transport.objects.order_by,
    sql="""
SELECT {columns} FROM campaigns_transport
LEFT JOIN campaigns_poolmember m ON m.transport_id = campaigns_transport.id
LEFT JOIN campaigns_poolassignment a ON a.pool_id = m.pool_id AND a.domain_id = %s
WHERE campaigns_transport.account_id = %s AND (campaigns_transport.is_default OR a.id IS NOT NULL)
ORDER BY a.id IS NULL, a.priority, a.id, m.priority, m.id
""",
)


def _ways_of(account: Account, domain: Domain | None) -> Iterator[Transport]:
    if domain is None:
        yield from account.transports.filter(is_default=True)
        return
    for way in _WAYS.fetch(domain.pk, account.pk):
        way.account = account
        yield way


def _first_working(found: Sequence[Transport]) -> Transport | None:
    now = timezone.now()
    working = [way for way in found if way.broken_until is None or way.broken_until <= now]
    return next(iter(working or found), None)


def list_ways(account: Account) -> QuerySet[Transport]:
    """The ways out that pools may have, each with the pools it is in."""
    rows = account.transports.filter(is_pooled=True).select_related("account").order_by("pk")
    return rows.prefetch_related("pool_members__pool")


def list_pools(account: Account, *, name: str = "") -> QuerySet[TransportPool]:
    """The account's pools with their ways out, or those whose name has this in it, in any case of letters."""
    rows = account.transport_pools.order_by("pk").prefetch_related("members__transport__account")
    return rows.filter(name__icontains=name) if name else rows


def members_of(pool: TransportPool) -> QuerySet[PoolMember]:
    """The places in a pool in the order they are used, each with its way out."""
    return pool.members.select_related("transport__account")


def assignments_of(domain: Domain) -> QuerySet[PoolAssignment]:
    """The pools a domain's mail leaves by, in the order they are used."""
    return domain.pool_assignments.select_related("pool").prefetch_related("pool__members__transport__account")


def show_addresses(way: Transport) -> list[str]:
    """What stands for the IP addresses of a way out: its relay's host, or an address of nobody's, always the same."""
    try:
        host = str(read_config(way).get("host") or "")
    except (vault.SealBroken, ValueError):
        host = ""
    offset = 1 + int.from_bytes(hashlib.sha256(way.public_id.bytes).digest()[:2], "big") % 254
    return [host or str(_NOBODYS + offset)]


def create_pool(account: Account, *, name: str) -> TransportPool:
    """The account's new, empty pool; raises CampaignError `pool.name-invalid` or `pool.name-taken`."""
    return _save(TransportPool(account=account), name)


def rename_pool(pool: TransportPool, *, name: str) -> TransportPool:
    """The pool under another name; raises what create_pool raises."""
    return _save(pool, name)


def add_member(pool: TransportPool, *, way: Transport) -> None:
    """Put a way out into a pool, behind those that are there; once is enough."""
    PoolMember.objects.get_or_create(pool=pool, transport=way)


def remove_member(pool: TransportPool, *, way: Transport) -> None:
    """Take a way out of a pool; raises NotFound when it is not in it."""
    if not pool.members.filter(transport=way).delete()[0]:
        raise NotFound("transport")


def arrange_ways(pool: TransportPool, *, places: Mapping[Transport, int]) -> None:
    """The pool has exactly these ways out, the one with the lowest place first."""
    with transaction.atomic():
        pool.members.exclude(transport__in=list(places)).delete()
        for way, place in places.items():
            PoolMember.objects.update_or_create(pool=pool, transport=way, defaults={"priority": place})


def arrange_domains(pool: TransportPool, *, places: Mapping[Domain, int]) -> None:
    """The mail of exactly these domains leaves by the pool, each with the pool's place among the domain's."""
    with transaction.atomic():
        pool.assignments.exclude(domain__in=list(places)).delete()
        for domain, place in places.items():
            assign_pool(domain, pool=pool, priority=place)


def assign_pool(domain: Domain, *, pool: TransportPool, priority: int) -> None:
    """Let a domain's mail leave by a pool; 0 is asked first, 49 last. Assigned again, it takes the new priority."""
    _check_priority(priority)
    PoolAssignment.objects.update_or_create(domain=domain, pool=pool, defaults={"priority": priority})


def change_priority(domain: Domain, *, pool: TransportPool, priority: int) -> None:
    """Another place for a pool among the domain's; raises NotFound when it is none of them."""
    _check_priority(priority)
    if not domain.pool_assignments.filter(pool=pool).update(priority=priority):
        raise NotFound("pool")


def unassign_pool(domain: Domain, *, pool: TransportPool) -> None:
    """The domain's mail leaves by this pool no longer; raises NotFound when it did not."""
    if not domain.pool_assignments.filter(pool=pool).delete()[0]:
        raise NotFound("pool")


def release_way(way: Transport) -> None:
    """Take a way out of all pools and off the list of those pools may have; its settings stay.

    Raises CampaignError `transport.is-default`: what leaves by no pool leaves by the default one.
    """
    if way.is_default:
        raise CampaignError(
            "transport.is-default", "is the default way to send", action="Choose another default in the admin first."
        )
    with transaction.atomic():
        PoolMember.objects.filter(transport=way).delete()
        Transport.objects.filter(pk=way.pk).update(is_pooled=False)


def take_in_way(account: Account) -> Transport:
    """Put the way out that was released first back on the list; raises CampaignError `transport.none-released`.

    Nothing new is made here: a way out needs settings and credentials, which people enter in the admin.
    """
    with transaction.atomic():
        way = account.transports.select_for_update().filter(is_pooled=False).order_by("pk").first()
        if way is None:
            raise CampaignError(
                "transport.none-released",
                "There is no way to send that waits to be taken in.",
                action="Set up a new one in the admin; it is listed at once.",
            )
        way.is_pooled = True
        way.save(update_fields=["is_pooled"])
    return way


def _check_priority(priority: int) -> None:
    if not 0 <= priority <= LOWEST_PRIORITY:
        raise CampaignError("pool.priority-invalid", f"must be 0 to {LOWEST_PRIORITY}")


def _save(pool: TransportPool, name: str) -> TransportPool:
    name = name.strip()
    if not 0 < len(name) <= _NAME_LENGTH or not name.isprintable():
        raise CampaignError("pool.name-invalid", f"must have 1 to {_NAME_LENGTH} printable characters")
    pool.name = name
    try:
        with transaction.atomic():
            pool.save()
    except IntegrityError:
        raise CampaignError("pool.name-taken", "is the name of another pool") from None
    return pool
