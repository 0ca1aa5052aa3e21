"""Middleware for what people see: programs load nothing, and no cookie says who they are."""

from __future__ import annotations

from collections.abc import Awaitable

from csp.middleware import CSPMiddleware
from django.contrib.auth import middleware as auth
from django.contrib.messages import middleware as messages
from django.contrib.sessions import middleware as sessions
from django.http import HttpRequest, HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

FOR_PROGRAMS = "/email/"
"""What addresses of the API begin with, on either host."""


class PolicyMiddleware(CSPMiddleware):
    """The Content-Security-Policy (CSP Level 3 §1), for whatever a browser could show: it is worked out for every answer."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.headers.get("Content-Type") == "application/json":
            return response
        return super().process_response(request, response)


class _ForPeople(MiddlewareMixin):
    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if request.path_info.startswith(FOR_PROGRAMS):
            return self.get_response(request)
        return super().__call__(request)


class SessionMiddleware(_ForPeople, sessions.SessionMiddleware):
    """Django's, for people."""


class AuthenticationMiddleware(_ForPeople, auth.AuthenticationMiddleware):
    """Django's, for people: credentials of programs are read by the doors of the API."""


class MessageMiddleware(_ForPeople, messages.MessageMiddleware):
    """Django's, for people."""
