"""System checks of the rule book: a feature whose rules are missing is blocked, and the start says so."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from compliance.registry import BOOK


@register
def check_rule_book(*_: Any, **__: Any) -> list[CheckMessage]:
    """compliance.E001 for every gap in the rule book."""
    return [
        Error(problem, hint="Every mail of this feature is blocked until the rule is back.", id="compliance.E001")
        for problem in BOOK.find_problems()
    ]
