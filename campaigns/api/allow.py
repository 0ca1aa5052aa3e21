"""Who may come in by this door: asked before a byte of the body is read."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from campaigns.accounts import keys, limits
from campaigns.accounts.keys import Credential
from campaigns.accounts.lanes import require_door
from campaigns.accounts.presented import find_remote
from campaigns.accounts.refusals import note_refusal
from campaigns.accounts.vouching import find_vouched
from campaigns.errors import CampaignError
from campaigns.models import Account, Lane

_SENDING = ("message:send", "email:message:send")


class Allow:
    """Lets a request in when its key has one of these scopes and its rate limits have room for the operation."""

    def __init__(self, operation: str, *scopes: str) -> None:
        self.operation, self.scopes = operation, scopes

    def __call__(self, request: HttpRequest) -> Credential:
        """Raises CampaignError with status 401, 403 or 429."""
        now = timezone.now()
        credential = find_vouched(request) or _authenticate(request, now=now)
        try:
            # The ordinary door is for ordinary accounts and keys.
            require_door(credential, Lane.STANDARD, capability="api.email")
        except CampaignError as error:
            note_refusal(credential, error, door="http")
            raise
        keys.require_scope(credential, *self.scopes)
        limits.take_request(credential, operation=self.operation, now=now)
        return credential


def _authenticate(request: HttpRequest, *, now: datetime) -> Credential:
    # Not `request.headers`, which takes every header there is to pieces.
    header = request.META.get("HTTP_AUTHORIZATION", "")
    remote = find_remote(request.META, behind_proxy=settings.BEHIND_PROXY)
    return keys.authenticate(header, remote=remote, now=now)


def account_of(request: HttpRequest) -> Account:
    """The account whose program asks; for operations behind Allow."""
    credential: Credential = request.auth  # type: ignore[attr-defined]
    return credential.account


SEND = Allow("messages.send", *_SENDING)
"""For every operation that sends."""
