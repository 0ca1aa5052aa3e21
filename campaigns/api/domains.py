"""/email/1/domains: sending domains, the records to publish, and what their mail is followed by."""

from __future__ import annotations

from typing import Annotated, Literal

from django.db import transaction
from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field

from campaigns.accounts.tenancy import access_domain_by_name
from campaigns.api.allow import Allow, account_of
from campaigns.api.schemas import OLDER, Given, Name255, Wire
from campaigns.api.shapes import Page, Paging, as_violations, tell_page
from campaigns.api.wire import number_of, write_time
from campaigns.domains import upkeep
from campaigns.domains.creation import create_domain, delete_domain
from campaigns.domains.expected import advised_records, expected_records
from campaigns.domains.sending import change_return_path, change_tracking
from campaigns.models import Domain, UnsubscribeLevel

router = Router(tags=["Domains"])

_READING = ("email:message:send",)
_NAME = dict.fromkeys(("address.domain-invalid", "domain.freemail", "domain.too-long"), "domainName")
_RETURN_PATH = dict.fromkeys(
    ("address.invalid", "domain.return-path-other", "domain.return-path-ascii", "domain.return-path-long"),
    "returnPathAddress",
)


class NewDomain(Given):
    """`targetedDailyTraffic` and `dkimKeyLength` are taken and change nothing: keys always have 2048 bits."""

    domain_name: Annotated[str, Field(min_length=1, max_length=100, examples=["news.example.org"])]
    targeted_daily_traffic: Annotated[int, Field(ge=1)]
    dkim_key_length: Literal[1024, 2048] = 2048
    application_id: Name255 | None = None
    entity_id: Name255 | None = None
    return_path_address: Annotated[str, Field(max_length=254)] = ""


class TrackingChange(Wire):
    """What is left out stays as it is. `opens`, as answers have it, is understood as well."""

    open: bool | None = None
    opens: bool | None = None
    clicks: bool | None = None
    unsubscribe: bool | None = None


class ReturnPathChange(Given):
    """A mailbox at the domain, or above, below or beside it; empty for none."""

    return_path_address: Annotated[str, Field(max_length=254)]


class PageOfDomains(Wire):
    size: Annotated[int, Field(ge=1, le=20)] = 10
    page: Page = 0


class TrackingOut(Wire):
    clicks: bool
    opens: bool
    unsubscribe: bool


class DnsRecordOut(Wire):
    record_type: str
    name: str
    expected_value: str
    verified: bool


class DomainOut(Wire):
    domain_id: int
    domain_name: str
    active: bool
    tracking: TrackingOut
    dns_records: list[DnsRecordOut]
    blocked: bool
    created_at: str | None
    blocklist_configuration_level: Literal["FROM_SENDER", "FROM_DOMAIN"]
    return_path_address: str


class DomainsOut(Wire):
    paging: Paging
    results: list[DomainOut]


@router.get(
    "/1/domains",
    response={200: DomainsOut, **OLDER},
    auth=Allow("domains.list", *_READING),
    operation_id="get_all_domains",
    summary="List sending domains",
    by_alias=True,
)
def list_domains(request: HttpRequest, query: Query[PageOfDomains]) -> DomainsOut:
    domains = account_of(request).domains.order_by("pk")
    shown = domains[query.page * query.size : (query.page + 1) * query.size]
    paging = tell_page(query.page, query.size, total=domains.count())
    return DomainsOut(paging=paging, results=[_show(domain) for domain in shown])


@router.post(
    "/1/domains",
    response={200: DomainOut, **OLDER},
    auth=Allow("domains.add"),
    operation_id="add_domain",
    summary="Add a sending domain",
    by_alias=True,
)
def add_domain(request: HttpRequest, body: NewDomain) -> DomainOut:
    with as_violations(_NAME), transaction.atomic():
        domain = create_domain(account_of(request), name=body.domain_name)
        with as_violations(_RETURN_PATH):
            change_return_path(domain, address=body.return_path_address)
    return _show(domain)


@router.get(
    "/1/domains/{domainName}",
    response={200: DomainOut, **OLDER},
    auth=Allow("domains.get", *_READING),
    operation_id="get_domain_details",
    summary="Look at a sending domain",
    by_alias=True,
)
def get_domain(request: HttpRequest, domainName: str) -> DomainOut:  # noqa: N803 - the wire's name
    return _show(access_domain_by_name(account_of(request), domainName))


@router.delete(
    "/1/domains/{domainName}",
    response={204: None, **OLDER},
    auth=Allow("domains.delete"),
    operation_id="delete_domain",
    summary="Delete a sending domain",
)
def remove_domain(request: HttpRequest, domainName: str) -> Status[None]:  # noqa: N803
    delete_domain(access_domain_by_name(account_of(request), domainName))
    return Status(204, None)


@router.put(
    "/1/domains/{domainName}/tracking",
    response={200: DomainOut, **OLDER},
    auth=Allow("domains.tracking"),
    operation_id="update_tracking_events",
    summary="Change what a domain's mail is followed by",
    by_alias=True,
)
def update_tracking(request: HttpRequest, domainName: str, body: TrackingChange) -> DomainOut:  # noqa: N803
    domain = access_domain_by_name(account_of(request), domainName)
    opens = body.open if body.open is not None else body.opens
    change_tracking(domain, opens=opens, clicks=body.clicks, unsubscribes=body.unsubscribe)
    return _show(domain)


@router.put(
    "/1/domains/{domainName}/return-path",
    response={200: DomainOut, **OLDER},
    auth=Allow("domains.return-path"),
    operation_id="update_return_path",
    summary="Change where a domain's bounces go",
    by_alias=True,
)
def update_return_path(request: HttpRequest, domainName: str, body: ReturnPathChange) -> DomainOut:  # noqa: N803
    domain = access_domain_by_name(account_of(request), domainName)
    with as_violations(_RETURN_PATH):
        change_return_path(domain, address=body.return_path_address)
    return _show(domain)


@router.post(
    "/1/domains/{domainName}/verify",
    response={202: None, **OLDER},
    auth=Allow("domains.verify"),
    operation_id="verify_domain",
    summary="Have a domain's records looked up",
)
def verify_domain(request: HttpRequest, domainName: str) -> Status[None]:  # noqa: N803
    upkeep.ask_for_look(access_domain_by_name(account_of(request), domainName))
    return Status(202, None)


def _show(domain: Domain) -> DomainOut:
    found = set(domain.findings.filter(ok=True).values_list("record", flat=True))
    return DomainOut(
        domain_id=number_of(domain.public_id),
        domain_name=domain.name,
        active=domain.is_verified,
        tracking=TrackingOut(
            clicks=domain.track_clicks, opens=domain.track_opens, unsubscribe=domain.track_unsubscribes
        ),
        dns_records=[
            DnsRecordOut(
                record_type=record.type,
                name=record.host,
                expected_value=record.value,
                verified=record.kind in found,
            )
            for record in (*expected_records(domain), *advised_records(domain))
        ],
        blocked=False,
        created_at=write_time(domain.created_at),
        # A level above both, the whole account, is told as the nearer of them.
        blocklist_configuration_level="FROM_SENDER"
        if domain.unsubscribe_level == UnsubscribeLevel.SENDER
        else "FROM_DOMAIN",
        return_path_address=domain.return_path,
    )
