"""Is this process alive, and can it work? For load balancers, containers and monitors."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase

log = logging.getLogger(__name__)


class HealthMiddleware:
    """`/healthz`: the process answers; `/readyz`: so do its database and its cache, else 503.

    The first of all middleware: whoever asks from the same machine knows no host name of ours and speaks no TLS.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path == "/healthz":
            return _answer(200, "alive")
        if request.path == "/readyz":
            broken = [name for name, look in _PARTS.items() if not _works(name, look)]
            return _answer(503, f"not ready: {', '.join(broken)}") if broken else _answer(200, "ready")
        return self._get_response(request)


def _look_at_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _look_at_cache() -> None:
    cache.get("readyz")


_PARTS = {"database": _look_at_database, "cache": _look_at_cache}


def _works(name: str, look: Callable[[], None]) -> bool:
    try:
        look()
    except Exception as error:
        # The edge: whatever is wrong with a part makes the process not ready. No text: it may quote an address.
        log.error("not ready: %s: %s", name, type(error).__name__)  # noqa: TRY400
        return False
    return True


def _answer(status: int, text: str) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain", headers={"Cache-Control": "no-store"})
