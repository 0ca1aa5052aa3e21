"""Methods an address does not have: told in the envelope of its family, whichever operation lies there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI

from campaigns.api.envelopes import refuse


def list_patterns(api: NinjaAPI) -> list[URLPattern]:
    """The addresses of the operations, each with an answer to every method."""
    # The framework's own root would take the bare address of the host away from people.
    patterns = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern) and pattern.name != "api-root"]
    return [URLPattern(pattern.pattern, _answer_all(pattern.callback), name=pattern.name) for pattern in patterns]


def _answer_all(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """The view; OPTIONS tells the methods there are, and any other of them is a 405 (RFC 9110 §9.3.7, §15.5.6).

    HEAD is one of the others: a HEAD of reports would take them.
    """

    @csrf_exempt
    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        methods = {name.strip() for name in response.headers["Allow"].split(",")}
        allow = {"Allow": ", ".join(sorted({*methods, "OPTIONS"}))}
        if request.method == "OPTIONS":
            return HttpResponse(status=204, headers=allow)
        return refuse(request, 405, headers=allow)

    return answer
