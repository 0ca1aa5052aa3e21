"""Who opened and clicked: a person, a machine, or nobody can tell. A judgement of all hits of one mail together.

A rule can only turn a hit into a machine's. What comes later may do so with what came before (TR-04): a program that
follows every link of a mail shows itself by its last link, not by its first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from campaigns.models import EventKind

# Links of one mail that nobody follows so fast (TR-02).
BURST_LINKS, BURST = 3, timedelta(seconds=3)
# Around a burst everything that is asked for belongs to it.
BURST_EDGE = timedelta(seconds=2)
# After the mail arrived: people read first.
TOO_SOON = timedelta(seconds=5)
# Around the link that no person sees.
DECOY, DECOY_WINDOW = 0, timedelta(seconds=60)


class Hit(NamedTuple):
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
    """The hits of one mail with their verdicts, in the order given; one whose verdict stays is the same object.

    `arrivals` are when it was handed over and delivered, as far as known; what is learned later is judged then.
    """
    clicks = [hit for hit in hits if hit.kind == EventKind.CLICKED]
    windows = [*_decoys(clicks), *_bursts(clicks)] if clicks else []
    return [hit if hit.is_machine else _judge(hit, windows, arrivals) for hit in hits]


def _judge(hit: Hit, windows: Sequence[tuple[datetime, datetime, str]], arrivals: Sequence[datetime]) -> Hit:
    code = ""
    for start, end, reason in windows:
        if start <= hit.at <= end:
            code = reason
            break
    else:
        for at in arrivals:
            # A few seconds before, too: a hand-over is written down after it happened.
            if -TOO_SOON <= hit.at - at < TOO_SOON:
                code = "machine.too-soon"
    return hit._replace(is_machine=True, code=code) if code else hit


def _decoys(clicks: Sequence[Hit]) -> list[tuple[datetime, datetime, str]]:
    found = [hit.at for hit in clicks if hit.link == DECOY]
    return [(at - DECOY_WINDOW, at + DECOY_WINDOW, "machine.decoy") for at in found]


def _bursts(clicks: Sequence[Hit]) -> list[tuple[datetime, datetime, str]]:
    """The moments in which too many different links were followed, with their edges."""
    if len(clicks) < BURST_LINKS:
        return []
    clicks = sorted(clicks, key=lambda hit: hit.at)
    found, first = [], 0
    for last, hit in enumerate(clicks):
        while hit.at - clicks[first].at > BURST:
            first += 1
        if last - first + 1 >= BURST_LINKS and len({click.link for click in clicks[first : last + 1]}) >= BURST_LINKS:
            found.append((clicks[first].at - BURST_EDGE, hit.at + BURST_EDGE, "machine.burst"))
    return found
