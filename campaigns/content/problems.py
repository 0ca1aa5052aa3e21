"""What can be wrong with content: problems found at save, and errors of one recipient's mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.errors import CampaignError


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """One thing to correct in a template; `line` counts from 1 in `field`, None when it concerns the whole."""

    field: str
    line: int | None
    code: str
    text: str
    action: str = ""
    blocking: bool = True


class TemplateError(CampaignError):
    """A draft cannot become a version; `problems` holds every blocking problem found."""

    def __init__(self, problems: Sequence[TemplateProblem]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first.code, first.text + more, action=first.action)
        self.problems = tuple(problems)


class RenderError(CampaignError):
    """The mail of this one recipient cannot be made; others are not affected. No value is in its text."""

    def __init__(self, code: str, safe_text: str, *, action: str = "") -> None:
        super().__init__(code, safe_text, action=action, status=422)
