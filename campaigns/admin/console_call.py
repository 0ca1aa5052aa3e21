"""One request of the test console, answered by the Email API itself: the same addresses, checks and errors, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import perf_counter
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.urls import resolve

from campaigns.accounts.credentials import Credential
from campaigns.accounts.vouching import VouchedRequest
from campaigns.admin.console_bodies import ENDPOINTS, kind_of
from campaigns.outbox.trials import Exchange

_LOGS = "/email/4/logs"


def call_api(credential: Credential, *, endpoint: str, body: str, form: Mapping[str, Any]) -> Exchange:
    """Send the body to the operation, and what came back; nothing that is sent leaves the house."""
    path, kind, data = ENDPOINTS[endpoint].path, kind_of(endpoint, body), body.encode("utf-8", "replace")
    began = perf_counter()
    response = _answer(VouchedRequest(credential, path=path, kind=kind, body=data))
    took = (perf_counter() - began) * 1000
    return Exchange(
        path=path,
        request_headers=(
            ("Host", urlsplit(settings.PUBLIC_URL).netloc),
            ("Authorization", "App ••••••••"),
            ("Content-Type", kind),
            ("Content-Length", str(len(data))),
        ),
        request_body=body,
        status=response.status_code,
        headers=tuple(response.items()),
        body=response.content.decode("utf-8", "replace"),
        milliseconds=round(took, 1),
        form=form,
    )


def ask_logs(credential: Credential, told: list[str]) -> str:
    """What a program reads of these mails (GET /email/4/logs)."""
    query = urlencode({"messageId": ",".join(told)})
    return make_pretty(_answer(VouchedRequest(credential, path=_LOGS, query=query)).content.decode())


def make_pretty(body: str) -> str:
    """JSON as people read it; anything else as it is."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return body


def _answer(request: VouchedRequest) -> HttpResponse:
    # By address, as everybody's: no door is opened from inside.
    match = resolve(request.path_info, settings.ROOT_URLCONF)
    request.resolver_match = match
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return response
