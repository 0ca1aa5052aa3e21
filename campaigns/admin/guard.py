"""What stands before every screen of somebody who works under an agreement: a second factor, and a clock for idle hands.

Others meet it as soon as they set up a second factor of their own accord.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from campaigns.accounts import drafts, person_trail, second_factor, sessions

_View = TypeVar("_View", bound=Callable[..., Any])
_WORDS = {
    "idle": "You were signed out after 15 minutes without activity.",
    "age": "You were signed out after eight hours. Sign in to go on.",
}
_KEPT = "Your draft was kept: sign in and open its page."


def before_factor(view: _View) -> _View:
    """Mark a screen that people reach with their password alone: the one that asks for the second factor, and leaving."""
    view.works_before_factor = True  # type: ignore[attr-defined]
    return view


def is_under_baa(request: HttpRequest) -> bool:
    """Whether the request's person works under an agreement, as it was found out on the way in."""
    return getattr(request, "sealpost_is_under_baa", False)


def find_way(request: HttpRequest, view: Callable[..., Any], *, under_baa: bool, now: datetime) -> HttpResponse | None:
    """Where the request goes instead of to the screen, or None when it may go on."""
    setattr(request, "sealpost_is_under_baa", under_baa)  # noqa: B010
    if under_baa and (because := sessions.find_end(request.session, now=now)):
        return _sign_out(request, because=because, now=now)
    if under_baa and request.headers.get("X-Requested-With") != "fetch":
        # A page that asks by itself how far a campaign is does not make its person present.
        sessions.note_presence(request.session, now=now)
    if getattr(view, "works_before_factor", False) or second_factor.find_moment(request.session):
        return None
    if second_factor.is_set_up(request.user):
        return to_page("admin:confirm", request)
    return to_page("admin:second_factor", request) if under_baa else None


def to_page(name: str, request: HttpRequest, *, onwards: str = "") -> HttpResponseRedirect:
    """To a screen that goes on afterwards: back here, unless another page is named."""
    return HttpResponseRedirect(f"{reverse(name)}?{urlencode({'next': onwards or _here(request)})}")


def next_page(request: HttpRequest) -> str:
    """Where the request says to go on, if that is a page of ours; home otherwise."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("admin:index")


def keep(request: HttpRequest, *, path: str, now: datetime) -> bool:
    """Keep what the request's form says, for the page at this path."""
    if not request.user.is_authenticated:
        return False
    return drafts.keep_draft(request.user, path=path, fields=_typed(request), now=now)


def _sign_out(request: HttpRequest, *, because: str, now: datetime) -> HttpResponse:
    is_kept = request.method == "POST" and keep(request, path=request.path, now=now)
    if request.user.is_authenticated:
        person_trail.note("person.logged-off", request.user, data={"because": because})
    logout(request)
    messages.warning(request, f"{_WORDS[because]} {_KEPT}" if is_kept else _WORDS[because])
    return to_page("admin:login", request)


def _typed(request: HttpRequest) -> list[tuple[str, list[str]]]:
    return [(name, [str(value) for value in values]) for name, values in request.POST.lists() if name != "draft-path"]


def _here(request: HttpRequest) -> str:
    # What was posted is not there to be asked for again: back to the page with the form.
    return request.path if request.method == "POST" else request.get_full_path()
