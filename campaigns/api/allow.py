"""Who may come in by this door: asked before a byte of the body is read."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from campaigns.accounts import keys, limits
from campaigns.accounts.keys import Credential
from campaigns.accounts.presented import find_remote
from campaigns.errors import CampaignError
from campaigns.models import BaaStatus, Lane

_SENDING = ("message:send", "email:message:send")


class Allow:
    """Lets a request in when its key has one of these scopes and its rate limits have room for the operation."""

    def __init__(self, operation: str, *scopes: str) -> None:
        self.operation, self.scopes = operation, scopes

    def __call__(self, request: HttpRequest) -> Credential:
        """Raises CampaignError with status 401, 403 or 429."""
        now = timezone.now()
        header = request.headers.get("Authorization", "")
        remote = find_remote(request.META, behind_proxy=settings.BEHIND_PROXY)
        credential = keys.authenticate(header, remote=remote, now=now)
        check_lane(credential)
        keys.require_scope(credential, *self.scopes)
        limits.take_request(credential, operation=self.operation, now=now)
        return credential


def check_lane(credential: Credential) -> None:
    """The ordinary door is for ordinary accounts and keys: PHI must not even be parsed here (hipaa.md R1).

    Raises CampaignError `key.wrong-lane` or `account.under-agreement` with status 403.
    """
    if credential.lane != Lane.STANDARD:
        raise CampaignError(
            "key.wrong-lane",
            "This key belongs to the HIPAA-eligible endpoint.",
            action="Send to the HIPAA-eligible host.",
            status=403,
        )
    if credential.account.baa_status != BaaStatus.NONE:
        raise CampaignError(
            "account.under-agreement",
            "This account has a Business Associate Agreement: ordinary endpoints are closed to it.",
            action="Send to the HIPAA-eligible host with a key of that lane.",
            status=403,
        )


SEND = Allow("messages.send", *_SENDING)
"""For every operation that sends."""
