"""The steps of a HIPAA send that ask for a confirmation: what they say before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace

from campaigns.outbox.first_batch import Standing


@dataclass(frozen=True, slots=True)
class Step:
    """One action; `text` says what will happen and may carry {count}, `done` is said afterwards.

    RELEASE carries numbers of its first messages in all its words.
    """

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
RELEASE = Step(
    "release",
    "Did the first {first} arrive as they should?",
    "{standing} The other {held} {leave} at once, as they were approved. What has left cannot be called back.",
    "Yes, send the other {held}",
    "The others leave now.",
)
CANCEL = Step(
    "cancel",
    "Cancel the rest?",
    "What has not left will never leave. What has left stays sent, and a cancelled send cannot be taken up again.",
    "Cancel the rest",
    "The send is cancelled.",
    is_danger=True,
)


def ask_to_release(standing: Standing) -> Step:
    """RELEASE about the first messages of one send."""
    numbers = {
        "first": f"{standing.batch.size:,}", "held": f"{standing.held:,}", "standing": say_standing(standing),
        "leave": "leaves" if standing.held == 1 else "leave",
    }  # fmt: skip
    title = RELEASE.title if standing.is_clean else "Send the other {held} although something went wrong?"
    return replace(
        RELEASE,
        title=title.format(**numbers),
        text=RELEASE.text.format(**numbers),
        button=RELEASE.button.format(**numbers),
        is_danger=not standing.is_clean,
    )


def say_standing(standing: Standing) -> str:
    """How the first messages stand, as a sentence."""
    parts = [
        f"{standing.delivered:,} {'is' if standing.delivered == 1 else 'are'} known to have arrived",
        f"{standing.bounced:,} came back",
    ]
    if standing.failed:
        parts.append(f"{standing.failed:,} could not be made")
    if standing.complained:
        parts.append(f"{standing.complained:,} {'was' if standing.complained == 1 else 'were'} called spam")
    *most, last = parts
    return f"Of the first {standing.batch.size:,} messages {standing.left:,} have left: {', '.join(most)} and {last}."
