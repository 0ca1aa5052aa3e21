"""What all public pages share: headers, the organisation's language and colours, and forms read with care."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import parse_qs

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.template.loader import render_to_string
from django.utils.translation import override

from campaigns.accounts.branding import describe_brand
from campaigns.models import Account

_FORM_BYTES = 16 * 1024
_CHUNK = 64 * 1024
_DRAIN_BYTES = 16 * 1024 * 1024
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
FRAMING_POLICY = f"{_POLICY}; frame-src 'self'"
"""For a page that shows a document of ours in a frame."""
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": _POLICY,
}


def forget_session(request: HttpRequest) -> None:
    """Leave the middleware no session and no CSRF token, or it would answer a broken cookie with a new one (UN-08)."""
    del request.session
    request.META.pop("CSRF_COOKIE_NEEDS_UPDATE", None)


def read_form(request: HttpRequest) -> dict[str, list[str]]:
    """Our own urlencoded form: the first bytes of the body; the rest is read and dropped, so that the client hears us.

    Never request.POST: it would spool, parse and refuse what a stranger sends.
    """
    head = b""
    total = 0
    try:
        while total < _DRAIN_BYTES and (chunk := request.read(_CHUNK)):
            head += chunk[: _FORM_BYTES - len(head)]
            total += len(chunk)
    except UnreadablePostError:
        # The client hung up in the middle; what it asked for is clear all the same.
        pass
    return parse_qs(head.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=None)


def render_page(
    name: str,
    *,
    account: Account | None = None,
    language: str = "",
    status: HTTPStatus = HTTPStatus.OK,
    **context: object,
) -> HttpResponse:
    """A page in the organisation's language and colours; without the request nobody's cookie can show on it (UN-08)."""
    language = language or (account.language if account is not None else "en")
    brand = describe_brand(account) if account is not None else {}
    with override(language):
        text = render_to_string(f"web/{name}.html", {**context, "brand": brand, "language": language})
    return finish(HttpResponse(text, status=status))


def finish(response: HttpResponse) -> HttpResponse:
    """The headers of every public page."""
    for header, value in _HEADERS.items():
        response.headers.setdefault(header, value)
    return response
