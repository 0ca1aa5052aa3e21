"""What became of a mail that came in, in words for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """`sentence` stands alone; `is_trouble` when somebody may want to do something about it."""

    sentence: str
    is_trouble: bool = False


OUTCOMES = {
    "kept": Outcome("Kept to read here."),
    "told": Outcome("Handed to a program."),
    "forwarded": Outcome("Forwarded."),
    "recorded": Outcome("A report about a mail of ours: it stands on the campaign."),
    "unsubscribed": Outcome("Its writer is unsubscribed."),
    "dropped": Outcome("Nobody wanted it."),
    "loop": Outcome("Not forwarded: we have forwarded this very mail before, so it goes in a circle.", is_trouble=True),
    "no-sender": Outcome("Not forwarded: it is a report of a mail server, which nobody may answer."),
    "automatic": Outcome("Not forwarded: a program has answered for somebody, such as during holidays."),
    "forged": Outcome(
        "Not forwarded: the domain it says it comes from tells us that this is a forgery.", is_trouble=True
    ),
    "unforwardable": Outcome(
        "Not forwarded: it is written in a way, or holds files, that we do not send. Read it here.", is_trouble=True
    ),
    "no-transport": Outcome("Not forwarded: the account has no way to send.", is_trouble=True),
    "no-endpoint": Outcome("Not handed on: its webhook is gone or switched off.", is_trouble=True),
    "failed": Outcome("It could not be read, whatever we tried. Download it to look at it.", is_trouble=True),
}


def describe(code: str) -> Outcome:
    """The words for a code; an empty code is one that still waits."""
    return OUTCOMES.get(code, Outcome("Is being read."))
