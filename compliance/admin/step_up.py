"""When somebody may not: they are asked for their second factor where that is all it takes, else told why."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse

from compliance.approvals.quorum import NotAllowed

_STALE = "approval.factor-stale"


def ask_for_factor(request: HttpRequest, error: NotAllowed, *, back: str = "") -> HttpResponse:
    """The page that asks for the factor and leads back, to here or to another page; for any other refusal raises it, and the site shows it."""
    if error.code != _STALE:
        raise error
    messages.warning(request, f"{error.safe_text} {error.action}")
    try:
        url = f"{reverse('admin:confirm')}?{urlencode({'next': back or request.path})}"
    except NoReverseMatch:
        raise error from None
    return HttpResponseRedirect(url)
