"""The public unsubscribe page (RFC 8058): knows nobody, keeps nothing, redirects nowhere."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from campaigns.errors import NotFound
from campaigns.models import LeavingReason
from campaigns.tracking import unsubscribe
from campaigns.web.pages import finish, forget_session, read_form, render_page

_METHODS = "GET, HEAD, POST, OPTIONS"


@csrf_exempt
def answer_unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """POST unsubscribes (one-click or our form), GET asks, nothing else changes anything (UN-05 to UN-09)."""
    forget_session(request)
    if request.method == "POST":
        response = _stop(request, token.removesuffix("/"))
    elif request.method in {"GET", "HEAD"}:
        response = _ask(token.removesuffix("/"))
    else:
        status = HTTPStatus.NO_CONTENT if request.method == "OPTIONS" else HTTPStatus.METHOD_NOT_ALLOWED
        response = HttpResponse(status=status, headers={"Allow": _METHODS})
    return finish(response)


def _ask(token: str) -> HttpResponse:
    try:
        page = unsubscribe.read_claim(token)
    except NotFound:
        return render_page("not_found", status=HTTPStatus.NOT_FOUND)
    return render_page("unsubscribe", account=page.account, language=page.wording.language, page=page, token=token)


def _stop(request: HttpRequest, token: str) -> HttpResponse:
    """Only our own form, which is tiny, says more than "unsubscribe"; any other POST means just that (RFC 8058 §3.2)."""
    form = read_form(request)
    all_marketing = "all_marketing" in form
    try:
        unsubscribe.unsubscribe(token, all_marketing=all_marketing, now=timezone.now())
        if "confirm" not in form:
            return HttpResponse("You are unsubscribed.\n", content_type="text/plain; charset=utf-8")
        page = unsubscribe.read_claim(token)
        return render_page(
            "unsubscribed",
            account=page.account,
            language=page.wording.language,
            page=page,
            all_marketing=all_marketing,
            token=token,
            reasons=LeavingReason,
        )
    except NotFound:
        return render_page("not_found", status=HTTPStatus.NOT_FOUND)
