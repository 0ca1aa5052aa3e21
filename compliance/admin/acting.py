"""The signed-in person, as approvals know people, and where they come from."""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest
from django.utils import timezone

from campaigns.accounts.acting import act_as
from campaigns.admin.rights import accounts_of
from campaigns.models import Account, BaaStatus
from compliance.approvals.quorum import Person


def person_of(request: HttpRequest, account: Account) -> Person:
    """Who asks, with their roles in this account and the age of their second factor."""
    return act_as(request.user, account, session=request.session, now=timezone.now())


def works_under_agreement(request: HttpRequest) -> bool:
    """Whether any of the person's accounts has, had or awaits an agreement; asked once a request."""
    known: bool | None = getattr(request, "sealpost_under_agreement", None)
    if known is None:
        known = accounts_of(request.user).exclude(baa_status=BaaStatus.NONE).exists()
        setattr(request, "sealpost_under_agreement", known)  # noqa: B010 (one page asks many times)
    return known


def network_of(request: HttpRequest) -> str:
    """The network a request came from, /24 or /48: enough for evidence, too little to tell a desk. '' when unknown."""
    try:
        address = ipaddress.ip_address(str(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return ""
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
