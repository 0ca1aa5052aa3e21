"""Bulks: GET and PUT /email/1/bulks, and the same of their status."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from pydantic import Field

from campaigns.accounts.keys import Credential
from campaigns.api import schemas
from campaigns.api.allow import Allow
from campaigns.api.composing import check_time
from campaigns.api.schemas import Given, Moment, Wire
from campaigns.api.wire import write_time
from campaigns.outbox.bulks import BulkStatus, change_bulk, find_bulk, reschedule_bulk

router = Router(tags=["Scheduled email"])

_SEND = ("message:send", "email:message:send")
MOST_DAYS = 30
BulkId = Annotated[str, Field(min_length=1, max_length=100)]
Status = Literal["PENDING", "PAUSED", "PROCESSING", "CANCELED", "FINISHED", "FAILED"]


class BulkFilter(Given):
    bulk_id: BulkId


class Reschedule(Given):
    send_at: Moment


class StatusChange(Given):
    status: Status


class BulkScheduleOut(Wire):
    bulk_id: str
    send_at: str


class BulkSchedulesOut(Wire):
    external_bulk_id: str
    bulks: list[BulkScheduleOut]


class BulkStatusOut(Wire):
    bulk_id: str
    status: Status


class BulkStatusesOut(Wire):
    external_bulk_id: str
    bulks: list[BulkStatusOut]


@router.get(
    "/1/bulks",
    auth=Allow("bulks.get", *_SEND),
    operation_id="get_scheduled_emails",
    summary="Get scheduled email",
    response={200: BulkSchedulesOut, **schemas.OLDER},
    by_alias=True,
)
def get_bulk(request: HttpRequest, filters: Query[BulkFilter]) -> dict[str, Any]:
    """When a bulk leaves."""
    bulk = find_bulk(_account(request), filters.bulk_id, now=timezone.now())
    return {
        "externalBulkId": bulk.bulk_id,
        "bulks": [{"bulkId": bulk.bulk_id, "sendAt": write_time(bulk.send_at)}],
    }


@router.put(
    "/1/bulks",
    auth=Allow("bulks.reschedule"),
    operation_id="reschedule_emails",
    summary="Reschedule email",
    response={200: BulkScheduleOut, **schemas.OLDER},
    by_alias=True,
)
def reschedule(request: HttpRequest, filters: Query[BulkFilter], body: Reschedule) -> dict[str, Any]:
    """Another time for a bulk that has not begun."""
    now = timezone.now()
    send_at = check_time(body.send_at, now=now, most_days=MOST_DAYS, path="sendAt")
    bulk = reschedule_bulk(_account(request), filters.bulk_id, send_at=send_at, now=now)
    return {"bulkId": bulk.bulk_id, "sendAt": write_time(bulk.send_at)}


@router.get(
    "/1/bulks/status",
    auth=Allow("bulks.status", *_SEND),
    operation_id="get_scheduled_email_statuses",
    summary="Get the status of scheduled email",
    response={200: BulkStatusesOut, **schemas.OLDER},
    by_alias=True,
)
def get_status(request: HttpRequest, filters: Query[BulkFilter]) -> dict[str, Any]:
    """Where a bulk stands."""
    bulk = find_bulk(_account(request), filters.bulk_id, now=timezone.now())
    return {"externalBulkId": bulk.bulk_id, "bulks": [{"bulkId": bulk.bulk_id, "status": bulk.status.value}]}


@router.put(
    "/1/bulks/status",
    auth=Allow("bulks.set-status"),
    operation_id="update_scheduled_email_statuses",
    summary="Change the status of scheduled email",
    response={200: BulkStatusOut, **schemas.OLDER},
    by_alias=True,
)
def change_status(request: HttpRequest, filters: Query[BulkFilter], body: StatusChange) -> dict[str, Any]:
    """Pause (`PAUSED`), go on (`PROCESSING`) or cancel (`CANCELED`); takes effect within two seconds."""
    bulk = change_bulk(_account(request), filters.bulk_id, status=BulkStatus(body.status), now=timezone.now())
    return {"bulkId": bulk.bulk_id, "status": bulk.status.value}


def _account(request: HttpRequest) -> Any:
    credential: Credential = request.auth  # type: ignore[attr-defined]
    return credential.account
