"""Reports, logs and scheduled mail of the HIPAA endpoint: asked for by ids, because an address in a query is in every log."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from campaigns.api import bulks, following, schemas
from compliance.api.allow import AllowHipaa
from compliance.api.strict import check_names, check_query

router = Router(tags=["Reports and logs"])

_SEND = ("message:send", "email:message:send")
_REPORTS = ("bulkId", "messageId", "limit")
_LOGS = (*_REPORTS, "generalStatus", "sentSince", "sentUntil")


@router.get(
    "/4/reports",
    auth=AllowHipaa("reports.get", *_SEND),
    operation_id="get_protected_reports",
    url_name="hipaa-reports",
    response={200: following.ReportsOut, **schemas.NEWER},
)
def get_reports(request: HttpRequest, filters: Query[following.ReportFilters]) -> HttpResponse:
    """Each report once. They name messages by id and nobody by address."""
    check_query(request, *_REPORTS)
    return following.get_reports(request, filters)


@router.get(
    "/1/reports",
    auth=AllowHipaa("reports.get-v1", *_SEND),
    operation_id="get_protected_reports_v1",
    url_name="hipaa-reports-v1",
    response={200: following.OlderReportsOut, **schemas.OLDER},
)
def get_older_reports(request: HttpRequest, filters: Query[following.ReportFilters]) -> HttpResponse:
    """As `/email/4/reports`, in the form before it."""
    check_query(request, *_REPORTS)
    return following.get_older_reports(request, filters)


@router.get(
    "/4/logs",
    auth=AllowHipaa("logs.get", "email:logs:read"),
    operation_id="get_protected_logs",
    url_name="hipaa-logs",
    response={200: following.LogsOut, **schemas.NEWER},
)
def get_logs(request: HttpRequest, filters: Query[following.LogFilters]) -> HttpResponse:
    """The mails of the last 48 hours: ids, states and moments."""
    check_query(request, *_LOGS, "useCursor", "cursor")
    return following.get_logs(request, filters)


@router.get(
    "/1/logs",
    auth=AllowHipaa("logs.get-v1", "email:logs:read"),
    operation_id="get_protected_logs_v1",
    url_name="hipaa-logs-v1",
    response={200: following.OlderLogsOut, **schemas.OLDER},
)
def get_older_logs(request: HttpRequest, filters: Query[following.OlderLogFilters]) -> HttpResponse:
    """As `/email/4/logs`, in the form before it."""
    check_query(request, *_LOGS)
    return following.get_older_logs(request, filters)


@router.get(
    "/1/bulks",
    auth=AllowHipaa("bulks.get", *_SEND),
    operation_id="get_protected_bulk",
    url_name="hipaa-bulk",
    response={200: bulks.BulkSchedulesOut, **schemas.OLDER},
    by_alias=True,
)
def get_bulk(request: HttpRequest, filters: Query[bulks.BulkFilter]) -> dict[str, Any]:
    """When a bulk leaves."""
    return bulks.get_bulk(request, filters)


@router.put(
    "/1/bulks",
    auth=AllowHipaa("bulks.reschedule", is_sending=True),
    operation_id="reschedule_protected_bulk",
    url_name="hipaa-reschedule",
    response={200: bulks.BulkScheduleOut, **schemas.OLDER},
    by_alias=True,
)
def reschedule(request: HttpRequest, filters: Query[bulks.BulkFilter], body: bulks.Reschedule) -> dict[str, Any]:
    """Another time for a bulk that has not begun."""
    check_names(request, "sendAt")
    return bulks.reschedule(request, filters, body)


@router.get(
    "/1/bulks/status",
    auth=AllowHipaa("bulks.status", *_SEND),
    operation_id="get_protected_bulk_status",
    url_name="hipaa-bulk-status",
    response={200: bulks.BulkStatusesOut, **schemas.OLDER},
    by_alias=True,
)
def get_status(request: HttpRequest, filters: Query[bulks.BulkFilter]) -> dict[str, Any]:
    """Where a bulk stands."""
    return bulks.get_status(request, filters)


@router.put(
    "/1/bulks/status",
    auth=AllowHipaa("bulks.set-status"),
    operation_id="change_protected_bulk_status",
    url_name="hipaa-change-bulk-status",
    response={200: bulks.BulkStatusOut, **schemas.OLDER},
    by_alias=True,
)
def change_status(request: HttpRequest, filters: Query[bulks.BulkFilter], body: bulks.StatusChange) -> dict[str, Any]:
    """Pause, go on or cancel; takes effect within two seconds."""
    check_names(request, "status")
    return bulks.change_status(request, filters, body)
