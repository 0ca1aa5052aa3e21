"""The message as it goes over the wire."""

from __future__ import annotations

from compliance.facts import Finding, SendFacts
from compliance.registry import rule

MAX_BYTES = 10 * 1024 * 1024


@rule("message.too-large", citation="Email API docs: Message size: Maximum 10 MB (including attachments)")
def check_size(facts: SendFacts) -> Finding | None:
    """A message is known to be at most 10 MB when encoded, attachments included."""
    size = facts.message_bytes
    if size is None:
        return Finding(
            "message.too-large",
            "The size of the message was not measured.",
            "Try again; if it stays, tell the operator of this installation.",
        )
    # Written so that anything that does not compare, such as a NaN, blocks.
    if 0 <= size <= MAX_BYTES:
        return None
    return Finding(
        "message.too-large",
        "The encoded message is larger than 10 MB.",
        "Make attachments smaller or leave some out; encoding adds about 37 %.",
    )
