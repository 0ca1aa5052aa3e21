"""/email/1/suppressions: addresses that bounced or complained, as programs keep them in step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field

from campaigns import addresses
from campaigns.accounts.tenancy import access_domain_by_name
from campaigns.addresses import Address
from campaigns.api.allow import Allow, account_of
from campaigns.api.envelopes import Violation
from campaigns.api.schemas import NEWER, Given, Moment, Wire
from campaigns.api.shapes import Line, Page, PlainPaging
from campaigns.api.translate import Refused
from campaigns.api.wire import write_time
from campaigns.audiences import suppression_list
from campaigns.errors import AddressError, NotFound
from campaigns.models import Account, SuppressionReason

router = Router(tags=["Suppressions"])

# We keep no list of full mailboxes: they are tried again, and never suppressed.
_REASONS = {"BOUNCE": SuppressionReason.BOUNCE, "COMPLAINT": SuppressionReason.COMPLAINT}


class Asked(Wire):
    """`domainName` is one of the account's; suppressions reach all of them."""

    domain_name: Annotated[Line, Field(min_length=1, max_length=255)]
    type: Literal["BOUNCE", "COMPLAINT", "OVER_QUOTA"]
    email_address: Annotated[Line, Field(max_length=320)] = ""
    recipient_domain: Annotated[Line, Field(max_length=255)] = ""
    created_date_from: Moment | None = None
    created_date_to: Moment | None = None
    page: Page = 0
    size: Annotated[int, Field(ge=1, le=1000)] = 100


class PageOfDomains(Wire):
    page: Page = 0
    size: Annotated[int, Field(ge=1, le=1000)] = 100


class Added(Given):
    domain_name: Annotated[str, Field(min_length=1, max_length=255)]
    email_address: Annotated[list[Annotated[str, Field(max_length=320)]], Field(min_length=1, max_length=1000)]
    type: Literal["BOUNCE", "COMPLAINT"]


class Removed(Added):
    type: Literal["BOUNCE", "COMPLAINT", "OVER_QUOTA"]  # type: ignore[assignment]


class AddRequest(Wire):
    suppressions: Annotated[list[Added], Field(min_length=1, max_length=10)]


class RemoveRequest(Wire):
    suppressions: Annotated[list[Removed], Field(min_length=1, max_length=10)]


class SuppressionOut(Wire):
    domain_name: str
    email_address: str
    type: str
    created_date: str | None
    reason: str


class SuppressionsOut(Wire):
    results: list[SuppressionOut]
    paging: PlainPaging


class DomainAccessOut(Wire):
    """What the account may do with the suppressions of a domain of its own: everything there is."""

    domain_name: str
    data_access: Literal["OWNER", "GRANTED"] = "OWNER"
    read_bounces: bool = True
    create_bounces: bool = True
    delete_bounces: bool = True
    read_complaints: bool = True
    create_complaints: bool = True
    delete_complaints: bool = True
    read_overquotas: bool = True
    delete_overquotas: bool = True


class DomainAccessesOut(Wire):
    results: list[DomainAccessOut]
    paging: PlainPaging


@router.get(
    "/1/suppressions",
    response={200: SuppressionsOut, **NEWER},
    auth=Allow("suppressions.get"),
    operation_id="get_suppressions",
    summary="List suppressed addresses",
    by_alias=True,
)
def get_suppressions(request: HttpRequest, query: Query[Asked]) -> SuppressionsOut:
    account = account_of(request)
    domain = _own_domain(account, query.domain_name, "domainName")
    found = []
    if query.type in _REASONS:
        wanted = _wanted(query)
        found = suppression_list.list_suppressions(account, wanted=wanted, page=query.page, size=query.size)
    results = [
        SuppressionOut(
            domain_name=domain,
            email_address=entry.address,
            type=query.type,
            created_date=write_time(entry.created_at),
            reason=entry.why,
        )
        for entry in found
    ]
    return SuppressionsOut(results=results, paging=PlainPaging(page=query.page, size=query.size))


@router.post(
    "/1/suppressions",
    response={204: None, **NEWER},
    auth=Allow("suppressions.add"),
    operation_id="add_suppressions",
    summary="Suppress addresses",
)
def add_suppressions(request: HttpRequest, body: AddRequest) -> Status[None]:
    account = account_of(request)
    for group, people in zip(body.suppressions, _read_groups(account, body.suppressions), strict=True):
        suppression_list.add_suppressions(account, addresses=people, reason=_REASONS[group.type])
    return Status(204, None)


@router.delete(
    "/1/suppressions",
    response={204: None, **NEWER},
    auth=Allow("suppressions.delete"),
    operation_id="delete_suppressions",
    summary="Lift suppressions",
)
def delete_suppressions(request: HttpRequest, body: RemoveRequest) -> Status[None]:
    account = account_of(request)
    for group, people in zip(body.suppressions, _read_groups(account, body.suppressions), strict=True):
        if group.type in _REASONS:
            suppression_list.remove_suppressions(account, addresses=people, reason=_REASONS[group.type])
    return Status(204, None)


@router.get(
    "/1/suppressions/domains",
    response={200: DomainAccessesOut, **NEWER},
    auth=Allow("suppressions.domains"),
    operation_id="get_domains",
    summary="List the domains whose suppressions may be managed",
    by_alias=True,
)
def get_domains(request: HttpRequest, query: Query[PageOfDomains]) -> DomainAccessesOut:
    names = account_of(request).domains.order_by("pk").values_list("name", flat=True)
    shown = names[query.page * query.size : (query.page + 1) * query.size]
    paging = PlainPaging(page=query.page, size=query.size)
    return DomainAccessesOut(results=[DomainAccessOut(domain_name=name) for name in shown], paging=paging)


def _own_domain(account: Account, name: str, path: str) -> str:
    try:
        return access_domain_by_name(account, name).name
    except NotFound:
        raise Refused(Violation(path, "must be one of your domains")) from None


def _wanted(query: Asked) -> suppression_list.Wanted:
    try:
        address = addresses.parse(query.email_address) if query.email_address.strip() else None
    except AddressError:
        raise Refused(Violation("emailAddress", "must be an address")) from None
    try:
        recipients = addresses.ascii_domain(query.recipient_domain) if query.recipient_domain.strip() else ""
    except AddressError:
        raise Refused(Violation("recipientDomain", "must be a domain")) from None
    return suppression_list.Wanted(
        _REASONS[query.type], address, recipients, query.created_date_from, query.created_date_to
    )


def _read_groups(account: Account, groups: Sequence[Added]) -> list[list[Address]]:
    """The addresses of each group; every fault of all groups is told at once."""
    faults: list[Violation] = []
    for place, group in enumerate(groups):
        try:
            _own_domain(account, group.domain_name, f"suppressions[{place}].domainName")
        except Refused as error:
            faults += error.violations
    found = [_read_addresses(group, f"suppressions[{place}]", faults) for place, group in enumerate(groups)]
    if faults:
        raise Refused(*faults)
    return found


def _read_addresses(group: Added, path: str, faults: list[Violation]) -> list[Address]:
    found = []
    for place, text in enumerate(group.email_address):
        try:
            found.append(addresses.parse(text))
        except AddressError:
            faults.append(Violation(f"{path}.emailAddress[{place}]", "must be an address"))
    return found
