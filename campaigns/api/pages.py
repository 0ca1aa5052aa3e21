"""/openapi.json and /docs: the Email API described for programs and for people. Public; nothing in them is anybody's."""

from __future__ import annotations

import hashlib
import json
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.views.decorators.http import condition, require_safe

from campaigns.accounts.scopes import SCOPES
from campaigns.api.document import SECURITY_SCHEMES, build_document
from campaigns.api.reference import list_subjects
from campaigns.outbox import statuses

_HEADERS = {"Cache-Control": "public, max-age=3600", "X-Robots-Tag": "noindex"}
# Nothing inline, nothing from elsewhere; reading needs no script, copying a command is one of ours.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@cache
def write_document() -> bytes:
    """The document as JSON."""
    return json.dumps(build_document(), ensure_ascii=False, separators=(",", ":")).encode()


@cache
def write_page() -> bytes:
    """The document as a page: the same for everybody, so it is made once."""
    document = build_document()
    context = {
        "document": document,
        "server": document["servers"][0]["url"],
        "subjects": list_subjects(document),
        "schemes": SECURITY_SCHEMES,
        "scopes": SCOPES,
        "statuses": statuses.list_statuses(),
        "faults": statuses.list_faults(),
    }
    return render_to_string("api/docs.html", context).encode()


def _tag_of(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=lambda _: _tag_of(write_document()))
def show_document(_: HttpRequest) -> HttpResponse:
    """OpenAPI 3.1; tools of other origins may read it."""
    headers = {**_HEADERS, "Access-Control-Allow-Origin": "*"}
    return HttpResponse(write_document(), content_type="application/json", headers=headers)


@require_safe
@condition(etag_func=lambda _: _tag_of(write_page()))
def show_page(_: HttpRequest) -> HttpResponse:
    """Every operation with its fields and a command to try it."""
    headers = {**_HEADERS, "Content-Security-Policy": _POLICY}
    return HttpResponse(write_page(), headers=headers)


urlpatterns: list[URLPattern] = [
    path("openapi.json", show_document, name="openapi"),
    path("docs", show_page, name="api-docs"),
    path("docs/", show_page),
]
