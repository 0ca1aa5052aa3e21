"""The Content-Security-Policy is for pages: programs that read JSON load nothing (CSP Level 3 §1)."""

from __future__ import annotations

from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponseBase


class PolicyMiddleware(CSPMiddleware):
    """django-csp's, for whatever a browser could show; it works the header out anew for every answer."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.headers.get("Content-Type") == "application/json":
            return response
        return super().process_response(request, response)
