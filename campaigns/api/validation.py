"""/email/2/validation and /validations: is an address worth writing to? One at once, or many in the background."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from campaigns.api.allow import Allow, account_of
from campaigns.api.envelopes import answer
from campaigns.api.forms import MULTIPART, URLENCODED, describe_form, read_body
from campaigns.api.schemas import NEWER, OLDER, Given, Moment, Wire
from campaigns.api.shapes import Line, read_cursor, write_cursor
from campaigns.api.wire import write_time
from campaigns.audiences import checking, validation
from campaigns.audiences.mail_servers import ask_reach
from campaigns.audiences.validation import Verdict
from campaigns.domains.lookup import make_resolver

router = Router(tags=["Validation"])

_CURSOR = "validations"
_SHOWN, _LONGEST = timedelta(days=7), timedelta(days=31)
Yes = Literal["true", "false", "unknown"]


class OneAddress(BaseModel):
    to: Annotated[str, Field(min_length=1, max_length=320)]


class AddressToCheck(Given):
    destination: Annotated[str, Field(min_length=1, max_length=320)]


class ManyAddresses(Wire):
    validation_request_id: Annotated[Line, Field(max_length=200)] = ""
    destinations: Annotated[list[AddressToCheck], Field(min_length=1, max_length=checking.MOST_DESTINATIONS)]


class Asked(Wire):
    """`catchAll` is never true: no mail server is asked."""

    validation_request_id: Annotated[Line, Field(max_length=200)] = ""
    destination: Annotated[list[Annotated[str, Field(max_length=320)]], Field(max_length=100)] = []
    valid_mailbox: Yes | None = None
    valid_syntax: bool | None = None
    catch_all: bool | None = None
    disposable: bool | None = None
    role_based: bool | None = None
    risk: Literal["LOW", "MEDIUM", "HIGH", "UNKNOWN"] | None = None
    validated_date_from: Moment | None = None
    validated_date_to: Moment | None = None
    cursor: Annotated[str, Field(max_length=500)] = ""
    size: Annotated[int, Field(ge=1, le=1000)] = 100


class VerdictOut(Wire):
    valid_mailbox: Yes
    valid_syntax: bool
    catch_all: bool = False
    disposable: bool
    role_based: bool
    risk: Literal["LOW", "MEDIUM", "HIGH", "UNKNOWN"]
    did_you_mean: str | None = None
    reason: str | None = None
    detailed_reasons: str | None = None


class OneOut(VerdictOut):
    to: str


class StartedOut(Wire):
    validation_request_id: str


class CheckedOut(VerdictOut):
    destination: str
    bulk_validation_date: str | None
    validation_request_id: str


class CursorPaging(Wire):
    """The cursors of the pages beside this one, empty where there is none."""

    size: int
    previous_cursor: str
    next_cursor: str


class CheckedPageOut(Wire):
    results: list[CheckedOut]
    paging: CursorPaging


@router.post(
    "/2/validation",
    response={200: OneOut, **OLDER},
    auth=Allow("validation.one"),
    operation_id="validate_email_addresses",
    summary="Check one address",
    openapi_extra=describe_form(OneAddress, kinds=("application/json", URLENCODED, MULTIPART)),
)
def validate_one(request: HttpRequest) -> HttpResponse:
    """By its syntax, its domain in DNS, and what is known of such names; no mail server is asked."""
    text = read_body(request, OneAddress).to
    resolver = make_resolver()
    (verdict,) = validation.check_addresses(
        account_of(request), [text], ask=lambda domain: ask_reach(domain, resolver=resolver)
    )
    shown = OneOut(to=text, **_show(verdict, text))
    return answer(request, 200, shown.model_dump(by_alias=True, exclude_none=True), root="ValidationResponse")


@router.post(
    "/2/validations",
    response={202: StartedOut, **NEWER},
    auth=Allow("validation.start"),
    operation_id="request_validations",
    summary="Have many addresses checked",
    by_alias=True,
)
def validate_many(request: HttpRequest, body: ManyAddresses) -> Status[StartedOut]:
    """The 202 comes when all are stored; results come by `get_validations`."""
    run = checking.start_run(
        account_of(request),
        destinations=[entry.destination for entry in body.destinations],
        name=body.validation_request_id,
    )
    return Status(202, StartedOut(validation_request_id=run.name))


@router.get(
    "/2/validations",
    response={200: CheckedPageOut, **NEWER},
    auth=Allow("validation.list"),
    operation_id="get_validations",
    summary="Read what was found about many addresses",
    by_alias=True,
    exclude_none=True,
)
def get_validations(request: HttpRequest, query: Query[Asked]) -> CheckedPageOut:
    """In the order they were checked, so that a reader can follow a check that still runs."""
    account = account_of(request)
    place = read_cursor(account, kind=_CURSOR, cursor=query.cursor) if query.cursor else ""
    before = int(place[1:]) if place.startswith("<") else None
    after = int(place[1:]) if place.startswith(">") else None
    found: list[checking.Checked] = []
    more = False
    if not query.catch_all and query.valid_mailbox != "true":
        wanted = _wanted(query, now=timezone.now())
        found, more = checking.list_checks(account, wanted=wanted, size=query.size, after=after, before=before)
    has_next, has_previous = (True, more) if before is not None else (more, after is not None)
    ends = (f">{found[-1].id}" if has_next else "", f"<{found[0].id}" if has_previous else "") if found else ("", "")
    following, previous = (write_cursor(account, kind=_CURSOR, place=end) if end else "" for end in ends)
    return CheckedPageOut(
        results=[_show_checked(entry) for entry in found],
        paging=CursorPaging(size=query.size, previous_cursor=previous, next_cursor=following),
    )


def _wanted(query: Asked, *, now: datetime) -> checking.Wanted:
    return checking.Wanted(
        run_name=query.validation_request_id,
        destinations=tuple(query.destination),
        mailbox=query.valid_mailbox or "",
        has_valid_syntax=query.valid_syntax,
        is_disposable=query.disposable,
        is_role=query.role_based,
        risk=query.risk or "",
        since=max(query.validated_date_from or now - _SHOWN, now - _LONGEST),
        until=query.validated_date_to,
    )


def _show(verdict: Verdict, text: str) -> dict[str, Any]:
    local = text.strip().rpartition("@")[0]
    return {
        "valid_mailbox": verdict.mailbox.value,
        "valid_syntax": verdict.has_valid_syntax,
        "disposable": verdict.is_disposable,
        "role_based": verdict.is_role,
        "risk": verdict.risk.value,
        "did_you_mean": f"{local}@{verdict.suggestion}" if verdict.suggestion else None,
        "reason": verdict.reason or None,
        "detailed_reasons": verdict.details or None,
    }


def _show_checked(entry: checking.Checked) -> CheckedOut:
    return CheckedOut(
        destination=entry.destination,
        bulk_validation_date=write_time(entry.checked_at),
        validation_request_id=entry.run_name,
        **_show(entry.verdict, entry.destination),
    )
