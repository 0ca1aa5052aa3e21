"""POST /callbacks/<transport>/<secret>/: reports and events of a provider, for the mails of that transport only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from campaigns.callbacks import infobip, providers
from campaigns.callbacks.malformed import Malformed, NotReady
from campaigns.delivery.anymail_kinds import PROVIDERS
from campaigns.errors import NotFound
from campaigns.models import Transport
from campaigns.outbox import transports
from campaigns.tracking.record import Report, record_reports

# Infobip sends up to 2,000 reports at once, each below 2 KB.
MOST_BYTES = 5 * 1024 * 1024
AGAIN_SECONDS = 60

Reader = Callable[[HttpRequest, dict[str, Any]], Sequence[Report]]
"""The reports in a request, given the settings of the transport; raises Malformed or NotReady."""

READERS: dict[str, Reader] = {
    "infobip": infobip.read_reports,
    **{kind: providers.make_reader(provider) for kind, provider in PROVIDERS.items()},
}


@csrf_exempt
def take_callback(request: HttpRequest, public_id: str, token: str) -> HttpResponse:
    """Record what a provider tells. Unknown mails, and news told before, are a 200 like any other."""
    # No session is read here, so a broken cookie is not answered by a new one.
    del request.session
    try:
        transport = transports.find_by_callback(public_id, token=token)
    except NotFound:
        return _answer(HTTPStatus.NOT_FOUND)
    if request.method in {"GET", "HEAD"}:
        return _answer(HTTPStatus.OK)  # some providers look whether anybody is there
    if request.method != "POST":
        return _answer(HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD, POST")
    if _length(request) > MOST_BYTES:
        return _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return _take(request, transport)


@csrf_exempt
def answer_nobody(request: HttpRequest) -> HttpResponse:
    """Every other address below this one."""
    del request.session
    return _answer(HTTPStatus.NOT_FOUND)


def _take(request: HttpRequest, transport: Transport) -> HttpResponse:
    reader = READERS.get(transport.kind)
    if reader is None:
        return _answer(HTTPStatus.NOT_FOUND)
    try:
        reports = reader(request, transports.callback_config(transport))
    except Malformed:
        return _answer(HTTPStatus.BAD_REQUEST)
    except NotReady:
        return _again()
    if record_reports(reports, transport=transport, now=timezone.now()):
        return _answer(HTTPStatus.OK)
    # Some of these mails are just being handed over; what could be recorded is, and being told twice is harmless.
    return _again()


def _again() -> HttpResponse:
    return _answer(HTTPStatus.SERVICE_UNAVAILABLE, **{"Retry-After": str(AGAIN_SECONDS)})


def _length(request: HttpRequest) -> int:
    given = request.headers.get("Content-Length", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 12 else 0


def _answer(status: HTTPStatus, **headers: str) -> HttpResponse:
    """Never more than the status in words: nothing that was sent comes back."""
    response = HttpResponse(f"{status.phrase}\n", status=status, content_type="text/plain; charset=utf-8")
    for name, value in {"Cache-Control": "no-store", **headers}.items():
        response.headers[name] = value
    return response
