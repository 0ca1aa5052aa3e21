"""/email/1/ip-management/domains: which pools a domain's mail leaves by, and in which order."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field

from campaigns.accounts.tenancy import access_domain_by_number
from campaigns.api.allow import Allow, account_of
from campaigns.api.pool_shapes import Id, PoolWithIpsOut, find_pool, missing, show_pool_with_ips
from campaigns.api.schemas import NEWER, Wire
from campaigns.models import LOWEST_PRIORITY, Account, Domain
from campaigns.outbox import pools

router = Router(tags=["IP management"])

_READ, _CHANGE = Allow("pools.read"), Allow("pools.change")
Priority = Annotated[int, Field(ge=0, le=LOWEST_PRIORITY, description="A higher number is asked later.")]


class NewAssignment(Wire):
    pool_id: Id
    priority: Priority


class NewPriority(Wire):
    priority: Priority


class AssignedPoolOut(PoolWithIpsOut):
    priority: int


class DomainPoolsOut(Wire):
    id: int
    name: str
    pools: list[AssignedPoolOut]


@router.get(
    "/1/ip-management/domains/{int:domainId}",
    response={200: DomainPoolsOut, **NEWER},
    auth=_READ,
    operation_id="get_ip_domain",
    summary="Look at a domain's pools",
    by_alias=True,
)
def get_domain_pools(request: HttpRequest, domainId: int) -> DomainPoolsOut:  # noqa: N803
    domain = find_domain(account_of(request), domainId)
    there = [
        AssignedPoolOut(**show_pool_with_ips(entry.pool).model_dump(), priority=entry.priority)
        for entry in pools.assignments_of(domain)
    ]
    return DomainPoolsOut(id=domainId, name=domain.name, pools=there)


@router.post(
    "/1/ip-management/domains/{int:domainId}/pools",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="assign_pool_to_domain",
    summary="Let a domain's mail leave by a pool",
)
def assign_pool(request: HttpRequest, domainId: int, body: NewAssignment) -> Status[None]:  # noqa: N803
    account = account_of(request)
    domain, pool = find_domain(account, domainId), find_pool(account, body.pool_id)
    pools.assign_pool(domain, pool=pool, priority=body.priority)
    return Status(204, None)


@router.put(
    "/1/ip-management/domains/{int:domainId}/pools/{poolId}",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="update_domain_pool_priority",
    summary="Change the place of a domain's pool",
)
def change_priority(request: HttpRequest, domainId: int, poolId: str, body: NewPriority) -> Status[None]:  # noqa: N803
    account = account_of(request)
    domain, pool = find_domain(account, domainId), find_pool(account, poolId)
    with missing("ipPoolId", "IP pool not found"):
        pools.change_priority(domain, pool=pool, priority=body.priority)
    return Status(204, None)


@router.delete(
    "/1/ip-management/domains/{int:domainId}/pools/{poolId}",
    response={204: None, **NEWER},
    auth=_CHANGE,
    operation_id="remove_ip_pool_from_domain",
    summary="Let a domain's mail leave by a pool no longer",
)
def remove_pool(request: HttpRequest, domainId: int, poolId: str) -> Status[None]:  # noqa: N803
    account = account_of(request)
    domain, pool = find_domain(account, domainId), find_pool(account, poolId)
    with missing("ipPoolId", "IP pool not found"):
        pools.unassign_pool(domain, pool=pool)
    return Status(204, None)


def find_domain(account: Account, number: int) -> Domain:
    with missing("domainId", "Domain not found"):
        return access_domain_by_number(account, number)
