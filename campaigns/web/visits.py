"""GET /c/<token>.<link> leads on to a link's target, GET /o/<token>.gif is the picture that says a mail was opened.

Answered before sessions, cookies and redirects to https exist, and without waiting for the database (LW-01, LW-08).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from campaigns import tokens
from campaigns.errors import NotFound
from campaigns.models import EventKind
from campaigns.tracking import targets
from campaigns.tracking.agents import LONGEST
from campaigns.tracking.buffer import BUFFER
from campaigns.tracking.hits import RawHit
from campaigns.tracking.hosts import find_host_accounts

CLICK, OPEN = "/c/", "/o/"
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_METHODS = "GET, HEAD"
_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
_WORDS = {
    HTTPStatus.NOT_FOUND: "This link does not exist. It may have been cut in two: copy the whole of it from the mail.\n",
    HTTPStatus.SERVICE_UNAVAILABLE: "This link cannot be followed at this moment. Please try again in a minute.\n",
}
# Django's own middleware, which would say how long an answer is, comes later.
_PIXEL_HEADERS = _HEADERS | {"Content-Length": str(len(PIXEL))}
_PURPOSES = ("HTTP_SEC_PURPOSE", "HTTP_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")
_AHEAD = re.compile(r"prefetch|prerender|preview", re.IGNORECASE).search
# What rewrites the links of a mail follows them first (TR-02).
_REWRITER = re.compile(
    r"safelinks\.protection\.outlook|urldefense|proofpoint|mimecast|barracuda|linkprotect|trendmicro|cloudmark",
    re.IGNORECASE,
).search


class VisitMiddleware:
    """Answers links and pictures of mails, and nothing else on hosts that are only for them."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        path = request.path_info
        # As Django's own get_host has it, which would refuse hosts it is not told of.
        host, _ = _split(request.META.get("HTTP_HOST") or request.META["SERVER_NAME"])
        is_visit = path.startswith((CLICK, OPEN))
        accounts = _accounts_of(host)
        if is_visit and accounts != frozenset():
            return _answer(request, path, accounts)
        if _is_ours_alone(host, accounts):
            return _page(HTTPStatus.NOT_FOUND)
        # A host nobody knows is refused there, like with any other path.
        return self._get_response(request)


# The same few names, of which each costs as much to take apart as a token to check.
_split = lru_cache(maxsize=256)(split_domain_port)


def _accounts_of(host: str) -> frozenset[int] | None:
    """Whose mails lead to this host: None for everybody's, empty for nobody's."""
    if host == _host_of(settings.TRACKING_URL) or validate_host(host, settings.ALLOWED_HOSTS):
        return None
    return find_host_accounts(host)


def _is_ours_alone(host: str, accounts: frozenset[int] | None) -> bool:
    if accounts is not None:
        return bool(accounts)
    return host == _host_of(settings.TRACKING_URL) != _host_of(settings.PUBLIC_URL)


@lru_cache(maxsize=16)
def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def _answer(request: HttpRequest, path: str, accounts: frozenset[int] | None) -> HttpResponse:
    if request.method not in {"GET", "HEAD"}:
        return HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": _METHODS, **_HEADERS})
    if path.startswith(OPEN):
        return _answer_open(request, path.removeprefix(OPEN).removesuffix(".gif"))
    return _answer_click(request, path.removeprefix(CLICK), accounts)


def _answer_open(request: HttpRequest, token: str) -> HttpResponse:
    """The picture, always; one nobody sent is not counted (LW-10)."""
    claim = tokens.read_visit_token(token)
    if claim is not None:
        _note(request, EventKind.OPENED, claim.submission_id, claim.message)
    return HttpResponse(PIXEL, content_type="image/gif", headers=_PIXEL_HEADERS)


def _answer_click(request: HttpRequest, path: str, accounts: frozenset[int] | None) -> HttpResponse:
    """302 to exactly what the mail's author wrote; a machine gets the same (TR-03)."""
    try:
        click = targets.read_click(path, host_accounts=accounts)
    except NotFound:
        return _page(HTTPStatus.NOT_FOUND)
    except targets.TargetUnknown as error:
        response = _page(HTTPStatus(error.status))
        response.headers["Retry-After"] = "30"
        return response
    _note(request, EventKind.CLICKED, click.claim.submission_id, click.claim.message, link=click.link)
    # As bytes: Django would put letters beyond latin-1 into words of RFC 2047.
    return HttpResponse(
        status=HTTPStatus.FOUND, headers={"Location": click.url.encode(), "Content-Length": "0", **_HEADERS}
    )


def _note(
    request: HttpRequest, kind: EventKind, submission_id: int, message: UUID | None, *, link: int | None = None
) -> None:
    agent = request.META.get("HTTP_USER_AGENT", "")[:LONGEST]
    BUFFER.add(RawHit(timezone.now(), kind, submission_id, message, link, agent, _look_at(request)))


def _look_at(request: HttpRequest) -> str:
    """What the request itself gives away about who made it."""
    meta = request.META
    if request.method == "HEAD":
        return "machine.head"
    if any(_AHEAD(meta[name]) for name in _PURPOSES if name in meta):
        return "machine.prefetch"
    return "machine.rewriter" if "HTTP_REFERER" in meta and _REWRITER(meta["HTTP_REFERER"]) else ""


def _page(status: HTTPStatus) -> HttpResponse:
    """Words for whoever follows a broken link; no page, for a host of links has no style sheets."""
    return HttpResponse(_WORDS[status], status=status, content_type="text/plain; charset=utf-8", headers=_HEADERS)
