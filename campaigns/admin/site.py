"""The admin site: our navigation, our home page, and only people who belong to an account."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth.models import AnonymousUser, User
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from campaigns.accounts import person_trail
from campaigns.admin.dashboard import build_dashboard
from campaigns.admin.drafts import DraftPages
from campaigns.admin.eligibility import check_screen
from campaigns.admin.guard import before_factor, find_way
from campaigns.admin.navigation import build_navigation
from campaigns.admin.rights import accounts_of
from campaigns.admin.second_factor import SecondFactorPages
from campaigns.admin.sign_in import SignInForm
from campaigns.admin.watch import list_alarms
from campaigns.errors import CampaignError, NotFound
from campaigns.models import BaaStatus


class SealpostAdminSite(DraftPages, SecondFactorPages, AdminSite):
    """Django's admin under our theme; who may do what comes from memberships, not from Django's permission ticks."""

    site_header = site_title = "Sealpost"
    site_url = None
    index_title = "Home"
    enable_nav_sidebar = False
    login_form = SignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        """True for active staff who belong to an account, and for superusers."""
        return may_enter(request.user)

    def admin_view(  # type: ignore[override]
        self, view: Callable[..., Any], cacheable: bool = False
    ) -> Callable[..., Any]:
        """Django's guard, the account's clock, and the one place where a room's refusal nobody handled becomes a page."""

        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                zone, under_baa = _look_up(request)
                if turned := find_way(request, view, under_baa=under_baa, now=timezone.now()):
                    return turned
                with timezone.override(zone):
                    check_screen(request, self)
                    response = view(request, *args, **kwargs)
                    # Rendered here, while the zone holds and a refusal can still become a page.
                    return response.render() if isinstance(response, TemplateResponse) else response
            except NotFound as error:
                raise Http404 from error
            except CampaignError as error:
                context = {**self.each_context(request), "title": "This cannot be done", "error": error}
                return TemplateResponse(request, "admin/refused.html", context, status=error.status)

        return super().admin_view(answer, cacheable)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        # Django builds its list of every table here, with a permission check each; our navigation replaces it.
        context["nav"] = build_navigation(self, request) if context["has_permission"] else ()
        alarms = list_alarms(request, now=timezone.now()) if context["has_permission"] else []
        return context | self.draft_context(request) | {"alarms": alarms}

    def get_urls(self) -> list[Any]:
        return [*self.factor_urls(), *self.draft_urls(), *super().get_urls()]

    @before_factor
    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.user.is_authenticated:
            person_trail.note("person.signed-out", request.user)
        return super().logout(request, extra_context)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:  # noqa: ARG002
        return []

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The home page: what was sent, who is on the lists, and what to do next."""
        context = {
            **self.each_context(request),
            "title": self.index_title,
            "board": build_dashboard(request, site=self),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/index.html", context)

    def app_index(  # type: ignore[override]
        self,
        request: HttpRequest,  # noqa: ARG002
        app_label: str,  # noqa: ARG002
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Django's page of tables does not exist here."""
        return HttpResponseRedirect(reverse("admin:index"))


def _look_up(request: HttpRequest) -> tuple[str, bool]:
    """The zone of the person's account (UTC for several in different ones), and whether any is under an agreement."""
    rows = list(accounts_of(request.user).values_list("time_zone", "baa_status").order_by().distinct())
    zones = {zone for zone, _ in rows}
    under_baa = any(state != BaaStatus.NONE for _, state in rows)
    return zones.pop() if len(zones) == 1 else "UTC", under_baa


def may_enter(user: User | AnonymousUser) -> bool:
    """True for active staff who belong to an account, and for superusers."""
    if not (user.is_active and user.is_staff):
        return False
    return user.is_superuser or accounts_of(user).exists()
