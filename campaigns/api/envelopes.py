"""What a refusal looks like: two families of envelopes, by the generation of the endpoint (Infobip OpenAPI 3.210).

The older family is "ApiException", the newer "ApiError"; both are XML when asked. No value a caller sent comes back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from django.http import HttpRequest, HttpResponse

DOCUMENTATION = [{"name": "API documentation", "url": "/docs"}]
# Everything else has the newer one.
_OLDER = re.compile(
    r"/email/(?:3/send|4/mime|1/(?:bulks|reports|logs|domains|content)(?:/.*)?|2/validation)/*", re.DOTALL
)
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# What XML 1.0 cannot say at all, not even escaped (§2.2).
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXTS = {
    400: ("BAD_REQUEST", "Bad request", "Request cannot be processed."),
    401: ("UNAUTHORIZED", "Unauthorized", "Authentication failed."),
    403: ("FORBIDDEN", "Forbidden", "This key may not do this."),
    404: ("NOT_FOUND", "Not found", "Resource not found."),
    405: ("METHOD_NOT_ALLOWED", "Method not allowed", "This method is not available here."),
    409: ("CONFLICT", "Conflict", "The request contradicts what is there."),
    413: ("PAYLOAD_TOO_LARGE", "Payload too large", "The request is too large."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "Unsupported media type", "The content type is not supported here."),
    429: ("TOO_MANY_REQUESTS", "Too many requests", "Too many requests."),
    500: ("GENERAL_ERROR", "Something went wrong. Please contact support.", "Something went wrong."),
    503: ("SERVICE_UNAVAILABLE", "Service unavailable", "The service is not available now."),
}
_ACTIONS = {
    400: "Check the syntax, violations and adjust the request.",
    401: "Check the API key and how it is sent.",
    403: "Use a key with the scope this operation needs.",
    404: "Check the address and the ids in it.",
    405: "Use one of the methods in the Allow header.",
    409: "Read the current state, then decide what to ask for.",
    413: "Send less, or fewer recipients and smaller attachments in one request.",
    415: "Use the content type of the documentation.",
    429: "Wait as long as Retry-After says, then try again.",
    500: "Contact support with the time of the request.",
    503: "Try again later.",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One field at fault: its path as in `messages[0].content.subject`, and what is wrong with it."""

    property: str
    text: str


def is_older(path: str) -> bool:
    """Whether the endpoint at this path answers with the older family."""
    return _OLDER.fullmatch(path) is not None


def refuse(
    request: HttpRequest,
    status: int,
    *,
    violations: Iterable[Violation] = (),
    text: str = "",
    action: str = "",
    code: str = "",
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The refusal in the endpoint's family and the format the caller prefers; `code` where ours says more than theirs."""
    status = status if status in _TEXTS else 400 if status < 500 else 500
    found = tuple(violations)
    build = _exception if is_older(request.path) else _error
    root = "ApiException" if is_older(request.path) else "ApiError"
    return answer(request, status, build(status, found, text, action, code), root=root, headers=headers)


def answer(
    request: HttpRequest, status: int, body: Any, *, root: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """A body as JSON, or as XML below `root` when the caller prefers that."""
    if prefers_xml(request):
        content = f'<?xml version="1.0" encoding="UTF-8"?>{_xml(root, body)}'.encode()
        response = HttpResponse(content, status=status, content_type="application/xml")
    else:
        response = HttpResponse(encode(body), status=status, content_type="application/json")
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def encode(body: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def prefers_xml(request: HttpRequest) -> bool:
    accept = request.headers.get("Accept", "")
    return "xml" in accept and "json" not in accept


def _exception(status: int, violations: tuple[Violation, ...], text: str, _action: str, code: str) -> dict[str, Any]:
    name, usual, _ = _TEXTS[status]
    exception: dict[str, Any] = {"messageId": code or name, "text": text or usual}
    if violations:
        errors: dict[str, list[str]] = {}
        for violation in violations:
            errors.setdefault(violation.property, []).append(violation.text)
        exception["validationErrors"] = errors
    return {"requestError": {"serviceException": exception}}


def _error(status: int, violations: tuple[Violation, ...], text: str, action: str, code: str) -> dict[str, Any]:
    return {
        "errorCode": code or f"E{status}",
        "description": text or _TEXTS[status][2],
        "action": action or _ACTIONS[status],
        "violations": [{"property": violation.property, "violation": violation.text} for violation in violations],
        "resources": DOCUMENTATION,
    }


def _xml(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return "".join(_xml(name, entry) for entry in value)
    # The path of a field is no name of an element.
    plain = _ELEMENT.fullmatch(name) is not None
    begin, end = (name, name) if plain else (f"entry name={quoteattr(_cleaned(name))}", "entry")
    if isinstance(value, Mapping):
        return f"<{begin}>{''.join(_xml(str(key), entry) for key, entry in value.items())}</{end}>"
    if isinstance(value, bool):
        value = "true" if value else "false"
    return f"<{begin}>{'' if value is None else escape(_cleaned(str(value)))}</{end}>"


def _cleaned(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
