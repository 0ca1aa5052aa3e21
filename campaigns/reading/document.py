"""A mail as a document that a browser may show, and the policy that keeps it from doing anything else."""

from __future__ import annotations

import re

from django.utils.html import format_html, urlize

# Its styles and pictures work, its links open; no script, no form, no plug-in, no frame, and, because of `sandbox`, no
# origin: neither cookies nor pages of ours are within its reach, whoever wrote it (CSP 3 §6.3.2).
POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; default-src 'none'; "
    "img-src https: http: data:; style-src 'unsafe-inline'; font-src https: data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_ROOT = re.compile(r"<html\b[^>]*>|<!doctype\b[^>]*>", re.IGNORECASE)
# Inside a frame a link would replace the mail, and most sites refuse to be shown there.
_NEW_TAB = '<base target="_blank">'
_TEXT_STYLE = (
    "body{font:16px/1.55 system-ui,sans-serif;max-width:40rem;margin:0 auto;padding:24px;color:#1b1f23;"
    "background:#fff;white-space:pre-wrap;overflow-wrap:anywhere}"
)


def make_document(subject: str, *, html: str, text: str) -> str:
    """The mail as a whole HTML document: its own HTML, or its text when it has none."""
    return _open_links_outside(html) if html else _from_text(subject, text)


def _open_links_outside(html: str) -> str:
    found = _HEAD.search(html) or _ROOT.search(html)
    at = found.end() if found else 0
    return f"{html[:at]}{_NEW_TAB}{html[at:]}"


def _from_text(subject: str, text: str) -> str:
    return format_html(
        "<!doctype html><html><head><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>{}</title><style>{}</style><base target=_blank></head><body>{}</body></html>",
        subject,
        _TEXT_STYLE,
        urlize(text, nofollow=True, autoescape=True),
    )
