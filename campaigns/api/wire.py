"""Small things of Infobip's wire: times, numbers for ids, texts that hold JSON."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from campaigns.moments import write_time
from campaigns.numbers import ids_between, number_of

__all__ = ["ids_between", "number_of", "read_object", "read_time", "write_time"]

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?\s*(Z|[+ -]\d{2}:?\d{2})?", re.IGNORECASE
)


def read_time(text: str) -> datetime:
    """The moment in any of the forms clients send: `+0000`, `+00:00` and `Z`, none to nine digits of a second.

    A time without a zone is UTC. Raises ValueError with a sentence that quotes nothing.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError("must be a date and time such as 2025-12-01T12:00:00.000+0000")
    day, clock, fraction, zone = found.groups()
    # A plus sign in a query string arrives as a blank.
    zone = "+0000" if not zone or zone.upper() == "Z" else zone.replace(" ", "+").replace(":", "")
    seconds = clock if clock.count(":") == 2 else f"{clock}:00"
    try:
        moment = datetime.strptime(f"{day}T{seconds}{zone}", "%Y-%m-%dT%H:%M:%S%z")
        return moment.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0"))).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("must be a date and time that exist") from None


def read_object(value: Any) -> dict[str, Any]:
    """A JSON object, given as one or as text that holds one; empty for nothing. Raises ValueError."""
    if isinstance(value, str):
        if not value.strip():
            return {}
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError("must be a JSON object") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004 - pydantic listens to ValueError
    return {str(name).strip(): entry for name, entry in value.items()}
