"""Ways out and pools on Infobip's wire, and how they are found there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field

from campaigns.accounts.tenancy import access_pool, access_transport
from campaigns.api.envelopes import Violation
from campaigns.api.schemas import Wire
from campaigns.api.shapes import Line
from campaigns.api.translate import Refused
from campaigns.errors import NotFound
from campaigns.models import Account, Transport, TransportPool
from campaigns.outbox import pools

Id = Annotated[Line, Field(min_length=1, max_length=64)]


class IpOut(Wire):
    """A way out. `name` is what people call it; the addresses are its relay's host, or stand for it."""

    id: str
    ip: str
    ip_addresses: list[str]
    name: str


class PoolOut(Wire):
    id: str
    name: str


class IpWithPoolsOut(IpOut):
    pools: list[PoolOut]


class PoolWithIpsOut(PoolOut):
    ips: list[IpOut]


@contextmanager
def missing(place: str, text: str) -> Iterator[None]:
    """A 404 of this family says which id is nobody's."""
    try:
        yield
    except NotFound:
        raise Refused(Violation(place, text), status=404) from None


def find_ip(account: Account, ip_id: str) -> Transport:
    """The account's way out, unless it was released; raises Refused with status 404."""
    with missing("ipId", "Dedicated IP not found"):
        way = access_transport(account, ip_id)
        if not way.is_pooled:
            raise NotFound("transport")
    return way


def find_pool(account: Account, pool_id: str) -> TransportPool:
    """The account's pool; raises Refused with status 404."""
    with missing("ipPoolId", "IP pool not found"):
        return access_pool(account, pool_id)


def show_ip(way: Transport) -> IpOut:
    """A way out on the wire."""
    found = pools.show_addresses(way)
    return IpOut(id=way.public_id.hex, ip=found[0], ip_addresses=found, name=way.name)


def show_ip_with_pools(way: Transport) -> IpWithPoolsOut:
    """A way out on the wire with the pools it is in."""
    there = [show_pool(member.pool) for member in way.pool_members.all()]
    return IpWithPoolsOut(**show_ip(way).model_dump(), pools=there)


def show_pool(pool: TransportPool) -> PoolOut:
    """A pool on the wire."""
    return PoolOut(id=pool.public_id.hex, name=pool.name)


def show_pool_with_ips(pool: TransportPool) -> PoolWithIpsOut:
    """A pool on the wire with its ways out, in the order they are used."""
    ips = [show_ip(member.transport) for member in pool.members.all()]
    return PoolWithIpsOut(id=pool.public_id.hex, name=pool.name, ips=ips)
