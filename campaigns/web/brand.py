"""The colours and the picture of an organisation, for its public pages."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from campaigns.accounts.branding import accent_of, open_brand
from campaigns.errors import NotFound

_CACHED = "public, max-age=300"


@require_safe
def answer_logo(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The picture, as it was checked when it was uploaded."""
    del request
    try:
        brand = open_brand(public_id)
    except NotFound:
        raise Http404 from None
    if brand.logo is None:
        raise Http404
    headers = {
        "Cache-Control": _CACHED,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return HttpResponse(brand.logo, content_type=brand.logo_type, headers=headers)


@require_safe
def answer_style(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The organisation's colour for buttons and links, made readable on light and on dark ground."""
    del request
    try:
        brand = open_brand(public_id)
    except NotFound:
        raise Http404 from None
    light, dark = accent_of(brand.color)
    text = (
        f":root{{--accent:{light.ground};--accent-strong:{light.ground};--on-accent:{light.text}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:{dark.ground};--accent-strong:{dark.ground};"
        f"--on-accent:{dark.text}}}}}"
    )
    return HttpResponse(text, content_type="text/css; charset=utf-8", headers={"Cache-Control": _CACHED})
