"""Who may come in by the HIPAA endpoint: asked before a byte of the body is read, and each refusal is kept."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone

from campaigns.accounts import keys, limits
from campaigns.accounts.keys import Credential
from campaigns.accounts.lanes import require_door
from campaigns.accounts.presented import find_remote, read_remote
from campaigns.accounts.refusals import note_refusal
from campaigns.errors import CampaignError
from campaigns.models import Account, Lane
from compliance import standing

_SENDING = ("message:send", "email:message:send")
DOOR = "hipaa-http"


class AllowHipaa:
    """Lets a request in that came over TLS, from where it may, with a key of this lane and for an account in good standing."""

    def __init__(self, operation: str, *scopes: str, is_sending: bool = False) -> None:
        self.operation, self.scopes, self.is_sending = operation, scopes, is_sending

    def __call__(self, request: HttpRequest) -> Credential:
        """Raises CampaignError with status 401, 403, 429 or 503."""
        now = timezone.now()
        remote = find_remote(request.META, behind_proxy=settings.BEHIND_PROXY)
        require_tls(request, remote=remote)
        require_network(remote)
        credential = keys.authenticate(request.headers.get("Authorization", ""), remote=remote, now=now)
        try:
            require_door(credential, Lane.HIPAA, capability="hipaa.endpoint")
            keys.require_scope(credential, *self.scopes)
            if self.is_sending:
                require_standing(credential.account, now=now)
        except CampaignError as error:
            note_refusal(credential, error, door=DOOR)
            raise
        limits.take_request(credential, operation=self.operation, now=now)
        return credential


def require_standing(account: Account, *, now: datetime) -> None:
    """Raises CampaignError with the code of what holds the account's protected mail (compliance.standing)."""
    hold = standing.find_hold(account.pk, now=now)
    if hold is not None:
        raise CampaignError(hold.code, hold.text, action=hold.action, status=403)


def require_tls(request: HttpRequest, *, remote: str) -> None:
    """Raises `hipaa.https-required`: no redirect, because what a program would repeat was already sent in the clear.

    Under DEBUG a program on the same machine is exempt.
    """
    address = read_remote(remote)
    if request.is_secure() or (settings.DEBUG and address is not None and address.is_loopback):
        return
    raise CampaignError(
        "hipaa.https-required",
        "This endpoint is reached by https only. What was sent has travelled unencrypted.",
        action="Use https, and replace the key: it may have been read.",
        status=403,
    )


def require_network(remote: str) -> None:
    """Raises `hipaa.network-refused` for an address outside of HIPAA_NETWORKS; an empty list lets in from anywhere."""
    address = read_remote(remote)
    if not settings.HIPAA_NETWORKS:
        return
    if address is not None and any(address in ip_network(network) for network in settings.HIPAA_NETWORKS):
        return
    raise CampaignError(
        "hipaa.network-refused",
        "This endpoint is not open to the network you call from.",
        action="Call from one of the networks agreed for it, or have the operator add yours.",
        status=403,
    )


SEND = AllowHipaa("messages.send", *_SENDING, is_sending=True)
"""For every operation that sends."""
