"""Who opened and clicked: a person, a machine, or nobody can tell. A judgement of all hits of one mail together.

A rule can only turn a hit into a machine's. What comes later may do so with what came before (TR-04): a program that
follows every link of a mail shows itself by its last link, not by its first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from campaigns.models import EventKind

# Links of one mail that nobody follows so fast (TR-02).
BURST_LINKS, BURST = 3, timedelta(seconds=3)
# Around a burst everything that is asked for belongs to it.
BURST_EDGE = timedelta(seconds=2)
# After the mail arrived: people read first.
TOO_SOON = timedelta(seconds=5)
# Around the link that no person sees.
DECOY, DECOY_WINDOW = 0, timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Hit:
    """An open or a click of one mail as it is judged now; `id` None while it is not written down."""

    at: datetime
    kind: str
    link: int | None = None
    device: int | None = None
    system: int | None = None
    is_machine: bool | None = None
    code: str = ""
    id: int | None = None


def judge(hits: Sequence[Hit], *, arrivals: Sequence[datetime]) -> list[Hit]:
    """The hits of one mail with their verdicts, in the order given.

    `arrivals` are when it was handed over and delivered, as far as known; what is learned later is judged then.
    """
    windows = [*_decoys(hits), *_bursts(hits)]
    return [_judge(hit, windows, arrivals) for hit in hits]


def _judge(hit: Hit, windows: Sequence[tuple[datetime, datetime, str]], arrivals: Sequence[datetime]) -> Hit:
    if hit.is_machine:
        return hit
    code = next((code for start, end, code in windows if start <= hit.at <= end), "")
    # A few seconds before, too: a hand-over is written down after it happened.
    if not code and any(-TOO_SOON <= hit.at - at < TOO_SOON for at in arrivals):
        code = "machine.too-soon"
    return replace(hit, is_machine=True, code=code) if code else hit


def _decoys(hits: Sequence[Hit]) -> list[tuple[datetime, datetime, str]]:
    found = [hit.at for hit in hits if hit.kind == EventKind.CLICKED and hit.link == DECOY]
    return [(at - DECOY_WINDOW, at + DECOY_WINDOW, "machine.decoy") for at in found]


def _bursts(hits: Sequence[Hit]) -> list[tuple[datetime, datetime, str]]:
    """The moments in which too many different links were followed, with their edges."""
    clicks = sorted((hit for hit in hits if hit.kind == EventKind.CLICKED), key=lambda hit: hit.at)
    found, first = [], 0
    for last, hit in enumerate(clicks):
        while hit.at - clicks[first].at > BURST:
            first += 1
        if len({click.link for click in clicks[first : last + 1]}) >= BURST_LINKS:
            found.append((clicks[first].at - BURST_EDGE, hit.at + BURST_EDGE, "machine.burst"))
    return found
