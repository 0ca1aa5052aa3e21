"""Idle hands: the page warns before its person is signed out, keeps what they were typing, and offers it afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from campaigns.accounts import drafts, sessions
from campaigns.admin.guard import before_factor, is_under_baa, keep

_WARN_BEFORE = 120  # seconds

if TYPE_CHECKING:
    _Site = AdminSite
else:
    _Site = object


class DraftPages(_Site):
    """What scripts of our pages call; part of the admin site."""

    def draft_urls(self) -> list[URLPattern]:
        return [
            path("draft/keep/", self.admin_view(self.keep_draft), name="keep_draft"),
            path("draft/drop/", self.admin_view(self.drop_draft), name="drop_draft"),
            path("draft/stay/", self.admin_view(self.stay), name="stay"),
        ]

    def draft_context(self, request: HttpRequest) -> dict[str, Any]:
        """For pages of people whose sessions end: when, and what was kept for this page."""
        if not is_under_baa(request):
            return {}
        found = drafts.find_draft(request.user, path=request.path, now=timezone.now())
        seconds = int(sessions.IDLE.total_seconds())
        return {
            "idle": {"seconds": seconds, "warn": seconds - _WARN_BEFORE},
            "kept_draft": found and {"at": found[0], "fields": found[1]},
        }

    @before_factor
    def keep_draft(self, request: HttpRequest) -> HttpResponse:
        """Keep the form of the page at `draft-path`; its person is about to be signed out."""
        place = request.POST.get("draft-path", "")
        if request.method != "POST" or not url_has_allowed_host_and_scheme(place, allowed_hosts=None):
            return HttpResponseNotAllowed(["POST"])
        keep(request, path=place, now=timezone.now())
        return HttpResponse(status=204)

    def drop_draft(self, request: HttpRequest) -> HttpResponse:
        """Forget what was kept, and back to the page."""
        place = request.POST.get("draft-path", "")
        if request.method != "POST" or not url_has_allowed_host_and_scheme(place, allowed_hosts=None):
            return HttpResponseNotAllowed(["POST"])
        drafts.forget_draft(request.user, path=place)  # type: ignore[arg-type]
        return HttpResponseRedirect(place)

    def stay(self, request: HttpRequest) -> HttpResponse:
        """Somebody moved: that they are here was noted on the way in."""
        return HttpResponse(status=204) if request.method == "POST" else HttpResponseNotAllowed(["POST"])
