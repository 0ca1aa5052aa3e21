"""System checks of the audit trail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connections

from compliance.models.guards import find_missing


@register(Tags.database)
def check_guards(*, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """compliance.E006: evidence that the database would let anybody change."""
    return [
        Error(
            "The database lacks triggers that keep evidence from being changed or deleted.",
            hint="Run manage.py migrate, which makes them, and manage.py verify_audit, which tells what happened meanwhile.",
            id="compliance.E006",
        )
        for alias in databases or ()
        if _lacks_guards(alias)
    ]


def _lacks_guards(alias: str) -> bool:
    try:
        return bool(find_missing(connections[alias]))
    except DatabaseError:
        # Said by others: there is no database to ask.
        return False
