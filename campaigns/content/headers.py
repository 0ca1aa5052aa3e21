"""Headers a program may add to its mail: its own X-… and a few that concern nobody else (LH-03)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from campaigns.content.mime import header_text
from campaigns.content.problems import RenderError
from campaigns.errors import CampaignError

ALLOWED = frozenset(
    ["auto-submitted", "comments", "importance", "in-reply-to", "keywords", "organization", "priority", "references",
     "sensitivity", "thread-index", "thread-topic"]
)  # fmt: skip
# Ours, whoever sets them: they steer the API, or tell receivers who answers for the mail.
_OURS = re.compile(r"x-(?:ib|infobip|sealpost|feedback|csa|abuse|report-abuse|complaints-to)\b.*", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}").fullmatch
_MOST = 50
_LONGEST = 2_000


def check_headers(headers: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The headers as (name, value); raises CampaignError `header.refused`, which names no value."""
    if len(headers) > _MOST:
        raise _refused(f"A mail has at most {_MOST} headers of its own.")
    return tuple((_check_name(str(name)), _check_text(value)) for name, value in headers.items())


def _check_name(name: str) -> str:
    lower = name.lower()
    if not _NAME(name) or not (lower in ALLOWED or (lower.startswith("x-") and not _OURS.fullmatch(name))):
        raise _refused("Only X- headers and a few others can be set: this one is written by us or by nobody.")
    return name


def _check_text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None
    if text is None or len(text) > _LONGEST:
        raise _refused(f"The value of a header is a text of at most {_LONGEST} characters.")
    try:
        return header_text("custom", text)
    except RenderError:
        raise _refused("The value of a header has no line breaks and no control characters.") from None


def _refused(text: str) -> CampaignError:
    return CampaignError("header.refused", text, action="Leave it out, or use a name that begins with X-.")
