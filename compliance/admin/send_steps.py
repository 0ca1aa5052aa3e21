"""The steps of a HIPAA send that ask for a confirmation: what they say before and after."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One action; `text` says what will happen and may carry {count}, `done` is said afterwards."""

    name: str
    title: str
    text: str
    button: str
    done: str
    is_danger: bool = False


REMOVE = Step(
    "remove",
    "Remove the recipients?",
    "The keys of all {count:,} recipients are destroyed at once. Nobody can open their values any more; you would upload the file anew.",
    "Remove and destroy the keys",
    "The recipients are gone.",
    is_danger=True,
)
WITHDRAW = Step(
    "withdraw",
    "Take it back?",
    "The approval ends, whoever has approved already. Nothing is sent until you submit it again and others approve it again.",
    "Take it back",
    "It is a draft again.",
)
RESUME = Step(
    "resume",
    "Go on sending?",
    "Sending stopped by itself. What still waits leaves as it was approved.",
    "Go on",
    "Sending goes on.",
)
CANCEL = Step(
    "cancel",
    "Cancel the rest?",
    "What has not left will never leave. What has left stays sent, and a cancelled send cannot be taken up again.",
    "Cancel the rest",
    "The send is cancelled.",
    is_danger=True,
)
