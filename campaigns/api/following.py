"""Reports (each once) and logs (again and again) of the last 48 hours, in both generations of the wire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router
from pydantic import BeforeValidator, Field

from campaigns.accounts.keys import Credential
from campaigns.api import schemas
from campaigns.api.allow import Allow
from campaigns.api.envelopes import Violation, encode
from campaigns.api.schemas import Given, Moment, Wire
from campaigns.api.translate import Refused
from campaigns.api.wire import write_time
from campaigns.outbox import statuses
from campaigns.outbox.deliveries import Delivery, Search, find_deliveries, take_reports

router = Router(tags=["Reports and logs"])

_SEND = ("message:send", "email:message:send")
_LONGEST_LIST = 2048
_SALT = "campaigns.api.logs"
_FREE = {"pricePerMessage": 0, "currency": "UNKNOWN"}
Limit = Annotated[int, Field(ge=1, le=1000)]
GeneralStatus = Literal["ACCEPTED", "PENDING", "UNDELIVERABLE", "DELIVERED", "EXPIRED", "REJECTED"]


def _read_many(value: Any) -> Any:
    """Repeated parameters, parameters with commas, or both."""
    return [part.strip() for text in value for part in str(text).split(",") if part.strip()] if value else []


Many = Annotated[list[str], BeforeValidator(_read_many), Field(max_length=1000)]


class ReportFilters(Given):
    bulk_id: str | None = None
    message_id: str | None = None
    limit: Limit = 50
    entity_id: str | None = None
    application_id: str | None = None
    campaign_reference_id: str | None = None

    def search(self) -> Search:
        return Search(
            bulk_ids=_one(self.bulk_id),
            message_ids=_one(self.message_id),
            campaign_references=_one(self.campaign_reference_id),
            entity_id=self.entity_id or "",
            application_id=self.application_id or "",
        )


class LogFilters(Given):
    sender: str | None = None
    destination: str | None = None
    bulk_id: Many = []
    message_id: Many = []
    general_status: GeneralStatus | None = None
    sent_since: Moment | None = None
    sent_until: Moment | None = None
    limit: Limit = 50
    entity_id: str | None = None
    application_id: str | None = None
    campaign_reference_id: Many = []
    use_cursor: bool = False
    cursor: str | None = None

    def search(self) -> Search:
        return Search(
            bulk_ids=tuple(self.bulk_id),
            message_ids=tuple(self.message_id),
            campaign_references=tuple(self.campaign_reference_id),
            entity_id=self.entity_id or "",
            application_id=self.application_id or "",
            sender=self.sender or "",
            recipient=self.destination or "",
            state=self.general_status or "",
            since=self.sent_since,
            until=self.sent_until,
            before=_read_cursor(self.cursor) if self.use_cursor and self.cursor else None,
        )


class OlderLogFilters(Given):
    message_id: Many = []
    from_: Annotated[str | None, Field(alias="from")] = None
    to: str | None = None
    bulk_id: Many = []
    campaign_reference_id: Many = []
    general_status: GeneralStatus | None = None
    sent_since: Moment | None = None
    sent_until: Moment | None = None
    limit: Limit = 50
    application_id: str | None = None
    entity_id: str | None = None

    def search(self) -> Search:
        return Search(
            bulk_ids=tuple(self.bulk_id),
            message_ids=tuple(self.message_id),
            campaign_references=tuple(self.campaign_reference_id),
            entity_id=self.entity_id or "",
            application_id=self.application_id or "",
            sender=self.from_ or "",
            recipient=self.to or "",
            state=self.general_status or "",
            since=self.sent_since,
            until=self.sent_until,
        )


class PriceOut(Wire):
    price_per_message: float
    currency: str


class FaultOut(Wire):
    group_id: int
    group_name: str
    id: int
    name: str
    description: str
    permanent: bool


class ReportOut(Wire):
    """The outcome of one mail."""

    bulk_id: str | None = None
    message_id: str
    to: str
    sender: str | None = None
    sent_at: str | None = None
    done_at: str | None = None
    message_count: int
    price: PriceOut
    status: schemas.StatusOut
    error: FaultOut
    callback_data: str | None = None
    platform: schemas.Platform | None = None
    campaign_reference_id: str | None = None
    attempt_count: int
    time_to_first_attempt: int | None = None


class ReportsOut(Wire):
    results: list[ReportOut]


class OlderReportOut(Wire):
    bulk_id: str | None = None
    message_id: str
    to: str
    sent_at: str | None = None
    done_at: str | None = None
    message_count: int
    price: PriceOut
    status: schemas.StatusOut
    error: FaultOut
    application_id: str | None = None
    entity_id: str | None = None


class OlderReportsOut(Wire):
    results: list[OlderReportOut]


class LogOut(Wire):
    """One mail; `text` is empty unless a copy is in active storage: content is wiped when a mail has left."""

    text: str
    sender: str | None = None
    destination: str
    bulk_id: str | None = None
    message_id: str
    sent_at: str | None = None
    done_at: str | None = None
    message_count: int
    price: PriceOut
    status: schemas.StatusOut
    error: FaultOut
    platform: schemas.Platform | None = None
    campaign_reference_id: str | None = None


class CursorOut(Wire):
    limit: int
    next_cursor: str | None = None


class LogsOut(Wire):
    results: list[LogOut]
    cursor: CursorOut | None = None


class OlderLogOut(Wire):
    text: str
    from_: Annotated[str | None, Field(alias="from")] = None
    to: str
    bulk_id: str | None = None
    message_id: str
    sent_at: str | None = None
    done_at: str | None = None
    message_count: int
    price: PriceOut
    status: schemas.StatusOut
    error: FaultOut
    application_id: str | None = None
    entity_id: str | None = None
    campaign_reference_id: str | None = None


class OlderLogsOut(Wire):
    results: list[OlderLogOut]


@router.get(
    "/4/reports",
    auth=Allow("reports.get", *_SEND),
    operation_id="get_email_delivery_reports",
    summary="Get delivery reports",
    response={200: ReportsOut, **schemas.NEWER},
    by_alias=True,
)
def get_reports(request: HttpRequest, filters: Query[ReportFilters]) -> HttpResponse:
    """Each report is handed out once; asked again, there is none. Reports are kept for 48 hours."""
    return _answer([_report(one) for one in _take(request, filters)])


@router.get(
    "/1/reports",
    auth=Allow("reports.get-v1", *_SEND),
    operation_id="get_email_delivery_reports_v1",
    summary="Get delivery reports (older)",
    response={200: OlderReportsOut, **schemas.OLDER},
    by_alias=True,
)
def get_older_reports(request: HttpRequest, filters: Query[ReportFilters]) -> HttpResponse:
    """As `/email/4/reports`, in the form before it."""
    return _answer([_older_report(one) for one in _take(request, filters)])


@router.get(
    "/4/logs",
    auth=Allow("logs.get", "email:logs:read"),
    operation_id="get_email_logs",
    summary="Get logs",
    response={200: LogsOut, **schemas.NEWER},
    by_alias=True,
)
def get_logs(request: HttpRequest, filters: Query[LogFilters]) -> HttpResponse:
    """The mails of the last 48 hours, newest first, as often as you like."""
    _check_lists(filters.bulk_id, filters.message_id)
    found = find_deliveries(_account(request), filters.search(), limit=filters.limit, now=timezone.now())
    body: dict[str, Any] = {"results": [_log(one) for one in found]}
    if filters.use_cursor:
        more = found[-1].number if len(found) == filters.limit else None
        body["cursor"] = {"limit": filters.limit, "nextCursor": _write_cursor(more) if more is not None else None}
    return HttpResponse(encode(body), content_type="application/json")


@router.get(
    "/1/logs",
    auth=Allow("logs.get-v1", "email:logs:read"),
    operation_id="get_email_logs_v1",
    summary="Get logs (older)",
    response={200: OlderLogsOut, **schemas.OLDER},
    by_alias=True,
)
def get_older_logs(request: HttpRequest, filters: Query[OlderLogFilters]) -> HttpResponse:
    """As `/email/4/logs`, in the form before it."""
    _check_lists(filters.bulk_id, filters.message_id)
    found = find_deliveries(_account(request), filters.search(), limit=filters.limit, now=timezone.now())
    return _answer([_older_log(one) for one in found])


def _account(request: HttpRequest) -> Any:
    credential: Credential = request.auth  # type: ignore[attr-defined]
    return credential.account


def _take(request: HttpRequest, filters: ReportFilters) -> list[Delivery]:
    return take_reports(_account(request), filters.search(), limit=filters.limit, now=timezone.now())


def _answer(results: list[dict[str, Any]]) -> HttpResponse:
    return HttpResponse(encode({"results": results}), content_type="application/json")


def _one(value: str | None) -> tuple[str, ...]:
    return (value,) if value else ()


def _check_lists(*lists: Iterable[str]) -> None:
    for name, values in zip(("bulkId", "messageId"), lists, strict=True):
        if len(",".join(values)) > _LONGEST_LIST:
            raise Refused(Violation(name, f"size must be at most {_LONGEST_LIST}"))


def _write_cursor(number: int) -> str:
    return signing.dumps(number, salt=_SALT)


def _read_cursor(text: str) -> int:
    try:
        return int(signing.loads(text, salt=_SALT))
    except (signing.BadSignature, ValueError, TypeError):
        raise Refused(Violation("cursor", "must be the nextCursor of an answer")) from None


def _common(one: Delivery) -> dict[str, Any]:
    status, fault = statuses.judge(one.state, one.code)
    return {
        "bulkId": one.bulk_id or None,
        "messageId": one.message_id,
        "sentAt": write_time(one.sent_at),
        "doneAt": write_time(one.done_at),
        "messageCount": 1,
        "price": _FREE,
        "status": status.as_json(),
        "error": fault.as_json(),
    }


def _platform(one: Delivery) -> dict[str, Any]:
    found = {"entityId": one.entity_id, "applicationId": one.application_id}
    named = {name: value for name, value in found.items() if value}
    return {"platform": named} if named else {}


def _reference(one: Delivery) -> dict[str, Any]:
    return {"campaignReferenceId": one.campaign_reference} if one.campaign_reference else {}


def _report(one: Delivery) -> dict[str, Any]:
    first = one.first_attempt_at
    waited = (
        {} if first is None else {"timeToFirstAttempt": max(int((first - one.accepted_at).total_seconds() * 1000), 0)}
    )
    told = {"callbackData": one.callback_data} if one.callback_data else {}
    return {
        **_common(one),
        "to": one.recipient,
        "sender": one.sender or None,
        "attemptCount": one.attempts,
        **waited,
        **told,
        **_platform(one),
        **_reference(one),
    }


def _older_report(one: Delivery) -> dict[str, Any]:
    return {
        **_common(one),
        "to": one.recipient,
        "applicationId": one.application_id or None,
        "entityId": one.entity_id or None,
    }


def _log(one: Delivery) -> dict[str, Any]:
    return {
        **_common(one),
        "text": one.text,
        "sender": one.sender or None,
        "destination": one.recipient,
        **_platform(one),
        **_reference(one),
    }


def _older_log(one: Delivery) -> dict[str, Any]:
    return {
        **_common(one),
        "text": one.text,
        "from": one.sender or None,
        "to": one.recipient,
        "applicationId": one.application_id or None,
        "entityId": one.entity_id or None,
        **_reference(one),
    }
