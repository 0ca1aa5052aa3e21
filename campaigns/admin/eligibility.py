"""Screens an account under an agreement (BAA) may not use: refused before they do anything, by the list of capabilities."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.admin import AdminSite
from django.db.models import Model
from django.http import HttpRequest

from campaigns.admin.rights import accounts_of
from campaigns.models import Account, BaaStatus
from compliance.features import Kind, check_eligible, find_capability


def check_screen(request: HttpRequest, site: AdminSite) -> None:
    """Returns when the screen may be used for the account it is about; raises NotEligible, whose action says what instead."""
    model = _model_of(request, site)
    if model is None:
        return
    capability = find_capability(Kind.SCREEN, model._meta.label)
    if not capability.is_eligible:
        check_eligible(capability.key, baa_status=_status_of(request, site.get_model_admin(model)))


def is_shown(request: HttpRequest, model: type[Model]) -> bool:
    """Whether the screen of a model is any use to this person: not when all of their accounts are under agreements."""
    if find_capability(Kind.SCREEN, model._meta.label).is_eligible:
        return True
    statuses = _statuses(request)
    return not statuses or BaaStatus.NONE in statuses


def _model_of(request: HttpRequest, site: AdminSite) -> type[Model] | None:
    """The model whose screen this address belongs to: addresses are named `app_model_view`."""
    words = (request.resolver_match.url_name or "").split("_") if request.resolver_match else []
    try:
        model = apps.get_model(words[0], words[1])
    except (IndexError, LookupError):
        return None
    return model if site.is_registered(model) else None


def _status_of(request: HttpRequest, screen: Any) -> str:
    """The state of the account this is about; `none` for a list over accounts of which one is ordinary."""
    statuses = _statuses(request)
    if statuses <= {BaaStatus.NONE}:
        return BaaStatus.NONE
    if BaaStatus.NONE not in statuses:
        return next(iter(statuses))
    account_id = _account_of(request, screen)
    found = Account.objects.filter(pk=account_id).values_list("baa_status", flat=True).first() if account_id else None
    return found or BaaStatus.NONE


def _account_of(request: HttpRequest, screen: Any) -> int | None:
    """The account of the row in the address, or the one chosen in the form."""
    given = request.resolver_match.kwargs if request.resolver_match else {}
    row_id = given.get("object_id") or given.get("public_id")
    if row_id is not None:
        row = screen.get_object(request, str(row_id))
        return screen.account_id_of(row) if row is not None and hasattr(screen, "account_id_of") else None
    chosen = request.POST.get("account", "") if request.method == "POST" else ""
    return int(chosen) if chosen.isascii() and chosen.isdigit() else None


def _statuses(request: HttpRequest) -> set[str]:
    """The states of the accounts this person works in, asked once for each page."""
    known: set[str] | None = getattr(request, "sealpost_statuses", None)
    if known is None:
        known = set(accounts_of(request.user).order_by().values_list("baa_status", flat=True).distinct())
        setattr(request, "sealpost_statuses", known)  # noqa: B010
    return known
