"""The HIPAA endpoint has host names of its own. There is nothing else at them, and at no other name is there anything of it."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port

URLCONF = "config.hipaa_urls"
# Load balancers ask for the first two by whatever name they know.
_BESIDE = frozenset({"/healthz", "/readyz", "/hipaa/v1/eligibility"})


class HipaaHostMiddleware:
    """Gives requests to a HIPAA host its addresses; the first of all, so that no other part of the product answers there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_hipaa_host(request):
            return self._get_response(request)
        request.urlconf = URLCONF
        if not request.path.startswith("/email/") and request.path not in _BESIDE:
            return HttpResponse(status=404, headers={"Cache-Control": "no-store"})
        response = self._get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


def is_hipaa_host(request: HttpRequest) -> bool:
    """Whether the request names one of the HIPAA hosts."""
    if not settings.HIPAA_HOSTS:
        return False
    host, _ = split_domain_port(request.META.get("HTTP_HOST", ""))
    return bool(host) and host.rstrip(".") in settings.HIPAA_HOSTS
