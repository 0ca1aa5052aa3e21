"""What a key may be allowed to do: the closed set of names Infobip gives to it, with words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """`label` is a few words, `gloss` one sentence; both are for people."""

    label: str
    gloss: str


# Enough for everything the Email API can do.
EVERYTHING = "email:manage"

# Infobip, "API scopes": all of Email, and the one for messages of any channel that its senders accept as well.
SCOPES: Mapping[str, Scope] = {
    "email:message:send": Scope(
        "Send mail", "Send mail and fetch its delivery reports, look at scheduled mail and at domains."
    ),
    "message:send": Scope(
        "Send on any channel", "The same as sending mail; clients written for several channels of Infobip ask for it."
    ),
    "email:logs:read": Scope("Read the log", "Look up what became of mails sent before, with their recipients."),
    "email:templates:manage": Scope("Manage templates", "Read, add, change and delete templates."),
    EVERYTHING: Scope(
        "Everything", "All of the above, and domains, do-not-email entries, scheduled mail and address checks."
    ),
}


def describe_scopes(names: list[str]) -> str:
    """The scopes of a key in people's words; a name this table does not know stands for itself."""
    if EVERYTHING in names:
        return SCOPES[EVERYTHING].label
    return ", ".join(SCOPES[name].label if name in SCOPES else name for name in names)
