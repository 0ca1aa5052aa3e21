"""Notices of Amazon SES as JSON in a mail of its notification service (SNS)."""

from __future__ import annotations

import json
from typing import Any

_MOST = 256 * 1024


def read_ses(text: str) -> dict[str, Any] | None:
    """The notification in a text, None when there is none; never raises."""
    start = text.find("{")
    if start < 0 or "notificationType" not in text[:_MOST]:
        return None
    found = _load(text[start:_MOST])
    message = found.get("Message") if isinstance(found, dict) else None
    if isinstance(message, str):
        found = _load(message)
    return found if isinstance(found, dict) and isinstance(found.get("notificationType"), str) else None


def _load(text: str) -> Any:
    # Mail programs break its long line in the middle of words; a footer follows.
    for candidate in (text, text.replace("\n ", "").replace("\n", "")):
        try:
            return json.JSONDecoder(strict=False).raw_decode(candidate)[0]
        except (ValueError, RecursionError):
            continue
    return None


def list_of(value: object) -> list[dict[str, Any]]:
    """The objects in a JSON list, however little of one it is."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def text_of(value: object) -> str:
    return value[:4_000] if isinstance(value, str) else ""
