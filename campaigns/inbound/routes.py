"""Addresses that mail may come in by: made, changed, tried out."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from campaigns import addresses
from campaigns.errors import AddressError, CampaignError
from campaigns.inbound.places import find_place
from campaigns.models import Account, Domain, InboundPlace, InboundRoute, RouteAction, WebhookEndpoint, WebhookKind
from compliance.features import check_eligible

_PATTERN = re.compile(r"\*|[a-z0-9_][a-z0-9._+=-]{0,61}\*?")


@dataclass(frozen=True, slots=True, repr=False)
class Wish:
    """What a person enters; `endpoint` and `forward_to` count for the action that needs them."""

    domain: Domain
    pattern: str
    action: RouteAction
    endpoint: WebhookEndpoint | None = None
    forward_to: str = ""
    keeps: bool = True
    is_active: bool = True


def create_route(account: Account, wish: Wish) -> InboundRoute:
    """A new inbound address; raises NotEligible and CampaignError `inbound.…`."""
    route = InboundRoute(account=account)
    _write(route, wish)
    return route


def change_route(route: InboundRoute, wish: Wish) -> None:
    """Change everything about it; raises what create_route raises."""
    _write(route, wish)


def find_route(account: Account, text: str) -> InboundRoute | None:
    """The route that takes mail to an address, None when we would refuse it; raises AddressError."""
    place = find_place(addresses.parse(text).mailbox, only=InboundPlace.ROUTE)
    if place is None or place.account_id != account.pk or place.route_id is None:
        return None
    return InboundRoute.objects.select_related("domain", "endpoint").filter(pk=place.route_id).first()


def _write(route: InboundRoute, wish: Wish) -> None:
    check_eligible("inbound.mail", baa_status=route.account.baa_status)
    pattern = wish.pattern.strip().lower()
    if not _PATTERN.fullmatch(pattern):
        raise CampaignError(
            "inbound.pattern-invalid",
            "This cannot stand before the @ here.",
            action="Write a name such as support, a beginning such as sales-*, or * for every address.",
        )
    if wish.domain.account_id != route.account.pk or not wish.domain.is_verified:
        raise CampaignError(
            "inbound.domain-unverified",
            "Mail is taken for verified domains only.",
            action="Verify the domain on its page first.",
        )
    route.domain, route.pattern, route.action = wish.domain, pattern, wish.action
    route.endpoint = _check_endpoint(route.account, wish) if wish.action == RouteAction.WEBHOOK else None
    route.forward_to = _check_forward(wish) if wish.action == RouteAction.FORWARD else ""
    route.keeps = wish.keeps or wish.action == RouteAction.STORE
    route.is_active = wish.is_active
    _save(route)


def _check_endpoint(account: Account, wish: Wish) -> WebhookEndpoint:
    endpoint = wish.endpoint
    if endpoint is None or endpoint.account_id != account.pk or not endpoint.wants(WebhookKind.INBOUND):
        raise CampaignError(
            "inbound.endpoint-missing",
            "No webhook is chosen that takes mail.",
            action="Tick “Mail that arrives” on one of your webhooks, then choose it here.",
        )
    return endpoint


def _check_forward(wish: Wish) -> str:
    try:
        address = addresses.parse(wish.forward_to)
    except AddressError:
        raise CampaignError(
            "inbound.forward-invalid", "This is not an address mail can be forwarded to.", action="Correct it."
        ) from None
    if address.domain == wish.domain.name or find_place(address.mailbox) is not None:
        raise CampaignError(
            "inbound.forward-circle",
            "Mail to that address comes here again.",
            action="Forward to a mailbox somewhere else.",
        )
    return address.mailbox


def _save(route: InboundRoute) -> None:
    # Of a row that exists nothing else: workers count in it.
    entered = ["domain", "pattern", "action", "endpoint", "forward_to", "keeps", "is_active"]
    try:
        with transaction.atomic():
            route.save(update_fields=entered if route.pk else None)
    except IntegrityError as error:
        raise CampaignError(
            "inbound.exists", "There is an inbound address like this already.", action="Change that one.", status=409
        ) from error
