"""One rule about the words of a refusal."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from campaigns.replies.meaning import Reason


@dataclass(frozen=True, slots=True)
class Rule:
    """`phrases` are patterns, one of which is searched for in the text as `wording.normalise` leaves it: lower case, addresses as `@`.

    `example` is a refusal that this rule and no earlier one decides; a test holds that. `is_own` marks words that only
    the system says that keeps the mailbox.
    """

    reason: Reason
    example: str
    phrases: tuple[str, ...]
    is_own: bool = False
    search: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Blanks in a pattern are what any run of blanks has become.
        object.__setattr__(self, "search", re.compile("|".join(self.phrases)))

    def matches(self, words: str) -> bool:
        return self.search.search(words) is not None
