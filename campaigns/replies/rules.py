"""What words in a refusal say: the rules of all areas, in the order in which they are asked.

The first rule that matches decides, so the more certain areas come first: what is said about us before what is said
about the reader, and what wraps another reason ("tried for five days") last.
"""

from __future__ import annotations

from campaigns.replies import rules_content, rules_recipient, rules_sender, rules_systems
from campaigns.replies.rule import Rule

RULES: tuple[Rule, ...] = (
    *rules_sender.RULES,
    *rules_content.CERTAIN,
    *rules_recipient.RULES,
    *rules_content.SIZE,
    *rules_sender.WEAK,
    *rules_content.WEAK,
    *rules_systems.RULES,
)
