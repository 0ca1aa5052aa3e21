"""The public unsubscribe page (RFC 8058): knows nobody, keeps nothing, redirects nowhere."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from campaigns.errors import NotFound
from campaigns.tracking import unsubscribe

_FORM_BYTES = 4096
_CHUNK = 64 * 1024
_DRAIN_BYTES = 16 * 1024 * 1024
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}
_METHODS = "GET, HEAD, POST, OPTIONS"


@csrf_exempt
def answer_unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """POST unsubscribes (one-click or our form), GET asks, nothing else changes anything (UN-05 to UN-09)."""
    _forget_session(request)
    if request.method == "POST":
        response = _stop(request, token.removesuffix("/"))
    elif request.method in {"GET", "HEAD"}:
        response = _ask(token.removesuffix("/"))
    else:
        status = HTTPStatus.NO_CONTENT if request.method == "OPTIONS" else HTTPStatus.METHOD_NOT_ALLOWED
        response = HttpResponse(status=status, headers={"Allow": _METHODS})
    for name, value in _HEADERS.items():
        response.headers[name] = value
    return response


def _forget_session(request: HttpRequest) -> None:
    """Leave the middleware no session and no CSRF token, or it would answer a broken cookie with a new one (UN-08)."""
    del request.session
    request.META.pop("CSRF_COOKIE_NEEDS_UPDATE", None)


def _ask(token: str) -> HttpResponse:
    try:
        page = unsubscribe.read_claim(token)
    except NotFound:
        return _render("not_found", status=HTTPStatus.NOT_FOUND)
    return _render("unsubscribe", page=page)


def _stop(request: HttpRequest, token: str) -> HttpResponse:
    form = parse_qs(_read_form(request), keep_blank_values=True)
    all_marketing = "all_marketing" in form
    try:
        unsubscribe.unsubscribe(token, all_marketing=all_marketing, now=timezone.now())
        if "confirm" not in form:
            return HttpResponse("You are unsubscribed.\n", content_type="text/plain; charset=utf-8")
        return _render("unsubscribed", page=unsubscribe.read_claim(token), all_marketing=all_marketing)
    except NotFound:
        return _render("not_found", status=HTTPStatus.NOT_FOUND)


def _read_form(request: HttpRequest) -> str:
    """The first bytes of the body as text; the rest is read and dropped, so that the client hears the answer.

    Never request.POST: it would spool, parse and refuse what a stranger sends. Only our own form, which is tiny and
    urlencoded, says more than "unsubscribe"; any other POST with a good token means just that (RFC 8058 §3.2).
    """
    head = b""
    total = 0
    try:
        while total < _DRAIN_BYTES and (chunk := request.read(_CHUNK)):
            head += chunk[: _FORM_BYTES - len(head)]
            total += len(chunk)
    except UnreadablePostError:
        # The client hung up in the middle; what it asked for is clear all the same.
        pass
    return head.decode("ascii", "replace")


def _render(name: str, *, status: HTTPStatus = HTTPStatus.OK, **context: object) -> HttpResponse:
    # Without the request no context processor can look at a user, a message or a cookie (UN-08).
    return HttpResponse(render_to_string(f"web/{name}.html", context), status=status)
