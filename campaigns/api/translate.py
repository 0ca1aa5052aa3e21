"""From what went wrong to an envelope: the one translator of this door."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from campaigns.api.envelopes import Violation, refuse
from campaigns.errors import CampaignError, NotFound

log = logging.getLogger(__name__)

_BODY = "requestBody"
# Every 401 says how to come in (RFC 9110 §11.6.1).
CHALLENGE = 'App realm="Email API", Basic realm="Email API", Bearer realm="Email API"'
_TEXTS = {
    "missing": "must not be null",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "extra_forbidden": "is not supported here",
    "uuid_parsing": "must be an id",
}


class Refused(CampaignError):
    """A request with fields at fault: each by its path, none by its value."""

    def __init__(self, *violations: Violation, status: int = 400, text: str = "Request cannot be processed.") -> None:
        super().__init__("request.invalid", text, status=status)
        self.violations = violations


def register_translators(api: NinjaAPI) -> None:
    """Every error of an operation ends in an envelope."""
    api.add_exception_handler(CampaignError, _on_campaign_error)
    api.add_exception_handler(ValidationError, _on_validation_error)
    api.add_exception_handler(HttpError, _on_http_error)
    api.add_exception_handler(
        AuthenticationError, lambda request, _: refuse(request, 401, headers={"WWW-Authenticate": CHALLENGE})
    )
    api.add_exception_handler(Http404, lambda request, _: refuse(request, 404))
    api.add_exception_handler(RequestDataTooBig, lambda request, _: refuse(request, 413))
    for kind in (BadRequest, TooManyFieldsSent, TooManyFilesSent, MultiPartParserError):
        api.add_exception_handler(kind, _on_bad_request)
    api.add_exception_handler(Exception, _on_anything)


def _on_campaign_error(request: HttpRequest, error: CampaignError | type[CampaignError]) -> HttpResponse:
    assert isinstance(error, CampaignError)
    if isinstance(error, Refused):
        return refuse(request, error.status, violations=error.violations)
    if isinstance(error, NotFound):
        thing = error.code.partition(".")[0].replace("-", " ").capitalize()
        return refuse(request, 404, text=f"{thing} not found")
    headers = {}
    if error.status == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    if (wait := getattr(error, "retry_after", None)) is not None:
        headers["Retry-After"] = str(max(math.ceil(wait), 1))
    # Refusals under HIPAA are told apart by their own codes, the same at every door.
    code = error.code if error.code.startswith("hipaa.") else ""
    violations = getattr(error, "violations", ())
    return refuse(
        request,
        error.status,
        violations=violations,
        text=error.safe_text,
        action=error.action,
        code=code,
        headers=headers,
    )


def _on_validation_error(request: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
    assert isinstance(error, ValidationError)
    return refuse(request, 400, violations=list_violations(error.errors))


def _on_http_error(request: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
    assert isinstance(error, HttpError)
    if error.status_code == 400:
        return refuse(request, 400, violations=[Violation(_BODY, "must be readable JSON")])
    return refuse(request, error.status_code)


def _on_bad_request(request: HttpRequest, _: Any) -> HttpResponse:
    return refuse(request, 400, violations=[Violation(_BODY, "cannot be read")])


def _on_anything(request: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    # The edge of the door. No traceback: its text could quote what was sent.
    log.error("API %s: %s", request.resolver_match.route if request.resolver_match else "?", type(error).__name__)
    return refuse(request, 500)


def list_violations(errors: Sequence[Mapping[str, Any]]) -> Iterable[Violation]:
    """pydantic's errors as violations: paths as in `messages[0].content.subject`, texts without a value."""
    seen = {(write_path(error["loc"]), describe(error)) for error in errors}
    return [Violation(*pair) for pair in sorted(seen)]


def write_path(loc: Sequence[Any]) -> str:
    """Where the fault is; the framework's own names for body and query are left out."""
    path = ""
    for part in _inside(tuple(loc)):
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else str(part)
    return path or _BODY


def _inside(loc: tuple[Any, ...]) -> tuple[Any, ...]:
    if loc[:1] == ("body",):
        return loc[2:]
    return loc[1:] if loc[:1] in {("query",), ("path",), ("form",)} else loc


def describe(error: Mapping[str, Any]) -> str:
    """What is wrong, in words that quote no value."""
    kind, given = error["type"], error.get("ctx", {})
    if kind in _TEXTS:
        return _TEXTS[kind]
    if kind == "value_error":
        return str(given.get("error", "is not valid"))
    if kind in {"string_too_short", "too_short"} and given.get("min_length") == 1:
        return "must not be blank" if kind == "string_too_short" else "must not be empty"
    if kind in {"string_too_short", "string_too_long", "too_short", "too_long"}:
        return f"size must be at least {given['min_length']}" if "min_length" in given else (
            f"size must be at most {given['max_length']}"
        )  # fmt: skip
    if kind in {"literal_error", "enum"}:
        return f"must be one of {given.get('expected', 'the documented values')}"
    bounds = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most"),
              "greater_than": ("gt", "more than"), "less_than": ("lt", "less than")}  # fmt: skip
    if kind in bounds:
        name, words = bounds[kind]
        return f"must be {words} {given.get(name)}"
    return "is not valid"
