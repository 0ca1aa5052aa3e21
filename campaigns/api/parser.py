"""How bodies are read: JSON with keys trimmed, as one official SDK sends `"clientPriority "` (infobip.md §7.4)."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.errors import HttpError
from ninja.parser import Parser

_DEEPEST = 20
_NESTED = {dict, list}


class TrimmingParser(Parser):
    """Any depth beyond that of a real request, and numbers JSON does not have, are refused."""

    def parse_body(self, request: HttpRequest) -> Any:
        kind = (request.content_type or "").lower()
        if kind and kind != "application/json" and not kind.endswith("+json"):
            raise HttpError(415, "")
        try:
            return _trim(json.loads(request.body, parse_constant=_refuse), 0)
        except (ValueError, RecursionError):
            raise HttpError(400, "") from None


def _refuse(_: str) -> None:
    raise ValueError("not a number of JSON")


def _trim(value: Any, depth: int) -> Any:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    # Looked at here, not by a call of its own: most of what a body holds are texts.
    if type(value) is dict:
        return {
            name.strip(): _trim(entry, depth + 1) if type(entry) in _NESTED else entry for name, entry in value.items()
        }
    if type(value) is list:
        return [_trim(entry, depth + 1) if type(entry) in _NESTED else entry for entry in value]
    return value
