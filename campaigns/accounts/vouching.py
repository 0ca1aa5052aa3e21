"""Requests that we make ourselves in somebody's name: nothing that comes over the network can be one."""

from __future__ import annotations

from io import BytesIO
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from campaigns.accounts.credentials import Credential
from campaigns.accounts.roles import Right, rights_in
from campaigns.errors import NotFound
from campaigns.models import Account, Lane, Purpose

_SCOPES = frozenset({"email:message:send", "message:send", "email:logs:read"})


class VouchedRequest(WSGIRequest):
    """A request to our own API whose caller we know already. What it sends is kept in the sandbox.

    The web server makes requests of Django's class and of no other, so no header, cookie or body turns one into this.
    """

    def __init__(
        self, credential: Credential, *, path: str, query: str = "", kind: str = "", body: bytes = b""
    ) -> None:
        host = urlsplit(settings.PUBLIC_URL)
        super().__init__(
            {
                "REQUEST_METHOD": "POST" if kind else "GET",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": kind,
                "CONTENT_LENGTH": str(len(body)),
                "SERVER_NAME": host.hostname or "localhost",
                "SERVER_PORT": str(host.port or (443 if host.scheme == "https" else 80)),
                "wsgi.url_scheme": host.scheme,
                "wsgi.input": BytesIO(body),
            }
        )
        self.credential = credential


def vouch_for(user: AbstractBaseUser | AnonymousUser, account: Account, *, purpose: Purpose) -> Credential:
    """A credential of the account's ordinary lane for somebody who could make a key; what it sends goes to the sandbox.

    Raises NotFound for everybody else.
    """
    if Right.MANAGE_KEYS not in rights_in(user, account):
        raise NotFound("account")
    return Credential(account, Lane.STANDARD, purpose, _SCOPES, None, f"console {user.pk}", to_sandbox=True)


def find_vouched(request: HttpRequest) -> Credential | None:
    """Who stands behind a request that we made; None for every request that came to us."""
    return request.credential if isinstance(request, VouchedRequest) else None
