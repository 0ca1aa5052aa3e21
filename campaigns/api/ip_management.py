"""/email/1/ip-management: pools of ways out, where Infobip has pools of IP addresses."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field

from campaigns.api.allow import Allow, account_of
from campaigns.api.pool_shapes import (
    Id,
    IpOut,
    IpWithPoolsOut,
    PoolOut,
    PoolWithIpsOut,
    find_ip,
    find_pool,
    missing,
    show_ip,
    show_ip_with_pools,
    show_pool,
    show_pool_with_ips,
)
from campaigns.api.schemas import NEWER, Wire
from campaigns.api.shapes import Line, Page, Paging, as_violations, tell_page
from campaigns.outbox import pools

router = Router(tags=["IP management"])

_READ, _CHANGE = Allow("pools.read"), Allow("pools.change")
_READ_IPS, _CHANGE_IPS = Allow("ips.read"), Allow("ips.change")
_NAME = {"pool.name-invalid": "name", "pool.name-taken": "name"}
_NOT_THIS = {"transport.is-default": "ipId"}
_NONE = {"transport.none-released": "requestBody"}


class PoolName(Wire):
    name: Annotated[Line, Field(min_length=1, max_length=100)]


class WayInPool(Wire):
    ip_id: Id


class PoolsByName(Wire):
    name: Annotated[Line, Field(max_length=100)] = ""


class PageOfIps(Wire):
    page: Page = 0
    size: Annotated[int, Field(ge=20, le=100)] = 20


class PageOfPools(PageOfIps):
    name: Annotated[Line, Field(max_length=100)] = ""


class IpsPageOut(Wire):
    results: list[IpWithPoolsOut]
    paging: Paging


class PoolsPageOut(Wire):
    results: list[PoolWithIpsOut]
    paging: Paging


@router.get(
    "/1/ip-management/ips",
    response={200: list[IpWithPoolsOut], **NEWER},
    auth=_READ_IPS,
    operation_id="get_all_ips",
    summary="List ways out",
    by_alias=True,
)
def list_ips(request: HttpRequest) -> list[IpWithPoolsOut]:
    return [show_ip_with_pools(way) for way in pools.list_ways(account_of(request))]


@router.get(
    "/1/ip-management/paginated/ips",
    response={200: IpsPageOut, **NEWER},
    auth=_READ_IPS,
    operation_id="get_page_of_ips",
    summary="List ways out by pages",
    by_alias=True,
)
def page_ips(request: HttpRequest, query: Query[PageOfIps]) -> IpsPageOut:
    ways = pools.list_ways(account_of(request))
    shown = ways[query.page * query.size : (query.page + 1) * query.size]
    return IpsPageOut(
        results=[show_ip_with_pools(way) for way in shown], paging=tell_page(query.page, query.size, total=ways.count())
    )


@router.post(
    "/1/ip-management/ips/commission",
    response={200: IpOut, **NEWER},
    auth=_CHANGE_IPS,
    operation_id="commission_ip",
    summary="Take a released way out in again",
    by_alias=True,
)
def commission_ip(request: HttpRequest) -> IpOut:
    """The one that was released first. New ones need settings and credentials, which people enter in the admin."""
    with as_violations(_NONE):
        return show_ip(pools.take_in_way(account_of(request)))


@router.get(
    "/1/ip-management/ips/{ipId}",
    response={200: IpWithPoolsOut, **NEWER},
    auth=_READ_IPS,
    operation_id="get_ip_details",
    summary="Look at a way out",
    by_alias=True,
)
def get_ip(request: HttpRequest, ipId: str) -> IpWithPoolsOut:  # noqa: N803 - the wire's names
    return show_ip_with_pools(find_ip(account_of(request), ipId))


@router.delete(
    "/1/ip-management/ips/{ipId}",
    response={204: None, **NEWER},
    auth=_CHANGE_IPS,
    operation_id="decommission_ip",
    summary="Release a way out from all pools",
)
def decommission_ip(request: HttpRequest, ipId: str) -> Status[None]:  # noqa: N803
    with as_violations(_NOT_THIS):
        pools.release_way(find_ip(account_of(request), ipId))
    return Status(204, None)


@router.get(
    "/1/ip-management/pools",
    response={200: list[PoolWithIpsOut], **NEWER},
    auth=_READ,
    operation_id="get_ip_pools",
    summary="List pools",
    by_alias=True,
)
def list_pools(request: HttpRequest, query: Query[PoolsByName]) -> list[PoolWithIpsOut]:
    return [show_pool_with_ips(pool) for pool in pools.list_pools(account_of(request), name=query.name)]


@router.get(
    "/1/ip-management/paginated/pools",
    response={200: PoolsPageOut, **NEWER},
    auth=_READ,
    operation_id="get_page_of_ip_pools",
    summary="List pools by pages",
    by_alias=True,
)
def page_pools(request: HttpRequest, query: Query[PageOfPools]) -> PoolsPageOut:
    found = pools.list_pools(account_of(request), name=query.name)
    shown = found[query.page * query.size : (query.page + 1) * query.size]
    return PoolsPageOut(
        results=[show_pool_with_ips(pool) for pool in shown],
        paging=tell_page(query.page, query.size, total=found.count()),
    )


@router.post(
    "/1/ip-management/pools",
    response={201: PoolOut, **NEWER},
    auth=_CHANGE,
    operation_id="create_ip_pool",
    summary="Make a pool",
    by_alias=True,
)
def create_pool(request: HttpRequest, body: PoolName) -> Status[PoolOut]:
    with as_violations(_NAME):
        return Status(201, show_pool(pools.create_pool(account_of(request), name=body.name)))


@router.get(
    "/1/ip-management/pools/{poolId}",
    response={200: PoolWithIpsOut, **NEWER},
    auth=_READ,
    operation_id="get_ip_pool",
    summary="Look at a pool",
    by_alias=True,
)
def get_pool(request: HttpRequest, poolId: str) -> PoolWithIpsOut:  # noqa: N803
    return show_pool_with_ips(find_pool(account_of(request), poolId))


@router.put(
    "/1/ip-management/pools/{poolId}",
    response={200: PoolOut, **NEWER},
    auth=_CHANGE,
    operation_id="update_ip_pool",
    summary="Rename a pool",
    by_alias=True,
)
def rename_pool(request: HttpRequest, poolId: str, body: PoolName) -> PoolOut:  # noqa: N803
    pool = find_pool(account_of(request), poolId)
    with as_violations(_NAME):
        return show_pool(pools.rename_pool(pool, name=body.name))


@router.delete(
    "/1/ip-management/pools/{poolId}",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="delete_ip_pool",
    summary="Delete a pool with its places and assignments",
)
def delete_pool(request: HttpRequest, poolId: str) -> Status[None]:  # noqa: N803
    find_pool(account_of(request), poolId).delete()
    return Status(204, None)


@router.post(
    "/1/ip-management/pools/{poolId}/ips",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="assign_ip_to_pool",
    summary="Put a way out into a pool",
)
def assign_ip(request: HttpRequest, poolId: str, body: WayInPool) -> Status[None]:  # noqa: N803
    account = account_of(request)
    pools.add_member(find_pool(account, poolId), way=find_ip(account, body.ip_id))
    return Status(204, None)


@router.delete(
    "/1/ip-management/pools/{poolId}/ips/{ipId}",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="remove_ip_from_pool",
    summary="Take a way out of a pool",
)
def remove_ip(request: HttpRequest, poolId: str, ipId: str) -> Status[None]:  # noqa: N803
    account = account_of(request)
    pool, way = find_pool(account, poolId), find_ip(account, ipId)
    with missing("ipId", "Dedicated IP not found"):
        pools.remove_member(pool, way=way)
    return Status(204, None)
