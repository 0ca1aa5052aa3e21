"""Showing mail inside our pages: in a sandboxed frame under a policy of its own, so that nothing in it can act."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.html import format_html

# `sandbox` makes it a stranger even to us; the mail's own styles must work, scripts and remote content must not.
_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:{images}; frame-ancestors 'self'"


def answer_html(html: str, *, images: bool = False) -> HttpResponse:
    """The mail's HTML for a frame; remote images only when asked for, since loading them tells the sender."""
    response = HttpResponse(html)
    response["Content-Security-Policy"] = _POLICY.format(images=" https: http:" if images else "")
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store"
    # Looking up the names in a mail would tell that it is being read.
    response["X-DNS-Prefetch-Control"] = "off"
    return response


def answer_text(text: str) -> HttpResponse:
    """Plain text for the same frame, with its lines as they are."""
    return answer_html(
        format_html(
            "<!doctype html><meta charset=utf-8><style>body{{font:14px/1.5 ui-monospace,Menlo,Consolas,monospace;"
            "margin:24px;white-space:pre-wrap;overflow-wrap:anywhere;color:#1b1f23;background:#fff}}</style>{}",
            text,
        )
    )


def answer_note(title: str, lines: list[str]) -> HttpResponse:
    """A sentence instead of a mail that cannot be shown."""
    items = "".join(format_html("<li>{}</li>", line) for line in lines)
    page = (
        "<!doctype html><meta charset=utf-8><style>body{font:15px/1.6 system-ui,sans-serif;margin:32px;color:#1b1f23;"
        "background:#fff}h1{font-size:18px}</style>"
    )
    return answer_html(page + format_html("<h1>{}</h1>", title) + f"<ul>{items}</ul>")
