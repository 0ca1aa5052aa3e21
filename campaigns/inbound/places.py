"""Which addresses are ours, and what each is for. Everything else is somebody else's mail (SU-03)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns import tokens
from campaigns.inbound.correlate import read_tokens
from campaigns.models import BaaStatus, Domain, InboundPlace, InboundRoute, Message

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Place:
    """What an address is for, and in whose name; `message` is the one a token in the address stands for."""

    kind: InboundPlace
    account_id: int
    route_id: int | None = None
    message: UUID | None = None


def find_place(mailbox: str, *, only: InboundPlace | None = None) -> Place | None:
    """The place of an address (`local@a-label`), None when it is none of ours."""
    found = None if only == InboundPlace.ROUTE else _find_return_path(mailbox)
    return found or (None if only else _find_reports(mailbox)) or _find_route(mailbox)


def _find_return_path(mailbox: str) -> Place | None:
    """Return paths with the token of a message (VERP), the unsubscribe addresses beside them, and return paths as such.

    A token without its domain is worth nothing: the address has to be where our mail says that reports go.
    """
    local, _, host = mailbox.lower().rpartition("@")
    named = read_tokens(mailbox)
    if named:
        owner = Message.objects.filter(public_id=named[0]).values_list("submission__account_id", flat=True).first()
        path = _return_paths(host).filter(account=owner).first() if owner is not None else None
        if path is None or owner is None:
            return None
        # Unless somebody has named the return path itself like this.
        leaves = local.startswith(tokens.UNSUBSCRIBE_LOCAL) and not path.return_path.lower().startswith(
            tokens.UNSUBSCRIBE_LOCAL
        )
        return Place(InboundPlace.UNSUBSCRIBE if leaves else InboundPlace.REPORT, owner, message=named[0])
    found = _return_paths(host).filter(return_path__iexact=mailbox, verified_at__isnull=False).first()
    return Place(InboundPlace.REPORT, found.account_id) if found is not None else None


def _return_paths(host: str) -> models.QuerySet[Domain]:
    return Domain.objects.filter(return_path__iendswith=f"@{host}").order_by("-verified_at")


def _find_reports(mailbox: str) -> Place | None:
    """Where mailbox providers send their DMARC and TLS reports: the address of a domain, or the installation's (TS-02)."""
    address, host = mailbox.lower(), mailbox.lower().rpartition("@")[2]
    proved = Domain.objects.filter(verified_at__isnull=False, account__baa_status=BaaStatus.NONE).order_by("pk")
    found = proved.filter(reports_to__iexact=address).first()
    if found is None and address == settings.REPORTS_ADDRESS.lower():
        found = proved.filter(Q(name=host) | Q(return_path__iendswith=f"@{host}")).first()
    return Place(InboundPlace.DAILY, found.account_id) if found is not None else None


def _find_route(mailbox: str) -> Place | None:
    local, _, host = mailbox.lower().rpartition("@")
    rows = InboundRoute.objects.filter(
        domain__name=host, domain__verified_at__isnull=False, is_active=True, account__baa_status=BaaStatus.NONE
    )
    route = choose_route(local, rows.order_by("-domain__verified_at", "pk"))
    return Place(InboundPlace.ROUTE, route.account_id, route.pk) if route is not None else None


def choose_route(local: str, routes: Iterable[InboundRoute]) -> InboundRoute | None:
    """The route that says most about what stands before the @: the very name, then the longest beginning."""
    fitting = [route for route in routes if fits(local, route.pattern)]
    return max(fitting, key=lambda route: (not route.pattern.endswith(EVERY), len(route.pattern)), default=None)


def fits(local: str, pattern: str) -> bool:
    """Whether a pattern takes what stands before the @; `support` takes `support+anything` as well (RFC 5233)."""
    if pattern.endswith(EVERY):
        return local.startswith(pattern[:-1])
    return pattern in {local, local.partition("+")[0]}
